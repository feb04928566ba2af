/**
 * The outcomes as Markdown tables and as one HTML page with charts.
 *
 * @module
 */
import type { Figure } from "./figure.ts";
import type { Machine } from "./machine.ts";
import type { Outcome } from "./pairs.ts";

/** Everything one run found. */
export interface Report {
  readonly machine: Machine;
  readonly pairs: number;
  readonly figures: readonly Figure[];
  readonly outcomes: readonly Outcome[];
}

/** The figure's goal as the end of a sentence. */
export function goalText({ goal }: Figure): string {
  return goal === undefined ? "" : `, goal ${goal}`;
}

function million(perSecond: number): string {
  return (perSecond / 1e6).toFixed(perSecond < 1e5 ? 4 : 2);
}

function machineLine({ machine, pairs }: Report): string {
  return `${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}; ${machine.fileSystem} on ` +
    `${machine.device}; medians of ${pairs} pairs, our side and its floor in turn, with the spread`;
}

export function markdownTables(report: Report): string {
  const lines = [machineLine(report), ""];
  for (const figure of report.figures) {
    lines.push(`**${figure.title}**, floor: ${figure.floor}`, "");
    lines.push("| runtime | M messages/s | floor, M messages/s | ratio | goal |", "|---|---|---|---|---|");
    for (const outcome of report.outcomes.filter((outcome) => outcome.figure === figure.name)) {
      const { messagesPerSecond, floorPerSecond, ratio } = outcome;
      lines.push(
        `| ${outcome.runtime} | ${million(messagesPerSecond.median)} (${million(messagesPerSecond.low)}–${
          million(messagesPerSecond.high)
        }) ` +
          `| ${million(floorPerSecond.median)} | ${ratio.median.toFixed(2)} (${ratio.low.toFixed(2)}–${
            ratio.high.toFixed(2)
          }) | ${figure.goal ?? ""} |`,
      );
    }
    lines.push("");
  }
  return lines.join("\n");
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

/** Bars of our side, with a line where the floor is. */
function chart(outcomes: readonly Outcome[]): string {
  const largest = Math.max(
    ...outcomes.flatMap((outcome) => [outcome.messagesPerSecond.high, outcome.floorPerSecond.median]),
  );
  const scale = 520 / largest;
  const rows = outcomes.map((outcome, i) => {
    const y = i * 34 + 6;
    const { low, median, high } = outcome.messagesPerSecond;
    const floorAt = 130 + outcome.floorPerSecond.median * scale;
    return `<text x="122" y="${y + 16}" text-anchor="end">${escape(outcome.runtime)}</text>` +
      `<rect x="130" y="${y}" width="${(median * scale).toFixed(1)}" height="22" rx="3" class="bar"/>` +
      `<line x1="${(130 + low * scale).toFixed(1)}" x2="${(130 + high * scale).toFixed(1)}" y1="${y + 11}" y2="${
        y + 11
      }" class="spread"/>` +
      `<line x1="${floorAt.toFixed(1)}" x2="${floorAt.toFixed(1)}" y1="${y - 3}" y2="${y + 25}" class="floor"/>` +
      `<text x="${(130 + Math.max(median, outcome.floorPerSecond.median) * scale + 8).toFixed(1)}" y="${y + 16}">` +
      `${million(median)} M/s, ${(outcome.ratio.median * 100).toFixed(0)} % of the floor</text>`;
  });
  return `<svg viewBox="0 0 860 ${outcomes.length * 34 + 6}" role="img">${rows.join("")}</svg>`;
}

export function htmlPage(report: Report): string {
  const sections = report.figures.map((figure) => {
    const outcomes = report.outcomes.filter((outcome) => outcome.figure === figure.name);
    if (outcomes.length === 0) return "";
    return `<section><h2>${escape(figure.title)}</h2><p>Floor (the line): ${escape(figure.floor)}.${
      figure.goal === undefined ? "" : ` Goal: ${figure.goal} of it.`
    }</p>` +
      `${chart(outcomes)}</section>`;
  });
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>BimipLog benchmarks</title><style>
:root{color-scheme:light dark;--bar:#2f6fde;--floor:#c2410c}
body{font:16px/1.5 system-ui,sans-serif;max-width:920px;margin:2rem auto;padding:0 1rem}
h2{font-size:1.1rem;margin:2rem 0 .2rem}p{margin:.2rem 0 .8rem;opacity:.8}svg{width:100%;height:auto}
text{font-size:14px;fill:currentColor}.bar{fill:var(--bar)}.spread{stroke:currentColor;stroke-width:2;opacity:.6}.floor{stroke:var(--floor);stroke-width:3}
</style><h1>BimipLog benchmarks</h1><p>${escape(machineLine(report))}</p>${sections.join("\n")}</html>
`;
}
