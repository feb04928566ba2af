/**
 * Finds what a producer has written to a partition: asks the leader, who forgets idle ones, and else looks into the partition.
 *
 * @module
 */
import { nextSequence, readProducer } from "../../batch/producer_fields.ts";
import { visitBatch } from "../../idempotence/producer_rows.ts";
import { findSame, FIRST_NAMED_ID, REMEMBERED_BATCHES, type TakenBatch } from "../../idempotence/producer_states.ts";
import type { KafkaTopic } from "../wire/cluster.ts";
import type { BrokerConnection } from "../wire/connection.ts";
import { type ActiveProducer, requestProducers } from "../wire/describe_producers.ts";
import { brokerError, KafkaError, NOT_ENOUGH_REPLICAS } from "../wire/kafka_error.ts";
import { type PartitionPlace, requestOffsetAt, requestOffsets, requestTopicSetting } from "../wire/requests.ts";
import { ask, type Cluster, ownConnections, patienceFor } from "./cluster.ts";
import { PartitionCursor } from "./partition_cursor.ts";
import type { FoundProducer, ProducerSource } from "./producer_source.ts";
import { neutralize, produceNumbered } from "./produce_numbered.ts";

/** Offsets of the first stretch that is read backwards; each one is twice as long as the one before. */
const FIRST_STRETCH = 1000;
/** So much is read from the time of a producer's last batch on, before it is looked for from the end. */
const NEAR_BYTES: number = 4 * 1024 * 1024;

/** See above; for one partition. */
export class ProducerFinder implements ProducerSource {
  readonly #cluster: Cluster;
  readonly #partition: number;
  /** The answer that was asked for last; never rejects. */
  #asked: Promise<unknown> | undefined = undefined;
  /** The next question, while it is not sent yet. */
  #next: Promise<ReadonlyMap<number, ActiveProducer>> | undefined = undefined;

  constructor(cluster: Cluster, partition: number) {
    this.#cluster = cluster;
    this.#partition = partition;
  }

