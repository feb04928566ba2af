/**
 * The page that `bench --html` writes: a chart and a table, nothing loaded from elsewhere.
 *
 * @module
 */
import { availableParallelism, cpus, platform, release } from "node:os";
import type { BenchResult, Spread } from "./bench_result.ts";

const WIDTH = 760;
const LABEL_WIDTH = 150;
const VALUE_WIDTH = 130;
const ROW_HEIGHT = 34;
const BAR_HEIGHT = 20;

/** The page as text. */
export function benchPage(results: readonly BenchResult[], date: Date): string {
  const rows = results.map((result) =>
    `<tr><td>${escaped(result.runtime)}</td>${
      [
        millions(result.messagesPerSecond),
        numbers(result.megabytesPerSecond, 0),
        numbers(result.floorMegabytesPerSecond, 0),
        numbers(scaled(result.ratioToFloor, 100), 1),
        String(result.rounds),
      ].map((cell) => `<td>${cell}</td>`).join("")
    }</tr>`
  );
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>bimiplog bench</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: ${WIDTH}px; padding: 0 1rem; color: #222; background: #fff; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
svg { width: 100%; height: auto; }
small { color: #666; }
</style>
</head>
<body>
<h1>bimiplog bench</h1>
<p>Values of 100 bytes appended to one shard and flushed to the operating system, in bursts into the page cache.
Bars are medians, lines reach from the slowest to the fastest round.</p>
<h2>Messages a second, in millions</h2>
${
    chart(
      results.map(({ runtime, messagesPerSecond }) => ({ label: runtime, spread: scaled(messagesPerSecond, 1e-6) })),
      2,
    )
  }
<h2>Throughput of the log as a part of raw writes of the same bytes, in percent</h2>
${chart(results.map(({ runtime, ratioToFloor }) => ({ label: runtime, spread: scaled(ratioToFloor, 100) })), 1)}
<table>
<tr><th>runtime</th><th>million messages/s</th><th>MB/s</th><th>raw MB/s</th><th>% of raw</th><th>rounds</th></tr>
${rows.join("\n")}
</table>
<p><small>${escaped(date.toISOString())} · ${escaped(machine())}</small></p>
</body>
</html>
`;
}

function chart(bars: readonly { label: string; spread: Spread }[], digits: number): string {
  const highest = Math.max(...bars.map(({ spread }) => spread.high), Number.MIN_VALUE);
  const scale = (WIDTH - LABEL_WIDTH - VALUE_WIDTH) / highest;
  const lines = bars.map(({ label, spread: { median, low, high } }, i) => {
    const top = i * ROW_HEIGHT + (ROW_HEIGHT - BAR_HEIGHT) / 2;
    const middle = top + BAR_HEIGHT / 2;
    const x = (value: number): string => (LABEL_WIDTH + value * scale).toFixed(1);
    return `<text x="${LABEL_WIDTH - 8}" y="${middle + 5}" text-anchor="end">${escaped(label)}</text>
<rect x="${LABEL_WIDTH}" y="${top}" width="${(median * scale).toFixed(1)}" height="${BAR_HEIGHT}" fill="#3b78c2"/>
<line x1="${x(low)}" x2="${x(high)}" y1="${middle}" y2="${middle}" stroke="#123" stroke-width="2"/>
<text x="${(LABEL_WIDTH + high * scale + 8).toFixed(1)}" y="${middle + 5}">${median.toFixed(digits)}</text>`;
  });
  const height = bars.length * ROW_HEIGHT;
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" font-size="14" fill="#222">\n${lines.join("\n")}\n</svg>`;
}

function scaled({ median, low, high }: Spread, factor: number): Spread {
  return { median: median * factor, low: low * factor, high: high * factor };
}

function numbers({ median, low, high }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${low.toFixed(digits)}–${high.toFixed(digits)})`;
}

function millions(spread: Spread): string {
  return numbers(scaled(spread, 1e-6), 2);
}

function machine(): string {
  return `${platform()} ${release()}, ${availableParallelism()} × ${cpus()[0]?.model ?? "unknown processor"}`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
