/**
 * The broker that keeps a group.
 *
 * @module
 */
import type { KafkaTopic } from "../wire/cluster.ts";
import type { BrokerConnection } from "../wire/connection.ts";
import { requestCoordinator } from "../wire/group_requests.ts";
import { KafkaError, LEFT_BEHIND, REBALANCING } from "../wire/kafka_error.ts";
import type { Patience } from "../wire/patience.ts";

/** See above; found anew when it has moved. */
export class Coordinator {
  readonly group: string;
  readonly #topic: KafkaTopic;
  #found: Promise<{ host: string; port: number }> | undefined = undefined;

  constructor(topic: KafkaTopic, group: string) {
    this.group = group;
    this.#topic = topic;
  }

  /** A connection to it. */
  async connect(): Promise<BrokerConnection> {
    this.#found ??= this.#topic.anyBroker().then((broker) => requestCoordinator(broker, this.group));
    const found = this.#found;
    try {
      const { host, port } = await found;
      return await this.#topic.aside(host, port);
    } catch (error) {
      this.forget();
      throw error;
    }
  }

  /** It may have moved. */
  forget(): void {
    this.#found = undefined;
    this.#topic.forget();
  }

  /** Asks with patience; what only says that the group has moved on is thrown at once. */
  async ask<T>(patience: Patience, request: (connection: BrokerConnection) => Promise<T>): Promise<T> {
    for (;;) {
      try {
        const answer = await request(await this.connect());
        patience.succeeded();
        return answer;
      } catch (error) {
        if (isGroupError(error)) throw error;
        this.forget();
        await patience.wait(error);
      }
    }
  }
}

/** The group has another generation by now, or is making one. */
export function isGroupError(error: unknown): error is KafkaError {
  return error instanceof KafkaError && (error.number === REBALANCING || LEFT_BEHIND.includes(error.number));
}
