/**
 * The public face of a shard.
 *
 * @module
 */
import type { RecordInput } from "../batch/record_input.ts";
import type { Rung, SignalOptions } from "../options.ts";

/**
 * The only refusal that is not an error: nothing was taken, try again after `writable()`.
 *
 * @example
 * ```ts
 * import { BACKPRESSURE, openLog } from "@bimip/log";
 *
 * const log = await openLog("./data/backpressure-example");
 * const shard = log.shard(0);
 * while (shard.tryAppend({ value: "hi" }) === BACKPRESSURE) await shard.writable();
 * await log.close();
 * ```
 */
export const BACKPRESSURE: unique symbol = Symbol.for("@bimip/log BACKPRESSURE");

/**
 * What a shard can do: `open` takes records, `readOnly` does not (opened so, or damaged), `poisoned` does not since a
 * write or sync failed, `closed` was closed.
 */
export type ShardState = "open" | "readOnly" | "poisoned" | "closed";

/** One append-only sequence of records with files of its own. */
export interface Shard {
  /** Its number, from 0. */
  readonly id: number;
  /** The log start: the first offset that can be read. Trims and retention move it up. */
  readonly earliest: number;
  /** The offset the next record gets: the exclusive end of what was handed out. */
  readonly nextOffset: number;
  /** Exclusive end of what the operating system has. */
  readonly written: number;
  /** Exclusive end of what was synced. A lower bound after opening. */
  readonly synced: number;
  /** What it can do at the moment. */
  readonly state: ShardState;
  /**
   * Takes a record without waiting; its bytes are copied. The offset is final once {@linkcode Shard.written}
   * (or `synced`) has passed it.
   *
   * @returns The record's offset, or {@linkcode BACKPRESSURE}: nothing was taken.
   * @throws {LogError} `POISONED`, `CLOSED`, `READ_ONLY`, `RECORD_TOO_LARGE`
   * @throws {TypeError} where a field has a wrong type.
   */
  tryAppend(record: RecordInput): number | typeof BACKPRESSURE;
  /**
   * Takes a finished batch, such as one of `BatchBuilder`. A taken blob belongs to the log and is patched in place.
   *
   * A batch with a producer id is written once: given again, and still among the last five of its producer, it is answered with the
   * offset that it has. After opening, the first such batch finds {@linkcode BACKPRESSURE} until the shard has read what its producers
   * had written; {@linkcode Shard.writable} waits for that, too. See `docs/exactly_once.md`.
   *
   * @returns The batch's base offset, or {@linkcode BACKPRESSURE}: nothing was taken.
   * @throws {LogError} `CONFLICT`, with a `reason`, where a producer's batch does not follow its last one; `BATCH_INVALID`,
   * `UNSUPPORTED`, and those of `tryAppend`; why producers cannot be read: `CORRUPT_BATCH`, `IO`.
   */
  tryAppendBatch(batch: Uint8Array): number | typeof BACKPRESSURE;
  /** Resolves once less than half of `maxBufferPerShard` is in use, and nothing is being read that an append needs; rejects when poisoned or closed. */
  writable(options?: SignalOptions): Promise<void>;
  /**
   * Resolves once the record at `offset` has reached a rung.
   *
   * @param rung @default {the log's}
   * @throws {RangeError} where no record was given that offset yet.
   */
  acknowledged(offset: number, rung?: Rung, options?: SignalOptions): Promise<void>;
  /**
   * Writes everything taken so far, and syncs it with rung `disk`.
   *
   * @returns The exclusive end now on that rung.
   */
  flush(rung?: Rung, options?: SignalOptions): Promise<number>;
  /**
   * Drops all records below `offset`, for good: the log start moves there, as with Kafka's DeleteRecords. Reading below it fails with
   * `OFFSET_OUT_OF_RANGE` from then on, also after a power loss. Segments that lie wholly below it are removed; the others keep
   * their files until they do. See `docs/retention.md`.
   *
   * @example
   * ```ts
   * import { openLog } from "@bimip/log";
   *
   * const log = await openLog("./data/trim-example");
   * const { shard, offset } = await log.append({ value: "hi" });
   * console.log(await log.shard(shard).trimBefore(offset));
   * await log.close();
   * ```
   *
   * @param offset From 0 to {@linkcode Shard.nextOffset}; what is not synced yet in front of it is synced first.
   * @returns The log start: `offset`, or a higher one where it was there already.
   * @throws {RangeError} where it is no such offset.
   * @throws {LogError} `POISONED`, `CLOSED`, `READ_ONLY`, `DISK_FULL`, `IO`
   */
  trimBefore(offset: number): Promise<number>;
}
