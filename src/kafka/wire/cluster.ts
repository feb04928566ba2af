/**
 * A topic of a cluster: who leads which partition, and connections to them.
 *
 * @module
 */
import { BrokerConnection, type ConnectionSettings } from "./connection.ts";
import { firstAnswer } from "./first_answer.ts";
import { brokerError, KafkaError, networkError, UNKNOWN_TOPIC } from "./kafka_error.ts";
import { requestMetadata, type TopicMetadata } from "./requests.ts";

/** A broker takes one request of a connection at a time: several connections keep it busy. */
const CONNECTIONS_PER_BROKER = 8;
const DEFAULT_PORT = 9092;
/** A broker that is silent for so long is not the only one that is asked. */
const STAGGER_MS = 1000;

/** Where a broker listens. */
interface Place {
  readonly host: string;
  readonly port: number;
}

/** Where a cluster is, and how it is reached. */
export interface ClusterOptions extends ConnectionSettings {
  /** At least one broker as `host:port`; the others are learned from it. */
  readonly brokers: readonly string[];
}

/** See above. */
export class KafkaTopic {
  readonly topic: string;
  readonly #options: ClusterOptions;
  readonly #bootstrap: readonly Place[];
  /** Whom to ask, in this order: who has answered last, those that were named, those that were learned of. */
  #places: readonly Place[];
  readonly #connections = new Map<string, Promise<BrokerConnection>>();
  #metadata: Promise<TopicMetadata> | undefined = undefined;
  readonly #closed = new AbortController();

  /** @throws {TypeError} where a broker is not `host:port`. */
  constructor(topic: string, options: ClusterOptions) {
    this.topic = topic;
    this.#options = options;
    if (options.brokers.length === 0) throw new TypeError("Cannot reach a cluster: brokers must name one at least");
    this.#bootstrap = this.#places = options.brokers.map(parseBroker);
  }

  /** Connections of their own to the same topic, with what is known of its cluster. */
  another(): KafkaTopic {
    const other = new KafkaTopic(this.topic, this.#options);
    other.#places = this.#places;
    return other;
  }

  /** What the cluster says of the topic; asked for once, until {@linkcode KafkaTopic.forget}. */
  metadata(): Promise<TopicMetadata> {
    if (this.#metadata === undefined) {
      const asked = this.#load();
      this.#metadata = asked;
      asked.catch(() => this.#metadata === asked && this.forget());
    }
    return this.#metadata;
  }

  /** Leaders may have changed: ask again the next time. */
  forget(): void {
    this.#metadata = undefined;
  }

  /** A connection to the leader of a partition. */
  async leader(partition: number): Promise<BrokerConnection> {
    const { leaders, brokers } = await this.metadata();
    const broker = brokers.find(({ id }) => id === leaders[partition]);
    if (broker === undefined) {
      this.forget();
      throw new KafkaError(
        "IO",
        "LEADER_NOT_AVAILABLE",
        5,
        true,
        `Cannot use partition ${partition} of ${this.topic}: it has no leader at the moment`,
        { shard: partition },
      );
    }
    return await this.#connect(broker.host, broker.port, partition % CONNECTIONS_PER_BROKER);
  }

  /** A connection to any broker that is there. */
  async anyBroker(): Promise<BrokerConnection> {
    await this.metadata();
    return await firstAnswer(this.#places, STAGGER_MS, ({ host, port }) => this.#connect(host, port, 0));
  }

  /** A connection for requests that others must not wait for. */
  aside(host: string, port: number): Promise<BrokerConnection> {
    return this.#connect(host, port, CONNECTIONS_PER_BROKER);
  }

  /** Ends all connections. */
  close(): void {
    this.#closed.abort();
    for (const connection of this.#connections.values()) connection.then((open) => open.close(), () => {});
    this.#connections.clear();
  }

  async #load(): Promise<TopicMetadata> {
    const { place, metadata } = await firstAnswer(this.#places, STAGGER_MS, async (place) => {
      const metadata = await requestMetadata(await this.#connect(place.host, place.port, 0), this.topic);
      // A topic that one does not know is not asked for everywhere.
      if (metadata.error !== 0 && metadata.error !== UNKNOWN_TOPIC) throw this.#refusal(metadata.error);
      return { place, metadata };
    });
    const all = [place, ...this.#bootstrap, ...metadata.brokers];
    this.#places = [...new Map(all.map(({ host, port }) => [`${host}:${port}`, { host, port }])).values()];
    if (metadata.error !== 0) throw this.#refusal(metadata.error);
    return metadata;
  }

  #refusal(code: number): KafkaError {
    return brokerError(code, `use topic ${this.topic}`);
  }

  async #connect(host: string, port: number, slot: number): Promise<BrokerConnection> {
    if (this.#closed.signal.aborted) throw networkError(`connect to ${host}:${port}`, "it was given up");
    const name = `${host}:${port} ${slot}`;
    const known = this.#connections.get(name);
    if (known !== undefined) {
      const connection = await known;
      if (connection.isOpen) return connection;
      if (this.#connections.get(name) === known) this.#connections.delete(name);
      return await this.#connect(host, port, slot);
    }
    const connecting = BrokerConnection.connect(host, port, this.#options, this.#closed.signal);
    this.#connections.set(name, connecting);
    try {
      return await connecting;
    } catch (error) {
      if (this.#connections.get(name) === connecting) this.#connections.delete(name);
      this.forget();
      throw error;
    }
  }
}

function parseBroker(text: string): Place {
  const match = /^(?:\[([^\]]+)\]|([^:\s[\]]+))(?::(\d{1,5}))?$/.exec(text);
  const port = match?.[3] === undefined ? DEFAULT_PORT : Number(match[3]);
  if (match === null || port < 1 || port > 65_535) {
    throw new TypeError(`Cannot reach a cluster: a broker must be host:port, not ${JSON.stringify(text)}`);
  }
  return { host: match[1] ?? match[2], port };
}
