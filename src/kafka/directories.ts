/**
 * From a log's directory to a broker's and back, on the running runtime.
 *
 * @module
 */
import { runtimeCodecs } from "../../adapters/codecs.ts";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { systemClock, systemRandom } from "../../adapters/system.ts";
import type { Log } from "../log/log_types.ts";
import type { Engine } from "../options.ts";
import type { Vfs } from "../vfs.ts";
import { handOver } from "./handover.ts";
import type { HandoverOptions, HandoverReport } from "./handover_types.ts";
import { importSegments } from "./import.ts";
import type { ImportOptions, ImportReport } from "./import_types.ts";

/**
 * Writes a log as the partitions of a Kafka topic, which a stopped broker takes as they are: the same records, keys, headers, timestamps
 * and offsets, Kafka's indexes, no recovery. The log is only read. What was appended to it later is not in the copy.
 *
 * @param source The log, or its directory. An open log is flushed first.
 * @param target A new directory; with `into` the `log.dirs` of a stopped broker.
 * @param options See {@linkcode HandoverOptions}.
 * @returns What was copied, and the steps that the operator takes next.
 * @throws {LogError} `CONFLICT` where the target is not empty, or the broker or its topic is not ready; `CORRUPT_BATCH`, `CORRUPT_FILE`
 * where the log is damaged; `NOT_A_LOG`, `DISK_FULL`, `IO`
 * @throws {RangeError} where the topic has no name of Kafka's.
 */
export async function handoverToKafka(
  source: string | Log,
  target: string,
  options: HandoverOptions = {},
): Promise<HandoverReport> {
  if (typeof source !== "string") await source.flush("disk");
  const directory = typeof source === "string" ? source : source.directory;
  return await handOver(engineOn(options.vfs), trimmed(directory, "source"), trimmed(target, "target"), options);
}

/**
 * Takes over the partitions of a stopped Kafka broker as a new log: the batches as they are, at the offsets they have, with codecs,
 * transactions, control records and the gaps of compaction. Every batch is checked on the way; the source is only read.
 *
 * @param source Directory of one partition, or one that holds `TOPIC-0` … `TOPIC-n`, such as a broker's `log.dirs`.
 * @param directory The new log.
 * @param options See {@linkcode ImportOptions}.
 * @returns What was taken.
 * @throws {LogError} `NOT_A_LOG` where there is no such partition, `CONFLICT` where the directory is not empty or the topic not clear,
 * `CORRUPT_BATCH` where a batch is damaged, `UNSUPPORTED` for messages older than Kafka 0.11, `DISK_FULL`, `IO`
 * @throws {RangeError} where an option is out of range.
 */
export async function importFromKafka(
  source: string,
  directory: string,
  options: ImportOptions = {},
): Promise<ImportReport> {
  const from = trimmed(source, "source");
  return await importSegments(engineOn(options.vfs), from, trimmed(directory, "directory"), options);
}

function engineOn(vfs: Vfs | undefined): Engine {
  return { vfs: vfs ?? runtimeVfs(), clock: systemClock, random: systemRandom, codecs: runtimeCodecs };
}

function trimmed(directory: string, what: string): string {
  if (typeof directory !== "string" || directory === "" || directory.includes("\0")) {
    throw new TypeError(`Cannot go on: the ${what} must be the path of a directory`);
  }
  return directory.replace(/(?<=.)\/+$/, "");
}