  /**
   * Finds a producer. That of a name is looked for in the whole partition where the leader does not know it: names are not forgotten.
   *
   * @throws {LogError} `UNSUPPORTED` where the broker is older than Kafka 2.8; what reading throws.
   */
  async find(id: number): Promise<FoundProducer> {
    return await this.#withConnections(async (topic) => {
      const active = (await this.#actives()).get(id);
      const isNamed = id >= FIRST_NAMED_ID;
      if (active === undefined && !isNamed) return { batches: [], isActive: false, unseenBefore: 0 };
      if (active !== undefined && !isNamed) return { batches: [endOf(active)], isActive: true, unseenBefore: 0 };
      const { earliest, end } = await this.#ask(topic, requestOffsets);
      if (active !== undefined) {
        const batches = await this.#lastOf(topic, active, earliest, end);
        return { batches: batches.length > 0 ? batches : [endOf(active)], isActive: true, unseenBefore: 0 };
      }
      const batches = await this.#backwards(topic, id, earliest, end);
      return { batches: batches.slice(-REMEMBERED_BATCHES), isActive: false, unseenBefore: earliest };
    });
  }

  /**
   * Where a batch is that lies behind its producer's last one: it is sent again, and the broker answers where it has it.
   *
   * @returns `undefined` where it is none of the last five.
   */
  async place(batch: Uint8Array): Promise<number | undefined> {
    neutralize(batch);
    return await this.#withConnections(async (topic) => {
      const { id } = readProducer(batch, 0);
      return await this.#ask(topic, async (leader, place) => {
        // A leader that has forgotten the producer would write it.
        if (!(await requestProducers(leader, place)).some((producer) => producer.id === id)) return undefined;
        const answer = await produceNumbered(leader, place, batch);
        return typeof answer === "number" ? answer : undefined;
      });
    });
  }

  /**
   * Where a batch is that stands at an offset or behind it; `undefined` where it is not there, or nobody may look. Waits for nothing.
   *
   * @throws {KafkaError} The broker is away; or the batch is there, and fewer replicas have it than the topic asks for.
   */
  async locate(batch: Uint8Array, from: number): Promise<number | undefined> {
    const producer = readProducer(batch, 0);
    try {
      return await this.#withConnections(async (topic) => {
        const place = { topic: topic.topic, partition: this.#partition };
        const { earliest, end } = await requestOffsets(await topic.leader(this.#partition), place);
        const found = await this.#collect(topic, producer.id, Math.max(from, earliest), end, Infinity, 0);
        const same = findSame(found, producer);
        if (same !== undefined) await this.#checkReplicas(topic);
        return same?.baseOffset;
      });
    } catch (error) {
      if (error instanceof KafkaError && !error.passes) return undefined;
      throw error;
    }
  }

  /** What can be read is on all replicas in sync; the broker acknowledges it only where those are as many as the topic asks for. */
  async #checkReplicas(topic: KafkaTopic): Promise<void> {
    const leader = await topic.leader(this.#partition);
    const least = Number(await requestTopicSetting(leader, topic.topic, "min.insync.replicas"));
    topic.forget();
    const inSync = (await topic.metadata()).inSync[this.#partition] ?? 0;
    // Who may not be told the setting cannot be held to it.
    if (!(inSync < least)) return;
    const [shard, action] = [this.#partition, `append to partition ${this.#partition} of ${topic.topic}`];
    throw brokerError(NOT_ENOUGH_REPLICAS, action, { shard });
  }

  /** What the leader remembers by now. All who ask while it is being told share the next answer: it names every producer. */
  #actives(): Promise<ReadonlyMap<number, ActiveProducer>> {
    if (this.#next !== undefined) return this.#next;
    const asked = (this.#asked ?? Promise.resolve()).then(() => {
      if (this.#next === asked) this.#next = undefined;
      return this.#withConnections((topic) => this.#ask(topic, requestProducers));
    }).then((producers) => new Map(producers.map((producer) => [producer.id, producer])));
    this.#next = asked;
    this.#asked = asked.then(() => undefined, () => undefined);
    return asked;
  }

  async #withConnections<T>(task: (topic: KafkaTopic) => Promise<T>): Promise<T> {
    const { closed } = this.#cluster;
    const topic = ownConnections(this.#cluster);
    const close = (): void => topic.close();
    closed.addEventListener("abort", close, { once: true });
    try {
      return await task(topic);
    } finally {
      closed.removeEventListener("abort", close);
      topic.close();
    }
  }

  #ask<T>(
    topic: KafkaTopic,
    request: (leader: BrokerConnection, place: PartitionPlace) => Promise<T>,
  ): Promise<T> {
    const place = { topic: topic.topic, partition: this.#partition };
    const patience = patienceFor(this.#cluster, this.#cluster.closed);
    return ask(topic, this.#partition, patience, (leader) => request(leader, place));
  }

  /**
   * The last batches of a producer that the leader knows. The last one is found by its time, at once where times grow; a broker that has
   * started anew knows this one only, so those that stand near it are taken along.
   */
  async #lastOf(
    topic: KafkaTopic,
    { id, epoch, lastSequence, lastTimestamp }: ActiveProducer,
    earliest: number,
    end: number,
  ): Promise<TakenBatch[]> {
    const at = await this.#ask(topic, (leader, place) => requestOffsetAt(leader, place, lastTimestamp));
    if (at === undefined) return [];
    const from = Math.max(earliest, at);
    const isLast = (batch: TakenBatch | undefined): boolean =>
      batch?.epoch === epoch && batch.lastSequence === lastSequence;
    let last = (await this.#collect(topic, id, from, end, NEAR_BYTES)).findLast(isLast);
    last ??= (await this.#backwards(topic, id, from, end)).findLast(isLast);
    if (last === undefined) return [];
    const { baseOffset } = last;
    const near = await this.#collect(topic, id, Math.max(earliest, baseOffset - FIRST_STRETCH), baseOffset, Infinity);
    return [...near, last].slice(-REMEMBERED_BATCHES);
  }

  /** The last batches of a producer that stand near each other. */
  async #backwards(topic: KafkaTopic, id: number, from: number, end: number): Promise<TakenBatch[]> {
    for (let stop = end, stretch = FIRST_STRETCH; stop > from; stretch *= 2) {
      const start = Math.max(from, stop - stretch);
      const found = await this.#collect(topic, id, start, stop, Infinity);
      if (found.length > 0) return found;
      stop = start;
    }
    return [];
  }

  async #collect(
    topic: KafkaTopic,
    id: number,
    from: number,
    end: number,
    maxBytes: number,
    patienceMs = this.#cluster.options.patienceMs,
  ): Promise<TakenBatch[]> {
    const options = { ...this.#cluster.options, ...(patienceMs === undefined ? {} : { patienceMs }) };
    const cursor = new PartitionCursor({
      topic,
      partition: this.#partition,
      from,
      fromTime: undefined,
      all: true,
      codecs: this.#cluster.codecs,
      patience: patienceFor({ options }, this.#cluster.closed),
      onGap: undefined,
    });
    const found: TakenBatch[] = [];
    let bytes = 0;
    for (let batch = await cursor.nextBatch(end); batch !== undefined; batch = await cursor.nextBatch(end)) {
      cursor.passed(batch);
      visitBatch(batch.header, (producer, taken) => void (producer === id && found.push(taken)));
      bytes += batch.header.bytes;
      if (bytes >= maxBytes) break;
    }
    return found;
  }
}

/** An empty batch behind the last one: no batch is the same, and what lies in front of it is recognized as old. */
function endOf({ epoch, lastSequence, lastTimestamp }: ActiveProducer): TakenBatch {
  const firstSequence = nextSequence(lastSequence, 1);
  return { epoch, firstSequence, lastSequence, baseOffset: -1, lastOffset: -1, timestamp: lastTimestamp };
}
