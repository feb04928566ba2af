/**
 * What an acknowledgement means on a cluster.
 *
 * @module
 */
import type { Guarantee } from "../../log/guarantee.ts";
import type { KafkaTopic } from "../wire/cluster.ts";
import { requestTopicSetting } from "../wire/requests.ts";
import { ask, type Cluster, patienceFor } from "./cluster.ts";

/** Asks the cluster how many replicas the topic has, and how many of them must have a record. */
export async function clusterGuarantee(cluster: Cluster, topic: KafkaTopic): Promise<Guarantee> {
  const { setting, replicas } = await ask(topic, 0, patienceFor(cluster, cluster.closed), async (leader) => ({
    setting: await requestTopicSetting(leader, topic.topic, "min.insync.replicas"),
    replicas: (await topic.metadata()).replicas,
  }));
  const fewest = Math.min(...replicas);
  const least = setting === undefined
    ? "min.insync.replicas of the topic says how many that are at least; the broker does not tell it"
    : `those are ${setting} at least (min.insync.replicas)`;
  const text =
    "An acknowledgement, on both rungs, means that all replicas in sync have the record in memory or on disk: " +
    `${least}. The topic has ${fewest} ${fewest === 1 ? "replica" : "replicas"} of each partition.`;
  return { rung: "disk", directIo: "refused", writeModes: replicas.map(() => "none" as const), text };
}
