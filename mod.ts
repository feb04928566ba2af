/**
 * BimipLog: an embedded, sharded, append-only log. Its `.log` files are Apache Kafka segments, byte for byte.
 *
 * @example
 * ```ts
 * import { openLog } from "@bimip/log";
 *
 * const log = await openLog("./data/chat", { shards: 4 });
 * const { shard, offset } = await log.append({ key: "alice", value: "hi" });
 * for await (const record of log.read({ shard, from: offset })) console.log(record.offset, record.text());
 * await log.close();
 * ```
 *
 * @module
 */
import { runtimeCodecs } from "./adapters/codecs.ts";
import { runtimeVfs } from "./adapters/runtime.ts";
import { systemClock, systemRandom } from "./adapters/system.ts";
import type { BackupOptions, BackupReport } from "./src/backup/backup_types.ts";
import { provideCodecs } from "./src/batch/compressor.ts";
import type { Log } from "./src/log/log_types.ts";
import { openWith } from "./src/log/open.ts";
import type { OpenOptions } from "./src/options.ts";
import type { Codec } from "./src/typed/codec.ts";
import { assertCodec, typed } from "./src/typed/typed.ts";

export type { BackupOptions, BackupReport, BackupShard } from "./src/backup/backup_types.ts";
export { type CodecPackages, codecsWith } from "./adapters/codecs.ts";
export type { Lz4Package } from "./adapters/lz4.ts";
export type { SnappyPackage } from "./adapters/snappy.ts";
export { BatchBuilder, type BatchBuilderOptions } from "./src/batch/batch_builder.ts";
export type { Codecs, Compression } from "./src/batch/codecs.ts";
export type { CodecName } from "./src/batch/format.ts";
export type { ProducerOfBatch } from "./src/batch/producer_fields.ts";
export type { ProducerHandle } from "./src/claims/handle.ts";
export type { ConsumerHandle } from "./src/consumers/handle.ts";
export type {
  ClampEvent,
  ConsumeOptions,
  Consumer,
  ConsumerInfo,
  ConsumerLag,
  ConsumerOptions,
  GroupOptions,
  ShardLag,
} from "./src/consumers/types.ts";
export type { BytesInput, HeadersInput, RecordInput } from "./src/batch/record_input.ts";
export { type ConflictReason, LogError, type LogErrorCode, type LogErrorDetails } from "./src/errors.ts";
export type {
  IdempotentAppendOptions,
  IdempotentOptions,
  IdempotentProducer,
  SequenceOptions,
} from "./src/log/idempotent_types.ts";
export type { Appended, AppendOptions, Log, RecordPlace, UserReadOptions, UserStream } from "./src/log/log_types.ts";
export type { Guarantee } from "./src/log/guarantee.ts";
export type { RecoveryReport } from "./src/log/opened_shard.ts";
export type { ProducerOptions } from "./src/log/producers.ts";
export type { ConsumerStats, LogStats, ShardStats, StatsCounts } from "./src/log/stats.ts";
export { prometheusText } from "./src/log/stats_text.ts";
export type { DirectIo, OpenOptions, Rung, SignalOptions } from "./src/options.ts";
export type { ReadableStreamOptions, WritableStreamOptions } from "./src/log/streams.ts";
export type { InputOf, RecordOf, TypedRecord, TypedRecordInput, Untyped } from "./src/log/typed_records.ts";
export type { RecordFilter } from "./src/read/filter.ts";
export type { RawRange, RawReadOptions } from "./src/read/raw_reader.ts";
export type { Before, ReadOptions } from "./src/read/read_options.ts";
export type { RecordCursor } from "./src/read/record_cursor.ts";
export type { GapEvent } from "./src/read/shard_batches.ts";
export type { Start } from "./src/read/start.ts";
export type { LogBatch } from "./src/read/stored_batch.ts";
export type { Isolation } from "./src/read/transactions.ts";
export type { LogRecord } from "./src/read/stored_record.ts";
export type { Verdict } from "./src/recovery/analyse.ts";
export { type Codec, json, type JsonOptions, SchemaError, text } from "./src/typed/codec.ts";
export type {
  StandardIssue,
  StandardResult,
  StandardSchema,
  StandardSchemaProps,
} from "./src/typed/standard_schema.ts";
export { typed } from "./src/typed/typed.ts";
export type { Latency, LatencyBucket } from "./src/telemetry/histogram.ts";
export type { LogCall, Logger } from "./src/telemetry/logger.ts";
export type { LastError } from "./src/telemetry/shard_telemetry.ts";
export type { DroppedSegment, RetentionOptions } from "./src/retention/retention_options.ts";
export { BACKPRESSURE, type Shard, type ShardState } from "./src/shard/shard_types.ts";
export type {
  Clock,
  DirectoryEntry,
  Host,
  Instance,
  MaybePromise,
  OpenFileOptions,
  OpenMode,
  Random,
  StorageInfo,
  TimerHandle,
  Vfs,
  VfsFile,
  VfsLock,
} from "./src/vfs.ts";

