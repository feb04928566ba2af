/**
 * Numbers for people, also as bars.
 *
 * @module
 */

const BLOCKS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"];
const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** Bytes in the unit that gives at most three digits before the point: `1.2 MB`. */
export function bytesText(bytes: number): string {
  let unit = 0;
  let value = bytes;
  while (value >= 999.95 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value.toFixed(0) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** A whole number with thin groups of three: `12,345`. */
export function countText(count: number): string {
  return Math.round(count).toString().replace(/\B(?=(\d{3})+$)/g, ",");
}

/** A bar of at most `cells` characters, in eighths of one. */
export function bar(part: number, cells: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, part)) * cells * 8);
  return "█".repeat(eighths >> 3) + BLOCKS[eighths & 7];
}
