/**
 * Makes handles with which workers join a consumer group by themselves.
 *
 * @module
 */
import { checkGroup } from "../../consumers/group_options.ts";
import { type ClusterHandleContent, CONSUMER_HANDLE_VERSION, type ConsumerHandle } from "../../consumers/handle.ts";
import { MemberBlock, OVER } from "../../consumers/member_block.ts";
import type { GroupOptions } from "../../consumers/types.ts";
import { LogError } from "../../errors.ts";
import type { Cluster } from "../log/cluster.ts";

/**
 * Makes one.
 *
 * @throws {LogError} `UNSUPPORTED` where the way to the cluster cannot be given to another thread.
 */
export function clusterConsumerHandle(
  cluster: Pick<Cluster, "options" | "partitions" | "closed">,
  name: string,
  options: GroupOptions,
): ConsumerHandle {
  const { partitions, closed } = cluster;
  checkGroup(name, options, partitions);
  const block = MemberBlock.create(0);
  closed.addEventListener("abort", () => {
    block.setState(OVER);
    block.changed();
  }, { once: true });
  const { from, shards, leaseMs } = options;
  const group: GroupOptions = {
    ...(from === undefined ? {} : { from }),
    ...(shards === undefined ? {} : { shards: [...shards] }),
    ...(leaseMs === undefined ? {} : { leaseMs }),
  };
  const content: ClusterHandleContent = { name, cluster: wayTo(cluster), partitions, group, block: block.buffer };
  return { kind: "bimiplog-consumer", version: CONSUMER_HANDLE_VERSION, content };
}

/** What of the options reaches the topic from another thread, too. */
function wayTo({ options }: Pick<Cluster, "options">): unknown {
  const { brokers, topic, clientId, tls, sasl, requestTimeoutMs, patienceMs } = options;
  try {
    // A copy of this moment; and what cannot be copied is told here, and not by `new Worker`.
    return structuredClone({ brokers, topic, clientId, tls, sasl, requestTimeoutMs, patienceMs });
  } catch (cause) {
    throw new LogError(
      "UNSUPPORTED",
      "Cannot make a consumer for a thread: an option of the log, such as tls, has functions or objects that cannot be given to one; " +
        "name certificates and keys as text or bytes, or open a log in the thread",
      { cause },
    );
  }
}