provideCodecs(runtimeCodecs);

/**
 * Opens a log whose records have messages of a type: {@linkcode typed} with the log that is opened.
 *
 * @param directory Path, or a `file:` URL.
 * @param options See {@linkcode OpenOptions}; `codec` is between the messages and the values of records.
 * @returns The open log.
 * @throws {LogError} the codes of opening without a codec.
 * @throws {TypeError} where `codec` is none.
 */
export async function openLog<T, In = T>(
  directory: string | URL,
  options: OpenOptions & { codec: Codec<T, In> },
): Promise<Log<T, In>>;
/**
 * Opens the log in a directory, and creates it where there is none. One writer at a time; after a crash the data is checked
 * and a torn tail is cut off (see `log.recovery`).
 *
 * @param directory Path, or a `file:` URL.
 * @param options See {@linkcode OpenOptions}.
 * @returns The open log; `await using` closes it.
 * @throws {LogError} `LOCKED`, `NOT_A_LOG`, `FORMAT_TOO_NEW`, `CONFLICT`, `DATA_LOSS`, `CORRUPT_FILE`, `DISK_FULL`, `IO`
 * @throws {RangeError} where an option is out of range.
 */
export async function openLog(directory: string | URL, options?: OpenOptions): Promise<Log>;
export async function openLog(
  directory: string | URL,
  options: OpenOptions & { codec?: Codec<unknown> } = {},
): Promise<Log | Log<unknown>> {
  const { codec } = options;
  if (codec !== undefined) assertCodec(codec);
  const engine = {
    vfs: options.vfs ?? runtimeVfs(),
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    codecs: options.codecs ?? runtimeCodecs,
  };
  const log = await openWith(engine, pathOf(directory), options);
  return codec === undefined ? log : typed(log, codec);
}

/**
 * Copies a log to another directory, also while another process writes it: nothing of the log is changed, and no lock is taken. See
 * `log.backup`, which the writing program itself uses.
 *
 * @example
 * ```ts
 * import { backupLog, openLog } from "@bimip/log";
 *
 * const log = await openLog("./data/copied-example"); // this could be another process
 * await log.append({ value: "hi" });
 * const { copiedBytes } = await backupLog("./data/copied-example", "./data/copied-example-copy");
 * console.log(copiedBytes > 0);
 * await log.close();
 * ```
 *
 * @param directory The log: a path, or a `file:` URL.
 * @param out Where the copy goes: must not be there, or be an empty directory.
 * @throws {LogError} those of `log.backup`, and `NOT_A_LOG`, `FORMAT_TOO_NEW`
 */
export async function backupLog(
  directory: string | URL,
  out: string | URL,
  options: BackupOptions = {},
): Promise<BackupReport> {
  const target = pathOf(out);
  const log = await openLog(directory, { readOnly: true, ...(options.signal && { signal: options.signal }) });
  try {
    return await log.backup(target, options);
  } finally {
    await log.close();
  }
}

function pathOf(directory: string | URL): string {
  if (typeof directory === "string" && directory !== "" && !directory.includes("\0")) {
    return directory.length > 1 ? directory.replace(/\/+$/, "") || "/" : directory;
  }
  if (directory instanceof URL && directory.protocol === "file:") return pathOf(decodeURIComponent(directory.pathname));
  throw new TypeError("Cannot open a log: the directory must be a path or a file: URL");
}
