/**
 * The public face of a log.
 *
 * @module
 */
import type { BytesInput } from "../batch/record_input.ts";
import type { BackupOptions, BackupReport } from "../backup/backup_types.ts";
import type { ProducerHandle } from "../claims/handle.ts";
import type { ConsumerHandle } from "../consumers/handle.ts";
import type { Consumer, ConsumerInfo, ConsumerOptions, GroupOptions } from "../consumers/types.ts";
import type { Rung, SignalOptions } from "../options.ts";
import type { RawRange, RawReadOptions } from "../read/raw_reader.ts";
import type { ReadOptions } from "../read/read_options.ts";
import type { LogBatch } from "../read/stored_batch.ts";
import type { Shard } from "../shard/shard_types.ts";
import type { Appended, AppendOptions, RecordPlace } from "./append_types.ts";
import type { Guarantee } from "./guarantee.ts";
import type { IdempotentOptions, IdempotentProducer } from "./idempotent_types.ts";
import type { RecoveryReport } from "./opened_shard.ts";
import type { ProducerOptions } from "./producers.ts";
import type { ReadableStreamOptions, WritableStreamOptions } from "./streams.ts";
import type { InputOf, RecordOf, Untyped } from "./typed_records.ts";
import type { LogStats } from "./stats.ts";

export type { Appended, AppendOptions, RecordPlace };

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

/**
 * The records of one key, found through the index of users: see `docs/users.md`.
 *
 * @example
 * ```ts
 * import { openLog } from "@bimip/log";
 *
 * const log = await openLog("./data/user-example");
 * await log.append({ key: "alice", value: "hi" });
 * for await (const record of log.user("alice").read({ last: 50, reverse: true })) console.log(record.text());
 * await log.close();
 * ```
 */
export interface UserStream<T = Untyped> {
  /**
   * Reads them in the order of their offsets, or the newest first.
   *
   * @throws {LogError} from the iterator: `OFFSET_OUT_OF_RANGE`, `CORRUPT_BATCH`, `UNSUPPORTED`, `CLOSED`, `IO`
   * @throws {RangeError} where `last` is out of range.
   * @throws {TypeError} where `follow` stands beside `reverse` or `before`.
   */
  read(options?: UserReadOptions): AsyncIterableIterator<RecordOf<T>>;
  /** How many are there now: those of the key's 64-bit hash. */
  count(): Promise<number>;
  /** The newest. */
  head(): Promise<RecordOf<T> | undefined>;
}

/**
 * An open log. `Log` alone takes and hands out bytes; `Log<Message>` is one with a codec, see `docs/reading.md`: its records have a
 * `message` of type `T`, and `append` takes one of type `In`.
 */
