/**
 * Appending from worker threads. The log's own thread makes a handle with `log.producer()`; a worker of yours connects it here.
 *
 * @example
 * ```ts
 * import { BACKPRESSURE, connectProducer } from "@bimip/log/producer";
 * import { workerData } from "node:worker_threads";
 *
 * const producer = connectProducer(workerData);
 * while (producer.tryAppend({ key: "alice", value: "hi" }) === BACKPRESSURE) await producer.writable();
 * await producer.close();
 * ```
 *
 * @module
 */
import { runtimeCodecs } from "./adapters/codecs.ts";
import { systemClock } from "./adapters/system.ts";
import { provideCodecs } from "./src/batch/compressor.ts";
import type { ProducerHandle } from "./src/claims/handle.ts";
import { type Producer, WorkerProducer } from "./src/producer/producer.ts";

export type { Codecs, Compression } from "./src/batch/codecs.ts";
export type { CodecName } from "./src/batch/format.ts";
export { BatchBuilder, type BatchBuilderOptions } from "./src/batch/batch_builder.ts";
export type { BytesInput, HeadersInput, RecordInput } from "./src/batch/record_input.ts";
export type { ProducerHandle } from "./src/claims/handle.ts";
export { LogError, type LogErrorCode, type LogErrorDetails } from "./src/errors.ts";
export type { Rung, SignalOptions } from "./src/options.ts";
export type { Produced, Producer } from "./src/producer/producer.ts";
export { BACKPRESSURE } from "./src/shard/shard_types.ts";

provideCodecs(runtimeCodecs);

/**
 * Connects a worker to the log that made the handle. Each handle connects once.
 *
 * @param handle What `log.producer()` gave, as it came through `postMessage` or `workerData`.
 * @returns The producer; `await using` closes it.
 * @throws {TypeError} where it is no handle.
 * @throws {LogError} `CONFLICT` where it was connected before; `UNSUPPORTED` where it comes from another version of the package.
 */
export function connectProducer(handle: ProducerHandle): Producer {
  return new WorkerProducer(handle, systemClock);
}
