/**
 * Several real brokers that are one cluster, for tests in which one of them goes. Every node is a broker and a controller.
 */
import { BrokerConnection } from "../../src/kafka/wire/connection.ts";
import { WireWriter } from "../../src/kafka/wire/encoding.ts";
import { requestCoordinator } from "../../src/kafka/wire/group_requests.ts";
import { KafkaError } from "../../src/kafka/wire/kafka_error.ts";
import { requestMetadata, type TopicMetadata } from "../../src/kafka/wire/requests.ts";
import { Broker, freePorts } from "./broker.ts";
import { createTopic } from "./create_topics.ts";

const ELECT_LEADERS = 43;
const PREFERRED = 0;
/** Nothing had to be done. */
const ELECTION_NOT_NEEDED = 84;
const LOOK_AGAIN_MS = 20;
const LIMIT_MS = 60_000;

/** A cluster of three. */
export class Brokers {
  /** By id, from 1 on: node n is `nodes[n - 1]`. */
  readonly nodes: readonly Broker[];
  /** Those that are in the cluster. */
  readonly #running = new Set<Broker>();

  private constructor(nodes: readonly Broker[]) {
    this.nodes = nodes;
  }

  /** Makes and starts it. */
  static async start(): Promise<Brokers> {
    const ports = await freePorts(6);
    const pairs = [0, 2, 4].map((at) => [ports[at], ports[at + 1]] as const);
    const voters = pairs.map(([, port], i) => `${i + 1}@127.0.0.1:${port}`).join(",");
    const nodes: Broker[] = [];
    for (const [i, pair] of pairs.entries()) {
      nodes.push(await Broker.create({ ports: pair, heap: "320m", settings: settingsOf(i + 1, voters) }));
    }
    const brokers = new Brokers(nodes);
    try {
      await nodes[0].format();
      for (const [i, node] of nodes.entries()) if (i > 0) node.formatLike(nodes[0], i + 1);
      await Promise.all(nodes.map((node) => node.start()));
      for (const node of nodes) brokers.#running.add(node);
      return brokers;
    } catch (error) {
      await brokers.remove();
      throw error;
    }
  }

  /** All addresses, those of brokers that are away among them. */
  get addresses(): string[] {
    return this.nodes.map(({ address }) => address);
  }

  /** Ends a node with kill -9. */
  async kill(node: Broker): Promise<void> {
    this.#running.delete(node);
    await node.kill();
  }

  /** Holds one where it is; the answer lets it go on. */
  async freeze(node: Broker): Promise<() => void> {
    this.#running.delete(node);
    const thaw = await node.freeze();
    return () => {
      thaw();
      this.#running.add(node);
    };
  }

  /** Brings one back that was killed. */
  async restart(node: Broker): Promise<void> {
    await node.start();
    this.#running.add(node);
  }

  /** Creates a topic with a replica on each broker, and waits until all brokers know it. */
  async createTopic(
    topic: string,
    partitions: number,
    settings: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    await createTopic(this.nodes[0], topic, partitions, { "min.insync.replicas": "2", ...settings }, 3);
    for (const node of this.nodes) {
      await this.#until(`${topic} on every broker`, async () => {
        const { error, leaders } = await this.#ask(node, (connection) => requestMetadata(connection, topic));
        return error === 0 && leaders.length === partitions && !leaders.includes(-1);
      });
    }
  }

  /** The broker that leads a partition, as those that are there see it. */
  async leader(topic: string, partition: number): Promise<Broker> {
    return this.nodes[(await this.#metadata(topic)).leaders[partition] - 1];
  }

  /** The broker that keeps a consumer group. */
  async coordinator(group: string): Promise<Broker> {
    const [node] = this.#running;
    let found: Broker | undefined;
    await this.#until(`the coordinator of ${group}`, async () => {
      // The first one who asks makes the brokers create the topic of the groups.
      const answer = await this.#ask(node, (connection) => requestCoordinator(connection, group)).catch((error) => {
        if (!(error instanceof KafkaError && error.passes)) throw error;
      });
      found = this.nodes.find(({ port }) => port === answer?.port);
      return found !== undefined;
    });
    return found!;
  }

  /** Makes the first replica of each partition its leader again, and waits until it is. */
  async electPreferred(topic: string, partitions: number): Promise<void> {
    const numbers = Array.from({ length: partitions }, (_, partition) => partition);
    await this.#until(`the preferred leaders of ${topic}`, async () => {
      const body = new WireWriter().int8(PREFERRED).int32(1).string(topic).int32(partitions);
      for (const partition of numbers) body.int32(partition);
      const [node] = this.#running;
      const answer = await this.#ask(
        node,
        (connection) => connection.request(ELECT_LEADERS, 1, [body.int32(20_000).bytes], "elect leaders"),
      );
      answer.int32();
      const failure = answer.int16();
      const codes = answer.array(() => {
        answer.string();
        return answer.array(() => {
          answer.int32();
          const code = answer.int16();
          answer.string();
          return code;
        });
      }).flat();
      return failure === 0 && codes.every((code) => code === 0 || code === ELECTION_NOT_NEEDED);
    });
  }

  /** Ends all of them and removes what they had. */
  async remove(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.remove()));
  }

  async #metadata(topic: string): Promise<TopicMetadata> {
    const [node] = this.#running;
    let found: TopicMetadata | undefined;
    await this.#until(`leaders of ${topic}`, async () => {
      found = await this.#ask(node, (connection) => requestMetadata(connection, topic));
      return !found.leaders.includes(-1);
    });
    return found!;
  }

  async #ask<T>(node: Broker, request: (connection: BrokerConnection) => Promise<T>): Promise<T> {
    const reach = { clientId: "test", tls: false, sasl: undefined, timeoutMs: 20_000 };
    const connection = await BrokerConnection.connect("127.0.0.1", node.port, reach, new AbortController().signal);
    try {
      return await request(connection);
    } finally {
      connection.close();
    }
  }

  async #until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    const end = performance.now() + LIMIT_MS;
    while (!await isSo()) {
      if (performance.now() > end) throw new Error(`${what}: not within ${LIMIT_MS} ms`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
  }
}

function settingsOf(id: number, voters: string): Record<string, string> {
  const settings: Record<string, string> = {
    "node.id": String(id),
    "controller.quorum.voters": voters,
    // A controller that is gone is noticed as quickly as a broker.
    "controller.quorum.fetch.timeout.ms": "1000",
    "controller.quorum.election.timeout.ms": "500",
    "controller.quorum.election.backoff.max.ms": "300",
    // The tests say when leaders move.
    "auto.leader.rebalance.enable": "false",
    "replica.fetch.wait.max.ms": "100",
    "offsets.topic.replication.factor": "3",
    "offsets.topic.num.partitions": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
  };
  return settings;
}
