/**
 * A worker's member of a consumer group: it has its own connections, and ends with the log that made its handle.
 *
 * @module
 */
import type { Codecs } from "../../batch/codecs.ts";
import type { ClusterHandleContent } from "../../consumers/handle.ts";
import { CONNECTED, LEFT, MemberBlock, OVER } from "../../consumers/member_block.ts";
import type { ConsumeOptions, Consumer } from "../../consumers/types.ts";
import { connectTopic, type KafkaOptions } from "../kafka_options.ts";
import type { Cluster } from "../log/cluster.ts";
import { ClusterConsumer } from "./cluster_consumer.ts";
import { ConsumerLags } from "./consumer_lags.ts";

/** Makes the consumer of a handle that this thread has taken. */
export function workerConsumer(content: ClusterHandleContent, consume: ConsumeOptions, codecs: Codecs): Consumer {
  const logClosed = new AbortController();
  const { name, partitions, group } = content;
  const options = content.cluster as KafkaOptions;
  const [connections, lags, closed] = [connectTopic(options), new ConsumerLags(), logClosed.signal];
  const cluster: Cluster = { options, codecs, partitions, connections, lags, closed };
  const block = new MemberBlock(content.block);
  void watch(block, logClosed);
  return new WorkerConsumer(cluster, name, { ...consume, ...group }, block);
}

class WorkerConsumer extends ClusterConsumer {
  readonly #block: MemberBlock;

  constructor(cluster: Cluster, name: string, options: ConsumeOptions, block: MemberBlock) {
    super(cluster, name, options);
    this.#block = block;
  }

  override async close(): Promise<void> {
    try {
      await super.close();
    } finally {
      this.#block.moveState(CONNECTED, LEFT);
      // The watch ends at once: it would keep the thread for another moment.
      this.#block.changed();
    }
  }
}

/** Waits for the end of the log, or of the consumer. */
async function watch(block: MemberBlock, logClosed: AbortController): Promise<void> {
  while (block.state === CONNECTED) {
    const seen = block.changes;
    if (block.state === CONNECTED) await block.waitForChange(seen);
  }
  if (block.state === OVER) logClosed.abort();
}
