/**
 * What a log tells a program about itself while it runs, and the rule that nobody who listens can harm it.
 *
 * @module
 */

/** One call: a sentence for a person, and fields for a machine. Whatever it answers is ignored. */
export type LogCall = (message: string, fields: Record<string, unknown>) => unknown;

/**
 * Takes messages by level; levels that are missing are not told. `console` is one, and so are most loggers. It is called on the
 * log's own way, so it should not take long. What it throws, or rejects with, is dropped.
 *
 * - `debug`: a shard was opened, a new segment begins, the way of writing changes.
 * - `info`: opening had to cut off a torn tail.
 * - `warn`: a sync took longer than `slowSyncMs`, an index was given up (reading goes on without it).
 * - `error`: a shard is poisoned, data is lost or damaged, a sync in the background failed.
 *
 * Every message has the field `event`, such as `"roll"`, and those of a shard have `shard`.
 *
 * @example
 * ```ts
 * import { openLog } from "@bimip/log";
 *
 * const log = await openLog("./data/logger-example", { logger: { warn: console.warn, error: console.error } });
 * await log.close();
 * ```
 */
export interface Logger {
  /** Of interest to who looks for something. */
  debug?: LogCall;
  /** Worth knowing. */
  info?: LogCall;
  /** Something is not as it should be, and nothing is lost. */
  warn?: LogCall;
  /** Somebody has to look. */
  error?: LogCall;
}

const LEVELS = ["debug", "info", "warn", "error"] as const;

/** How loud a message is. */
export type LogLevel = typeof LEVELS[number];

/** Says something; never throws. */
export type Tell = (level: LogLevel, event: string, message: string, fields?: Record<string, unknown>) => void;

/** Tells nobody. */
export const tellNobody: Tell = () => {};

/**
 * The safe way to a logger.
 *
 * @throws {TypeError} where it is no object, or a level is no function.
 */
export function tellTo(logger: Logger | undefined): Tell {
  if (logger === undefined) return tellNobody;
  if (typeof logger !== "object" || logger === null) {
    throw new TypeError(`Cannot open a log: logger must be an object with debug, info, warn or error, not ${logger}`);
  }
  for (const level of LEVELS) {
    if (logger[level] !== undefined && typeof logger[level] !== "function") {
      throw new TypeError(`Cannot open a log: logger.${level} must be a function, not ${typeof logger[level]}`);
    }
  }
  return (level, event, message, fields = {}) => {
    try {
      const answer = logger[level]?.(message, { event, ...fields });
      if (answer instanceof Promise) answer.catch(() => {});
    } catch {
      // Whoever listens has a problem of its own: the log goes on.
    }
  };
}
