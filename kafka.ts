/**
 * The way to Apache Kafka and back: a log's files are Kafka's already.
 *
 * @example
 * ```ts
 * import { openLog } from "@bimip/log";
 * import { handoverToKafka } from "@bimip/log/kafka";
 *
 * const log = await openLog("./data/chat-to-kafka", { topic: "chat", shards: 2 });
 * await log.append({ key: "alice", value: "hi" });
 * await log.close();
 * const { steps } = await handoverToKafka("./data/chat-to-kafka", `./data/for-kafka-${Date.now()}`);
 * console.log(steps); // what the operator does now
 * ```
 *
 * @module
 */
import { runtimeCodecs } from "./adapters/codecs.ts";
import { provideCodecs } from "./src/batch/compressor.ts";

export { handoverToKafka, importFromKafka } from "./src/kafka/directories.ts";
export type { HandedPartition, HandoverOptions, HandoverReport } from "./src/kafka/handover_types.ts";
export type { ImportedShard, ImportOptions, ImportReport } from "./src/kafka/import_types.ts";
export type { KafkaOptions } from "./src/kafka/kafka_options.ts";
export type { KafkaLog, KafkaLogOptions, KafkaShard } from "./src/kafka/log/kafka_log_types.ts";
export { openKafkaLog } from "./src/kafka/log/open_kafka_log.ts";
export {
  type MirroredShard,
  type MirrorOptions,
  type MirrorProgress,
  type MirrorResult,
  mirrorToKafka,
} from "./src/kafka/mirror.ts";
export { OffsetMapping, type Span } from "./src/kafka/offset_mapping.ts";
export {
  restoreFromKafka,
  type RestoreOptions,
  type RestoreProgress,
  type RestoreResult,
} from "./src/kafka/restore.ts";
export { KafkaError } from "./src/kafka/wire/kafka_error.ts";
export type { SaslMechanism } from "./src/kafka/wire/sasl.ts";

provideCodecs(runtimeCodecs);
