/**
 * The public face of a log.
 *
 * @module
 */
import type { BytesInput, RecordInput } from "../batch/record_input.ts";
import type { Rung, SignalOptions } from "../options.ts";
import type { ReadOptions } from "../read/reader.ts";
import type { LogRecord } from "../read/stored_record.ts";
import type { Shard } from "../shard/shard_types.ts";
import type { RecoveryReport } from "./open_shard.ts";

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
   * Reads records. Only what is published is seen, never part of a batch.
   *
   * @throws {LogError} from the iterator: `OFFSET_OUT_OF_RANGE`, `CORRUPT_BATCH`, `UNSUPPORTED`, `CLOSED`, `IO`
   */
  read(options?: ReadOptions): AsyncIterableIterator<LogRecord>;
  /** Writes everything taken so far on all shards, and syncs it with rung `disk`. */
  flush(rung?: Rung): Promise<void>;
  /**
   * Flushes, syncs, marks the log clean, ends followers, gives the lock back. Closing twice does nothing more.
   *
   * @throws {LogError} `POISONED` and the like where the last records could not be written.
   */
  close(): Promise<void>;
}
