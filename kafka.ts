/**
 * The way to an Apache Kafka cluster and back. See `docs/kafka.md`.
 *
 * @example
 * ```ts
 * import { openLog } from "@bimip/log";
 * import { mirrorToKafka } from "@bimip/log/kafka";
 *
 * const log = await openLog("./data/chat-to-kafka");
 * const stop = AbortSignal.timeout(100);
 * await mirrorToKafka(log, { brokers: "127.0.0.1:1", topic: "chat", follow: true, signal: stop }).catch(() => {});
 * await log.close();
 * ```
 *
 * @module
 */
import { runtimeCodecs } from "./adapters/codecs.ts";
import { provideCodecs } from "./src/batch/compressor.ts";

export type { KafkaOptions } from "./src/kafka/kafka_options.ts";
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

provideCodecs(runtimeCodecs);
