/**
 * Opens a log on a cluster, on the running runtime.
 *
 * @module
 */
import { runtimeCodecs } from "../../../adapters/codecs.ts";
import type { Codec } from "../../typed/codec.ts";
import { assertCodec, typed } from "../../typed/typed.ts";
import type { KafkaLog, KafkaLogOptions } from "./kafka_log_types.ts";
import { openCluster } from "./open.ts";

/**
 * Opens a topic of a Kafka cluster as a log whose records have messages of a type: {@linkcode typed} with the log that is opened.
 *
 * @example
 * ```ts
 * import { json } from "@bimip/log";
 * import { openKafkaLog } from "@bimip/log/kafka";
 *
 * const codec = json<{ item: string }>();
 * try {
 *   const log = await openKafkaLog({ brokers: "127.0.0.1:1", topic: "orders", codec, patienceMs: 0 });
 *   await log.append({ key: "alice", message: { item: "tea" } });
 * } catch (error) {
 *   console.log(String(error)); // nobody listens on port 1
 * }
 * ```
 *
 * @param options See {@linkcode KafkaLogOptions}; `codec` is between the messages and the values of records.
 * @returns The open log.
 * @throws {LogError} the codes of opening without a codec.
 * @throws {TypeError} where `codec` is none.
 */
export async function openKafkaLog<T, In = T>(
  options: KafkaLogOptions & { codec: Codec<T, In> },
): Promise<KafkaLog<T, In>>;
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
export async function openKafkaLog(options: KafkaLogOptions): Promise<KafkaLog>;
export async function openKafkaLog(
  { codec, ...options }: KafkaLogOptions & { codec?: Codec<unknown> },
): Promise<KafkaLog | KafkaLog<unknown>> {
  if (codec !== undefined) assertCodec(codec);
  const log = await openCluster(options, runtimeCodecs);
  // Its shards are the log's own.
  return codec === undefined ? log : typed(log, codec) as KafkaLog<unknown>;
}
