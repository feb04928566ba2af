/**
 * What `dump` prints: one line for each thing in a file.
 *
 * @module
 */
import type { VfsFile } from "../vfs.ts";

/** One line: the fields as JSON has them. `invalid` says what is wrong with what stands there. */
export interface Line {
  readonly position: number;
  readonly kind: string;
  readonly invalid?: string;
  readonly [field: string]: unknown;
}

/** Something that goes through a file. */
export type Dump = (file: VfsFile, bytes: number, path: string) => AsyncIterable<Line>;

/** A line for people: `position 0  batch  baseOffset 0 …`. */
export function plainLine({ position, kind, invalid, ...fields }: Line): string {
  const words = Object.entries(fields).map(([name, value]) => `${name} ${plainValue(value)}`);
  const rest = words.length === 0 ? "" : `  ${words.join("  ")}`;
  return `${position}  ${kind}${invalid === undefined ? "" : `  INVALID: ${invalid}`}${rest}`;
}

function plainValue(value: unknown): string {
  if (typeof value !== "object" || value === null) return String(value);
  return `(${Object.entries(value).map(([name, inner]) => `${name} ${plainValue(inner)}`).join(", ")})`;
}

/** Milliseconds since 1970 for people, or the number where it is no date. */
export function timeText(timestamp: number): string | number {
  return timestamp >= 0 && timestamp <= 8.64e15 ? new Date(timestamp).toISOString() : timestamp;
}
