/**
 * Bars as SVG, one a runtime.
 *
 * @module
 */
import type { Spread } from "./pairs.ts";

const LEFT = 130;
const WIDTH = 520;
const ROW_HEIGHT = 34;

/** One bar. Texts are escaped already. */
export interface Row {
  readonly label: string;
  readonly bar: Spread;
  /** Where a line crosses it: the floor, or the goal. */
  readonly mark: number | undefined;
  readonly text: string;
}

/** Bars with a line at the mark of each. Differences of two measurements may be below zero: they are drawn as zero. */
export function chart(rows: readonly Row[]): string {
  const largest = Math.max(...rows.flatMap(({ bar, mark }) => [bar.high, mark ?? 0]));
  const scale = largest > 0 ? WIDTH / largest : 0;
  const at = (value: number): string => (LEFT + Math.max(0, value) * scale).toFixed(1);
  const parts = rows.map(({ label, bar, mark, text }, i) => {
    const y = i * ROW_HEIGHT + 6;
    const line = mark === undefined
      ? ""
      : `<line x1="${at(mark)}" x2="${at(mark)}" y1="${y - 3}" y2="${y + 25}" class="floor"/>`;
    const textAt = Number(at(Math.max(bar.median, mark ?? 0))) + 8;
    return `<text x="${LEFT - 8}" y="${y + 16}" text-anchor="end">${label}</text>` +
      `<rect x="${LEFT}" y="${y}" width="${
        (Math.max(0, bar.median) * scale).toFixed(1)
      }" height="22" rx="3" class="bar"/>` +
      `<line x1="${at(bar.low)}" x2="${at(bar.high)}" y1="${y + 11}" y2="${y + 11}" class="spread"/>${line}` +
      `<text x="${textAt.toFixed(1)}" y="${y + 16}">${text}</text>`;
  });
  return `<svg viewBox="0 0 860 ${rows.length * ROW_HEIGHT + 6}" role="img">${parts.join("")}</svg>`;
}
