/**
 * Consuming in worker threads. The log's own thread makes a handle with `log.consumerHandle()`; a worker of yours connects it here, and
 * shares the shards with all other members of that consumer.
 *
 * @example
 * ```ts
 * import { connectConsumer } from "@bimip/log/consumer";
 * import { workerData } from "node:worker_threads";
 *
 * const consumer = connectConsumer(workerData);
 * for await (const record of consumer) {
 *   console.log(record.text());
 *   await consumer.commit(record);
 * }
 * await consumer.close();
 * ```
 *
 * @module
 */
import { runtimeCodecs } from "./adapters/codecs.ts";
import { runtimeVfs } from "./adapters/runtime.ts";
import { systemClock, systemRandom } from "./adapters/system.ts";
import { GroupConsumer } from "./src/consumers/consumer.ts";
import { connectOnce } from "./src/consumers/connect_once.ts";
import { consumerContentOf, type ConsumerHandle } from "./src/consumers/handle.ts";
import { LateConsumer } from "./src/consumers/late_consumer.ts";
import { CONNECTED, LEFT, MemberBlock } from "./src/consumers/member_block.ts";
import type { ConsumeOptions, Consumer } from "./src/consumers/types.ts";
import { WorkerMember } from "./src/consumers/worker_member.ts";
import { openWith } from "./src/log/open.ts";

export type { ConsumerHandle } from "./src/consumers/handle.ts";
export type { ClampEvent, ConsumeOptions, Consumer, ConsumerLag, ShardLag } from "./src/consumers/types.ts";
export { LogError, type LogErrorCode, type LogErrorDetails } from "./src/errors.ts";
export type { SignalOptions } from "./src/options.ts";
export type { GapEvent } from "./src/read/shard_batches.ts";
export type { LogRecord } from "./src/read/stored_record.ts";

/**
 * Connects a worker to the log that made the handle. Each handle connects once. The worker reads the files itself; the log's thread says
 * which shards are its own, and commits. Of a log on a cluster, the worker is a member of the group by itself, with its own connections.
 *
 * @param handle What `log.consumerHandle()` gave, as it came through `postMessage` or `workerData`.
 * @param options See {@linkcode ConsumeOptions}.
 * @returns The consumer; `await using` closes it.
 * @throws {TypeError} where it is no handle.
 * @throws {LogError} `CONFLICT` where it was connected before; `UNSUPPORTED` where it comes from another version of the package.
 */
export function connectConsumer(handle: ConsumerHandle, options: ConsumeOptions = {}): Consumer {
  const content = consumerContentOf(handle);
  if ("cluster" in content) {
    const block = new MemberBlock(content.block);
    connectOnce(content.name, block);
    // Loaded here: who consumes an embedded log needs no code for clusters.
    const load = async () => {
      const { workerConsumer } = await import("./src/kafka/group/worker_consumer.ts");
      return workerConsumer(content, options, runtimeCodecs);
    };
    return new LateConsumer(content.name, load, () => block.moveState(CONNECTED, LEFT));
  }
  const { name, directory, from } = content;
  const engine = { vfs: runtimeVfs(), clock: systemClock, random: systemRandom, codecs: runtimeCodecs };
  let opening: ReturnType<typeof openWith> | undefined;
  return new GroupConsumer({
    name,
    membership: new WorkerMember(content, systemClock),
    views: async () => {
      opening ??= openWith(engine, directory, { readOnly: true });
      return (await opening).views;
    },
    codecs: runtimeCodecs,
    from,
    clamps: () => [],
    onClose: async () => {
      await (await opening?.catch(() => undefined))?.close();
    },
  }, options);
}
