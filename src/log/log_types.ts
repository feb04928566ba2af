/**
 * The public face of a log.
 *
 * @module
 */
import type { BytesInput, RecordInput } from "../batch/record_input.ts";
import type { ProducerHandle } from "../claims/handle.ts";
import type { Rung, SignalOptions } from "../options.ts";
import type { ReadOptions } from "../read/read_options.ts";
import type { LogBatch } from "../read/stored_batch.ts";
import type { LogRecord } from "../read/stored_record.ts";
import type { Shard } from "../shard/shard_types.ts";
import type { RecoveryReport } from "./open_shard.ts";
import type { ProducerOptions } from "./producers.ts";

/** Options of {@linkcode Log.append}. */
export interface AppendOptions extends SignalOptions {
  /** The rung this record is acknowledged on. @default {the log's} */
  durability?: Rung;
}

/** Where a record went. */
export interface Appended {
  /** Number of the shard that took it. */
  readonly shard: number;
  /** Its offset in that shard. */
  readonly offset: number;
}

/** Which record. What `append` answers is one. */
export interface RecordPlace {
  /** Number of its shard. Needed where the log has several. */
  readonly shard?: number;
  /** Its offset there. */
  readonly offset: number;
}

/** Options of {@linkcode UserStream.read}. */
export interface UserReadOptions extends SignalOptions {
  /** Only the last so many records. */
  last?: number;
  /** First offset, inclusive. */
  from?: number;
  /** Last offset, exclusive. */
  before?: number;
  /** Newest first. @default {false} */
  reverse?: boolean;
  /** Waits for more. Not together with `reverse` or `before`. @default {false} */
  follow?: boolean;
}

/** The records of one key. */
export interface UserStream {
  /** Reads them in the order of their offsets. */
  read(options?: UserReadOptions): AsyncIterableIterator<LogRecord>;
  /** How many there are. */
  count(): Promise<number>;
  /** The newest. */
  head(): Promise<LogRecord | undefined>;
}

/** An open log. */
export interface Log extends AsyncDisposable {
  /** Where its files are, as given to `openLog`. */
  readonly directory: string;
  /** Kafka topic name; the shards' directories bear it. */
  readonly topic: string;
  /** By number. */
  readonly shards: readonly Shard[];
  /** What opening found, by shard. */
  readonly recovery: readonly RecoveryReport[];
  /**
   * Appends a record and waits for its acknowledgement; waits for room first where there is none.
   *
   * @throws {LogError} `POISONED`, `CLOSED`, `READ_ONLY`, `RECORD_TOO_LARGE`, `DISK_FULL`, `IO`
   * @throws {TypeError} where a field has a wrong type.
   */
  append(record: RecordInput, options?: AppendOptions): Promise<Appended>;
  /**
   * A shard by number.
   *
   * @throws {RangeError} where there is none; the message names the valid numbers.
   */
  shard(id: number): Shard;
  /** The shard of a key, as Kafka's default partitioner has it. */
  shardFor(key: BytesInput): Shard;
  /** The records of one key. */
  user(key: BytesInput): UserStream;
  /**
   * Hides a user's records below an offset from {@linkcode Log.user}, durably: they are not read, counted or the head any more. They stay
   * where they are for {@linkcode Log.read}, until retention or a trim of the shard drops them. Lower offsets than before change
   * nothing.
   *
   * @param key The user.
   * @param offset In the user's shard, from 0 to its `nextOffset`. What is not synced yet in front of it is synced first.
   * @throws {RangeError} where it is no such offset.
   * @throws {LogError} `CONFLICT` where the marks of a shard's users would take more than 16 MiB; `CORRUPT_FILE`, `POISONED`, `CLOSED`,
   * `READ_ONLY`, `DISK_FULL`, `IO`
   */
  trimUser(key: BytesInput, offset: number): Promise<void>;
  /**
   * Reads records. Only what is published is seen, never part of a batch.
   *
   * @throws {LogError} from the iterator: `OFFSET_OUT_OF_RANGE`, `CORRUPT_BATCH`, `UNSUPPORTED`, `CLOSED`, `IO`
   */
  read(options?: ReadOptions): AsyncIterableIterator<LogRecord>;
  /**
   * Reads one record. Up to 16 MiB of what such reads, and reads with a small `limit`, found lately are kept in memory.
   *
   * @param place Its shard and offset.
   * @returns The record; `undefined` where none has that offset: it was compacted away, or it is the next one to come.
   * @throws {LogError} `OFFSET_OUT_OF_RANGE`, `CORRUPT_BATCH`, `UNSUPPORTED`, `CLOSED`, `IO`
   * @throws {RangeError} where there is no such shard.
   * @throws {TypeError} where the offset is no whole number, or the shard is missing.
   */
  get(place: RecordPlace): Promise<LogRecord | undefined>;
  /**
   * Reads whole batches, each checked once, and their records through a cursor: several times as fast as {@linkcode Log.read},
   * which makes an object for each record. Without `shard`, one shard after the other; `follow` then goes round again. Up to
   * 2 MiB are held for a reader, whatever the number of shards.
   *
   * @example
   * ```ts
   * import { openLog } from "@bimip/log";
   *
   * const log = await openLog("./data/batches-example");
   * await log.append({ key: "alice", value: "hi" });
   * let bytes = 0;
   * for await (const batch of log.batches({ shard: 0 })) {
   *   const cursor = batch.records();
   *   while (cursor.next()) bytes += cursor.valueLength;
   * }
   * console.log(bytes);
   * await log.close();
   * ```
   *
   * @param options As for `read`; `last` needs a shard.
   * @throws {LogError} from the iterator, and from a cursor: those of `read`.
   */
  batches(options?: ReadOptions): AsyncIterableIterator<LogBatch>;
  /**
   * A producer for another thread: post the handle to a worker and give it to `connectProducer` of `@bimip/log/producer` there. See
   * `docs/producers.md`.
   *
   * @throws {LogError} `READ_ONLY`, `POISONED`, `CLOSED`; `CONFLICT` where there are too many.
   * @throws {RangeError} where an option is out of range.
   */
  producer(options?: ProducerOptions): ProducerHandle;
  /**
   * Locks a producer out, because its worker is gone or must not write any more. What it has published is still written; what else
   * it holds is lost, and its calls reject.
   */
  fence(producer: ProducerHandle): void;
  /** Writes everything taken so far on all shards, and syncs it with rung `disk`. */
  flush(rung?: Rung): Promise<void>;
  /**
   * Flushes, syncs, marks the log clean, ends followers, gives the lock back. Closing twice does nothing more.
   *
   * @throws {LogError} `POISONED` and the like where the last records could not be written.
   */
  close(): Promise<void>;
}
