/**
 * The public face of a consumer.
 *
 * @module
 */
import type { SignalOptions } from "../options.ts";
import type { GapEvent } from "../read/shard_batches.ts";
import type { LogRecord } from "../read/stored_record.ts";

/** What a consumer that reads needs to be told, in any thread. */
export interface ConsumeOptions extends SignalOptions {
  /** Waits for more at the end instead of ending. @default {true} */
  follow?: boolean;
  /**
   * Commits by itself what the loop has come back from: after each batch that was read, and when the loop ends, but for the
   * last record where it was left by `break` or an error.
   *
   * @default {false}
   */
  autoCommit?: boolean;
  /** What to do at damaged data: end with `CORRUPT_BATCH`, or tell `onGap` and go on behind it. @default {"stop"} */
  onCorrupt?: "stop" | "skip";
  /**
   * Called for offsets that cannot be delivered any more: retention dropped them before they were committed, or they are damaged and
   * `onCorrupt` is `"skip"`. Without it a consumer that meets dropped offsets ends with `OFFSET_OUT_OF_RANGE`.
   */
  onGap?: (gap: GapEvent) => void;
}

/** How a member joins the group of a consumer. */
export interface GroupOptions {
  /**
   * Where a consumer begins whose name is new: that place is stored at once. Also where it goes on when retention has dropped what it
   * wanted next. Kafka's `auto.offset.reset`.
   *
   * @default {"earliest"}
   */
  from?: "earliest" | "latest";
  /** The only shards this member takes, by number. @default {all} */
  shards?: readonly number[];
  /**
   * How long this member may keep a shard that another member is to have, while records of it are delivered and not committed; and
   * how long a worker may give no sign of life. In milliseconds, 10–600,000.
   *
   * @default {10_000}
   */
  leaseMs?: number;
}

/** Options of `log.consumer()`. */
export interface ConsumerOptions extends ConsumeOptions, GroupOptions {}

/** How far a consumer is behind in one shard. */
export interface ShardLag {
  /** Number of the shard. */
  readonly shard: number;
  /** Offset of the next record to read. */
  readonly committed: number;
  /** Offset behind the last record that can be read. */
  readonly end: number;
  /** Offsets between the two that can still be read. */
  readonly lag: number;
}

/** How far a consumer is behind. */
export interface ConsumerLag {
  /** Over all shards. */
  readonly total: number;
  /** By shard. */
  readonly shards: readonly ShardLag[];
}

/** A stored offset behind the end of its shard: a power loss took records that were consumed, and not synced. */
export interface ClampEvent {
  /** Name of the consumer. */
  readonly consumer: string;
  /** Number of the shard. */
  readonly shard: number;
  /** The offset that was stored. */
  readonly from: number;
  /** The end of the shard, which is stored now: what is appended there is delivered. */
  readonly to: number;
}

/** What `log.consumers()` tells of a consumer. */
export interface ConsumerInfo extends ConsumerLag {
  /** Its name. */
  readonly name: string;
}

/**
 * A named cursor over all shards of a log. Every record is delivered at least once: what was not committed is delivered again, in the next
 * loop, after a crash, or to another member of the group. Iterating it delivers records, of each shard in the order of their offsets.
 *
 * @example
 * ```ts
 * import { openLog } from "@bimip/log";
 *
 * const log = await openLog("./data/consumer-example");
 * await log.append({ value: "a mail to send" });
 * await using mailer = log.consumer("mailer", { follow: false });
 * for await (const record of mailer) {
 *   console.log(record.text());
 *   await mailer.commit(record);
 * }
 * await mailer.close();
 * await log.close();
 * ```
 */
export interface Consumer extends AsyncDisposable {
  /** Its name. */
  readonly name: string;
  /**
   * Delivers from the committed offsets on. One loop at a time.
   *
   * @throws {LogError} from the iterator: `LOCKED` where another process has this consumer; `CORRUPT_FILE`, `OFFSET_OUT_OF_RANGE`,
   * `CORRUPT_BATCH`, `CONFLICT`, `CLOSED`, `IO`
   * @throws {TypeError} where a loop over it is running.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<LogRecord>;
  /**
   * Stores how far it has come; resolves on the log's rung: written with `os`, synced with `disk`. Appends do not wait for it.
   *
   * @param place A record that is done, and all before it in its shard with it. Without: everything that was delivered. What is
   * committed never goes back: a record in front of it changes nothing.
   * @throws {LogError} `CONFLICT` where records were delivered of a shard that another member has by now: those of other shards are
   * committed. `POISONED` where the file could not be written, `OFFSET_OUT_OF_RANGE`, `LOCKED`, `CORRUPT_FILE`, `CLOSED`, `DISK_FULL`, `IO`
   */
  commit(place?: { readonly shard: number; readonly offset: number }): Promise<void>;
  /** Offset of the next record to deliver, by the shards it has now. */
  readonly position: ReadonlyMap<number, number>;
  /** Committed offsets of all shards: of the next record to read. Empty before the first use. */
  readonly committed: ReadonlyMap<number, number>;
  /** How far all members together are behind, from what was committed to the end of what can be read. */
  lag(): Promise<ConsumerLag>;
  /** Stored offsets that a power loss had left behind the end, found since the log was opened. Empty before the first use. */
  readonly report: readonly ClampEvent[];
  /** Ends the loop and leaves the group; what was not committed is delivered again. Closing twice does nothing more. */
  close(): Promise<void>;
}