export interface Log<T = Untyped, In = T> extends AsyncDisposable {
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
   * @throws {LogError} `POISONED`, `CLOSED`, `READ_ONLY`, `RECORD_TOO_LARGE`, `DISK_FULL`, `IO`; `CONFLICT` where a condition does not
   * hold: `expected` and `actual` say how.
   * @throws {TypeError} where a field has a wrong type, or a condition lacks a key.
   * @throws {RangeError} where a condition is out of range.
   */
  append(record: InputOf<In>, options?: AppendOptions): Promise<Appended>;
  /**
   * A shard by number.
   *
   * @throws {RangeError} where there is none; the message names the valid numbers.
   */
  shard(id: number): Shard;
  /** The shard of a key, as Kafka's default partitioner has it. */
  shardFor(key: BytesInput): Shard;
  /** The records of one key. */
  user(key: BytesInput): UserStream<T>;
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
  read(options?: ReadOptions): AsyncIterableIterator<RecordOf<T>>;
  /**
   * The records of {@linkcode Log.read} as a Web Stream, read as they are asked for: at most `highWaterMark` wait in it. Cancelling it
   * ends the reader.
   *
   * @example
   * ```ts
   * import { openLog } from "@bimip/log";
   *
   * const log = await openLog("./data/stream-example");
   * const writer = log.toWritableStream().getWriter();
   * for (const value of ["a", "b"]) await writer.write({ value });
   * await writer.close();
   * for await (const record of log.toReadableStream()) console.log(record.text());
   * await log.close();
   * ```
   *
   * @throws {RangeError} where `highWaterMark` is no number from 0; and what `read` throws.
   */
  toReadableStream(options?: ReadableStreamOptions): ReadableStream<RecordOf<T>>;
  /**
   * A Web Stream whose records are appended. A write resolves when the log has taken its record, and waits for room where there is
   * none; closing flushes. What was taken before it is aborted stays. A record that is refused, and a shard that fails, make it fail
   * with the error of `append`.
   *
   * @throws {RangeError} where an option is out of range.
   */
  toWritableStream(options?: WritableStreamOptions): WritableStream<InputOf<In>>;
  /**
   * Reads one shard as it is stored: ranges of whole batches, each checked, none decoded. For mirrors and backups.
   *
   * @example
   * ```ts
   * import { openLog } from "@bimip/log";
   *
   * const log = await openLog("./data/raw-example");
   * await log.append({ value: "hi" });
   * for await (const range of log.readRaw({ from: 0 })) console.log(range.baseOffset, range.nextOffset, range.bytes.length);
   * await log.close();
   * ```
   *
   * @throws {TypeError} where the shard is missing on a log with several.
   * @throws {RangeError} where an option is out of range.
   * @throws {LogError} from the iterator: `OFFSET_OUT_OF_RANGE`, `CORRUPT_BATCH`, `CLOSED`, `IO`
   */
  readRaw(options?: RawReadOptions): AsyncIterableIterator<RawRange>;
  /**
   * Reads one record. Up to 16 MiB of what such reads, and reads with a small `limit`, found lately are kept in memory.
   *
   * @param place Its shard and offset.
   * @returns The record; `undefined` where none has that offset: it was compacted away, or it is the next one to come.
   * @throws {LogError} `OFFSET_OUT_OF_RANGE`, `CORRUPT_BATCH`, `UNSUPPORTED`, `CLOSED`, `IO`
   * @throws {RangeError} where there is no such shard.
   * @throws {TypeError} where the offset is no whole number, or the shard is missing.
   */
  get(place: RecordPlace, options?: SignalOptions): Promise<RecordOf<T> | undefined>;
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
  /**
   * What the log counts about itself since it was opened: plain data, made when asked for. Cheap: some microseconds a shard. Works on
   * a closed log, too.
   *
   * @example
   * ```ts
   * import { openLog } from "@bimip/log";
   *
   * const log = await openLog("./data/stats-example");
   * await log.append({ value: "hi" });
   * const { messages, flushLatency } = log.stats().total;
   * console.log(messages, flushLatency.p99Ms);
   * await log.close();
   * ```
   */
  stats(): LogStats;
  /** The same as text for Prometheus, in its exposition format 0.0.4. For several logs at once see `prometheusText`. */
  statsText(): string;
  /**
   * What an acknowledgement means here: rung, file system, way of writing, and how long a sync takes. That is measured with a small
   * file in the log's directory, which is removed again; where the log is open for reading only nothing is written.
   *
   * @throws {LogError} `CLOSED`, `DISK_FULL`, `IO`
   */
  guarantee(): Promise<Guarantee>;
  /**
   * Copies the log to another directory while it is written: of each shard everything up to one point, which lies at or behind what was
   * acknowledged on rung `os` before the call. Finished segments become hard links where possible, so that they take no time and no
   * space. The copy is a log of its own, with the same id, as after a clean close, and durable.
   *
   * @example
   * ```ts
   * import { openLog } from "@bimip/log";
   *
   * const log = await openLog("./data/backup-example");
   * await log.append({ value: "hi" });
   * const { shards } = await log.backup("./data/backup-example-copy");
   * console.log(shards[0].nextOffset);
   * await log.close();
   * ```
   *
   * @param out Must not be there, or be an empty directory. It is made beside it, in `OUT.tmp`, and renamed once it is whole.
   * @throws {LogError} `CONFLICT` where `out` holds something, `LOCKED` where another backup is being made there, `DISK_FULL` before
   * anything is copied where there is too little space, `CORRUPT_FILE` and `DATA_LOSS` where the log is damaged, `CLOSED`, `IO`
   */
  backup(out: string, options?: BackupOptions): Promise<BackupReport>;
  /**
   * A named cursor over all shards that is stored beside the data: iterate it, and `commit()`. Consumers of one name share the shards: each
   * shard belongs to one of them at a time. See `docs/consumers.md`.
   *
   * @param name 1–249 characters of `a-z A-Z 0-9 . _ -`.
   * @throws {RangeError} where the name or an option is out of range; `TypeError` where the name is no string.
   * @throws {LogError} `CLOSED`; everything else is thrown by the first use.
   */
  consumer(name: string, options?: ConsumerOptions): Consumer;
  /**
   * A member of a consumer's group for another thread: post the handle to a worker and give it to `connectConsumer` of
   * `@bimip/log/consumer` there. Each handle is for one worker.
   *
   * @throws {RangeError} where the name or an option is out of range.
   * @throws {LogError} `CLOSED`
   */
  consumerHandle(name: string, options?: GroupOptions): ConsumerHandle;
  /**
   * All consumers that have stored offsets here, and how far they are behind.
   *
   * @throws {LogError} `CORRUPT_FILE` where one of the files is damaged, `CLOSED`, `IO`
   */
  consumers(): Promise<readonly ConsumerInfo[]>;
  /**
   * Writes the records of one source, each once, also over crashes: a producer whose records are counted under a name. See
   * `docs/exactly_once.md`.
   *
   * @param name Of the source, 1–1,024 characters. Two that write at the same time need two names.
   * @throws {LogError} `CONFLICT` where another name has the same id; `READ_ONLY`, `CLOSED`, `POISONED`; `CORRUPT_BATCH`,
   * `CORRUPT_FILE` and `IO` where it cannot be read what was written under the name.
   * @throws {TypeError} where the log has several shards and none is named; where the name is none.
   */
  idempotentProducer(name: string, options?: IdempotentOptions): Promise<IdempotentProducer>;
  /** Writes everything taken so far on all shards, and syncs it with rung `disk`. */
  flush(rung?: Rung, options?: SignalOptions): Promise<void>;
  /**
   * Flushes, syncs, marks the log clean, ends followers, gives the lock back. Closing twice does nothing more.
   *
   * @throws {LogError} `POISONED` and the like where the last records could not be written.
   */
  close(): Promise<void>;
}
