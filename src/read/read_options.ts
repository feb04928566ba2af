/**
 * What readers can be asked for.
 *
 * @module
 */
import type { SignalOptions } from "../options.ts";
import type { RecordFilter } from "./filter.ts";
import type { GapEvent } from "./shard_batches.ts";
import type { Start } from "./start.ts";
import type { Isolation } from "./transactions.ts";

/** Where a read ends, exclusive: an offset (of one shard), offsets by shard, or the first record with at least this time. */
export type Before = number | Date | readonly number[];

/** Options of `log.read`. */
export interface ReadOptions extends SignalOptions {
  /** One shard. Without: all, records merged by (timestamp, shard, offset), batches one shard after the other. */
  shard?: number;
  /** The first record wanted, inclusive, in the order of the offsets: with `reverse` the last one handed out. @default {"earliest"} */
  from?: Start;
  /**
   * Where records are not wanted any more, exclusive. A Date is the place where `from` with the same Date begins. Past the end it
   * changes nothing. Not together with `follow`.
   *
   * @default {the end}
   */
  before?: Before;
  /**
   * Only the newest so many records that are wanted, counted now: those that `reverse` with this `limit` finds, but handed out oldest
   * first; `follow` goes on behind them.
   */
  last?: number;
  /** At most so many records. */
  limit?: number;
  /** Newest first. Not together with `follow`, and not for batches. @default {false} */
  reverse?: boolean;
  /** Only records that have this key and these headers; others do not count for `last` and `limit`. @default {all} */
  where?: RecordFilter;
  /** Waits for more at the end instead of ending. Ends when the log is closed. @default {false} */
  follow?: boolean;
  /**
   * Records of Kafka transactions, in segments that a broker wrote: all of them, as Kafka's own default has it, or only those of
   * committed ones. `"committed"` hides what was aborted and what has no end yet; from the first transaction on a shard is read twice, and `last`
   * counts hidden records, too. It changes nothing for records without a transaction. Not together with `reverse`.
   *
   * @default {"uncommitted"}
   */
  isolation?: Isolation;
  /**
   * What to do at damaged data: throw `CORRUPT_BATCH`, or tell `onGap` and go on behind it. A merged read throws in front of the first
   * record that it would hand out from behind the damage. @default {"stop"}
   */
  onCorrupt?: "stop" | "skip";
  /** Called for every range of offsets that was passed over. */
  onGap?: (gap: GapEvent) => void;
}

/**
 * Checks what can be checked without looking into the log.
 *
 * @param shards How many shards are read.
 * @throws {TypeError} where options do not go together, or one has a wrong type.
 * @throws {RangeError} where a number is out of range.
 */
export function checkReadOptions(options: ReadOptions, shards: number): void {
  const { isolation } = options;
  if (isolation !== undefined && isolation !== "committed" && isolation !== "uncommitted") {
    throw new RangeError(`Cannot read: isolation must be "committed" or "uncommitted", not ${String(isolation)}`);
  }
  if (isolation === "committed" && options.reverse) {
    throw new TypeError('Cannot read: isolation "committed" does not go with reverse');
  }
  for (const name of ["last", "limit"] as const) checkWhole(name, options[name]);
  const { from, before, reverse, follow } = options;
  if (typeof from === "number" && shards > 1) {
    throw new TypeError(
      "Cannot read from an offset on all shards: name a shard, or give an array of offsets by shard",
    );
  }
  if (follow && (reverse || before !== undefined)) {
    throw new TypeError("Cannot follow: follow does not go with reverse or before");
  }
  checkBefore(before, shards);
}

/** The same for reading batches, of options that are checked for reading. */
export function checkBatchOptions(options: ReadOptions, shards: number): void {
  if (options.reverse) throw new TypeError("Cannot read batches in reverse: read() does that");
  if (options.last !== undefined && shards > 1) {
    throw new TypeError("Cannot read the last batches of all shards: name a shard");
  }
}

function checkBefore(before: Before | undefined, shards: number): void {
  if (before === undefined) return;
  if (before instanceof Date) {
    if (Number.isNaN(before.getTime())) throw new TypeError("Cannot read up to a time: the Date is invalid");
  } else if (typeof before === "number") {
    checkWhole("before", before);
    if (shards > 1) {
      throw new TypeError(
        "Cannot read up to an offset on all shards: name a shard, or give an array of offsets by shard",
      );
    }
  } else if (Array.isArray(before)) before.forEach((offset) => checkWhole("before", offset));
  else throw new TypeError("Cannot read: before must be an offset, an array of offsets by shard, or a Date");
}

function checkWhole(name: string, value: unknown): void {
  if (value === undefined || (Number.isSafeInteger(value) && (value as number) >= 0)) return;
  throw new RangeError(`Cannot read: ${name} must be a whole number from 0, not ${String(value)}`);
}
