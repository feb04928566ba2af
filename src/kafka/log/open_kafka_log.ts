/**
 * Opens a log on a cluster, on the running runtime.
 *
 * @module
 */
import { runtimeCodecs } from "../../../adapters/codecs.ts";
import type { KafkaLog, KafkaLogOptions } from "./kafka_log_types.ts";
import { openCluster } from "./open.ts";

/**
 * Opens a topic of a Kafka cluster as a log: a program that used `openLog` changes this one line. Records go out in batches, each once
 * also where answers get lost; brokers that are away are waited for, up to `patienceMs`. See {@linkcode KafkaLog} for what differs.
 *
 * @param options See {@linkcode KafkaLogOptions}. The topic must exist.
 * @returns The open log; `await using` closes it.
 * @throws {LogError} `CONFLICT` where the topic is unknown or has another number of partitions, `IO` where no broker answers or access is
 * refused: then it is a {@linkcode KafkaError} with Kafka's name of the failure.
 * @throws {TypeError | RangeError} where an option is none.
 */
export async function openKafkaLog(options: KafkaLogOptions): Promise<KafkaLog> {
  return await openCluster(options, runtimeCodecs);
}
