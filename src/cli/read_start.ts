/**
 * Where a read begins and ends, and what it selects, from the words of the command line.
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
  return parsePlace(text, "an offset, earliest, latest or a time", "from");
}

/**
 * Reads `OFFSET|ISO-TIME`.
 *
 * @throws {UsageError} where it is none of them.
 */
export function parseEnd(text: string): number | Date {
  return parsePlace(text, "an offset or a time", "before");
}

function parsePlace(text: string, kinds: string, option: string): number | Date {
  if (/^\d+$/.test(text)) {
    const offset = Number(text);
    if (Number.isSafeInteger(offset)) return offset;
    throw new UsageError(`--${option} ${quoted(text)} is larger than any offset`);
  }
  const time = ISO_TIME.test(text) ? new Date(text) : undefined;
  if (time !== undefined && !Number.isNaN(time.getTime())) return time;
  throw new UsageError(`--${option} must be ${kinds} such as 2026-01-31T12:00:00Z, not ${quoted(text)}`);
}

/**
 * Reads `NAME` or `NAME=VALUE`, several of them.
 *
 * @throws {UsageError} where a name stands twice.
 */
export function parseHeaders(texts: readonly string[]): Record<string, string | true> {
  const headers = new Map<string, string | true>();
  for (const text of texts) {
    const at = text.indexOf("=");
    const name = at < 0 ? text : text.slice(0, at);
    if (headers.has(name)) throw new UsageError(`--header ${quoted(name)} is given twice`);
    headers.set(name, at < 0 ? true : text.slice(at + 1));
  }
  return Object.fromEntries(headers);
}
