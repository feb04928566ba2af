/**
 * How far consumers are behind.
 *
 * @module
 */
import type { ConsumerInfo, ConsumerLag, ShardLag } from "../../consumers/types.ts";
import { ask, type Cluster, patienceFor } from "../log/cluster.ts";
import type { KafkaTopic } from "../wire/cluster.ts";
import { requestCommitted, requestGroups } from "../wire/group_requests.ts";
import { requestOffsets } from "../wire/requests.ts";
import { Coordinator } from "./coordinator.ts";

/** Compares what a group has stored with what is there now; `undefined` where it has stored nothing. */
export async function lagOfGroup(cluster: Cluster, topic: KafkaTopic, name: string): Promise<ConsumerLag | undefined> {
  const patience = patienceFor(cluster, cluster.closed);
  const coordinator = new Coordinator(topic, name);
  const { partitions } = cluster;
  const committed = await coordinator.ask(
    patience,
    (broker) => requestCommitted(broker, name, topic.topic, partitions),
  );
  if (committed.every((offset) => offset < 0)) return undefined;
  const shards = await Promise.all(committed.map(async (stored, shard): Promise<ShardLag> => {
    const place = { topic: topic.topic, partition: shard };
    const { earliest, end } = await ask(
      topic,
      shard,
      patienceFor(cluster, cluster.closed),
      (leader) => requestOffsets(leader, place),
    );
    cluster.lags.ended(shard, end);
    return { shard, committed: Math.max(0, stored), end, lag: Math.max(0, end - Math.max(stored, earliest)) };
  }));
  return { total: shards.reduce((sum, { lag }) => sum + lag, 0), shards };
}

/** All groups that have stored offsets of the topic, on whichever broker. */
export async function listConsumers(cluster: Cluster, topic: KafkaTopic): Promise<ConsumerInfo[]> {
  const patience = patienceFor(cluster, cluster.closed);
  let names: Set<string>;
  for (;;) {
    try {
      const { brokers } = await topic.metadata();
      const each = brokers.map(async ({ host, port }) => await requestGroups(await topic.aside(host, port)));
      names = new Set((await Promise.all(each)).flat());
      break;
    } catch (error) {
      topic.forget();
      await patience.wait(error);
    }
  }
  const infos: ConsumerInfo[] = [];
  for (const name of [...names].sort()) {
    const lag = await lagOfGroup(cluster, topic, name);
    if (lag !== undefined) infos.push({ name, ...lag });
  }
  return infos;
}
