/**
 * Where a read begins, from the words of the command line.
 *
 * @module
 */
import type { Start } from "../read/start.ts";
import { quoted } from "./arguments.ts";
import { UsageError } from "./exit_codes.ts";

/** A date, and a time of day with an optional zone. Without a zone it is local time; a date alone is UTC, as everywhere in JavaScript. */
const ISO_TIME = /^[+-]?\d{4,6}-\d\d(-\d\d)?(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?$/i;

/**
 * Reads `OFFSET|earliest|latest|ISO-TIME`.
 *
 * @throws {UsageError} where it is none of them.
 */
export function parseStart(text: string): Exclude<Start, readonly number[]> {
  if (text === "earliest" || text === "latest") return text;
  if (/^\d+$/.test(text)) {
    const offset = Number(text);
    if (Number.isSafeInteger(offset)) return offset;
    throw new UsageError(`--from ${quoted(text)} is larger than any offset`);
  }
  const time = ISO_TIME.test(text) ? new Date(text) : undefined;
  if (time !== undefined && !Number.isNaN(time.getTime())) return time;
  throw new UsageError(
    `--from must be an offset, earliest, latest or a time such as 2026-01-31T12:00:00Z, not ${quoted(text)}`,
  );
}
