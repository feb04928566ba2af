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
import type { Log } from "./src/log/log_types.ts";
import { openWith } from "./src/log/open.ts";
import type { OpenOptions } from "./src/options.ts";

export { BatchBuilder, type BatchBuilderOptions } from "./src/batch/batch_builder.ts";
export type { Codecs, Compression } from "./src/batch/codecs.ts";
export type { CodecName } from "./src/batch/format.ts";
export type { ProducerHandle } from "./src/claims/handle.ts";
export type { BytesInput, HeadersInput, RecordInput } from "./src/batch/record_input.ts";
export { LogError, type LogErrorCode, type LogErrorDetails } from "./src/errors.ts";
export type { Appended, AppendOptions, Log, RecordPlace, UserReadOptions, UserStream } from "./src/log/log_types.ts";
export type { RecoveryReport } from "./src/log/open_shard.ts";
export type { ProducerOptions } from "./src/log/producers.ts";
export type { DirectIo, OpenOptions, Rung, SignalOptions } from "./src/options.ts";
export type { ReadOptions } from "./src/read/read_options.ts";
export type { RecordCursor } from "./src/read/record_cursor.ts";
export type { GapEvent } from "./src/read/shard_batches.ts";
export type { Start } from "./src/read/start.ts";
export type { LogBatch } from "./src/read/stored_batch.ts";
export type { LogRecord } from "./src/read/stored_record.ts";
export type { Verdict } from "./src/recovery/analyse.ts";
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
  TimerHandle,
  Vfs,
  VfsFile,
  VfsLock,
} from "./src/vfs.ts";

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
export async function openLog(directory: string | URL, options: OpenOptions = {}): Promise<Log> {
  const engine = {
    vfs: options.vfs ?? runtimeVfs(),
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    codecs: options.codecs ?? runtimeCodecs,
  };
  return await openWith(engine, pathOf(directory), options);
}

function pathOf(directory: string | URL): string {
  if (typeof directory === "string" && directory !== "" && !directory.includes("\0")) {
    return directory.length > 1 ? directory.replace(/\/+$/, "") || "/" : directory;
  }
  if (directory instanceof URL && directory.protocol === "file:") return pathOf(decodeURIComponent(directory.pathname));
  throw new TypeError("Cannot open a log: the directory must be a path or a file: URL");
}
