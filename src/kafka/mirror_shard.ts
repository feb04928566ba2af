/**
 * Sends one shard's batches to its partition, each once and in order, whatever is killed in between.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import { LogError } from "../errors.ts";
import type { Log } from "../log/log_types.ts";
import type { LogBatch } from "../read/stored_batch.ts";
import { findPlace } from "./find_place.ts";
import { type MirrorPlace, type MirrorState, readMirrorState, writeMirrorState } from "./mirror_state.ts";
import { type OutgoingBatch, outgoingBatch, stampProducer } from "./outgoing_batch.ts";
import type { KafkaTopic } from "./wire/cluster.ts";
import type { BrokerConnection } from "./wire/connection.ts";
import { KafkaError, PRODUCER_STATE } from "./wire/kafka_error.ts";
import type { Patience } from "./wire/patience.ts";
import { requestOffsets, requestProduce, requestProducerId } from "./wire/requests.ts";

/** The broker recognises so many of a producer's last batches: never are more on their way. */
const MAX_IN_FLIGHT = 5;
/** Larger batches take turns, so that memory stays bounded. */
const MAX_IN_FLIGHT_BYTES: number = 8 * 1024 * 1024;
const SEQUENCES = 2 ** 31;

/** What one shard's mirror works with. */
export interface ShardMirrorOptions {
  readonly log: Log;
  readonly shard: number;
  readonly topic: KafkaTopic;
  readonly codecs: Codecs;
  readonly place: MirrorPlace;
  readonly patience: Patience;
  readonly follow: boolean;
  readonly acceptGap: boolean;
  readonly signal: AbortSignal;
}

/** See above. */
export class ShardMirror {
  /** The next offset of the log that the topic does not have. */
  sourceNext = 0;
  /** The topic's end. */
  targetEnd = 0;
  /** Sent in this run. */
  records = 0;
  bytes = 0;
  readonly #options: ShardMirrorOptions;
  #state: MirrorState | undefined = undefined;
  /** Batches acknowledged since the place was found last. */
  #sinceResumed = 0;

  constructor(options: ShardMirrorOptions) {
    this.#options = options;
  }

  /** The mapping of its offsets, once its place was found. */
  get spans(): MirrorState["mapping"]["spans"] {
    return this.#state?.mapping.spans ?? [];
  }

  /** Runs until the end of what was published, following until the signal. */
  async run(): Promise<void> {
    const { patience, topic, signal } = this.#options;
    for (;;) {
      try {
        await this.#resume();
        await this.#copy();
        return;
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        topic.forget();
        const isStateLost = error instanceof KafkaError && PRODUCER_STATE.includes(error.number) &&
          this.#sinceResumed === 0;
        await patience.wait(error);
        if (isStateLost) await this.#retrying(() => this.#renewProducer());
      }
    }
  }

  async #retrying(attempt: () => Promise<void>): Promise<void> {
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        this.#options.topic.forget();
        await this.#options.patience.wait(error);
      }
    }
  }

  /** Finds out where to go on: the topic's end says so, and its last batch proves it. */
  async #resume(): Promise<void> {
    const { topic, shard, place, log, codecs, acceptGap } = this.#options;
    const connection = await topic.leader(shard);
    const target = await requestOffsets(connection, { topic: topic.topic, partition: shard });
    this.#sinceResumed = 0;
    const isFirst = this.#state === undefined;
    let state = this.#state ?? await readMirrorState(place);
    const known = state?.mapping;
    if (isFirst || known === undefined) {
      const mapping = await findPlace({ connection, topic: topic.topic, log, shard, codecs, target, known });
      if (state === undefined) {
        state = { mapping, producer: await requestProducerId(connection), producerStart: target.end };
        await writeMirrorState(place, state);
      }
    }
    this.#state = state!;
    this.targetEnd = target.end;
    this.sourceNext = this.#state.mapping.toSource(target.end);
    // What came before the producer was made has no sequence number of it.
    if (target.end < this.#state.producerStart) await this.#renewProducer();
    const { earliest, written } = log.shard(shard);
    if (this.sourceNext < earliest) {
      if (!acceptGap) {
        throw new LogError(
          "OFFSET_OUT_OF_RANGE",
          `Cannot mirror shard ${shard}: its records ${this.sourceNext} to ${
            earliest - 1
          } were removed before they were sent; ` +
            "go on without them with acceptGap (--accept-gap)",
          { shard, range: [this.sourceNext, earliest - 1] },
        );
      }
      this.sourceNext = earliest;
    }
    if (this.sourceNext > written) {
      throw new LogError(
        "CONFLICT",
        `Cannot mirror shard ${shard}: the topic has records up to ${this.sourceNext - 1}, the log only up to ${
          written - 1
        }; ` +
          "the log has lost records that were sent, or is another one",
        { shard },
      );
    }
  }

  /** From here on as another producer: the broker has forgotten the old one, or remembers another end of it. */
  async #renewProducer(): Promise<void> {
    const { topic, shard, place } = this.#options;
    const connection = await topic.leader(shard);
    const { end } = await requestOffsets(connection, { topic: topic.topic, partition: shard });
    const state = this.#state!;
    state.producer = await requestProducerId(connection);
    state.producerStart = end;
    await writeMirrorState(place, state);
  }

  /** Sends batch after batch; ends with what was published, or with the first failure, once nothing is on its way any more. */
  async #copy(): Promise<void> {
    const { log, shard, topic, follow, signal } = this.#options;
    // One connection: what is behind each other in the log stays behind each other on the way.
    const connection = await topic.leader(shard);
    const reader = log.batches({ shard, from: this.sourceNext, follow, signal, isolation: "committed" });
    const flight: { readonly bytes: number; readonly done: Promise<void> }[] = [];
    let inFlightBytes = 0;
    let failure: { readonly error: unknown } | undefined;
    const failed = (error: unknown): void => {
      failure ??= { error };
      // Ends a step that waits for more.
      void reader.return?.();
    };
    try {
      for (;;) {
        const step = await reader.next();
        if (step.done || failure !== undefined) break;
        const sourceNext = step.value.lastOffset + 1;
        const outgoing = await this.#prepare(step.value);
        const { length } = outgoing.bytes;
        while (
          flight.length > 0 && (flight.length >= this.#mostInFlight || inFlightBytes + length > MAX_IN_FLIGHT_BYTES)
        ) {
          const { bytes, done } = flight.shift()!;
          await done;
          inFlightBytes -= bytes;
        }
        const done = this.#send(connection, outgoing, sourceNext);
        done.catch(failed);
        flight.push({ bytes: length, done });
        inFlightBytes += length;
      }
      for (const { done } of flight) await done;
      if (failure !== undefined) throw failure.error;
    } finally {
      await reader.return?.();
      // Their answers belong to this attempt: the next one begins with nothing on its way.
      await Promise.allSettled(flight.map(({ done }) => done));
    }
  }

  /** The batch as it goes out; a jump of the offsets is noted, durably, before. */
  async #prepare(batch: LogBatch): Promise<OutgoingBatch> {
    const { codecs, place } = this.#options;
    const state = this.#state!;
    const outgoing = outgoingBatch(batch.bytes, codecs);
    let hasJumped = false;
    for (const { source, before } of outgoing.runs) {
      if (state.mapping.begin(source, this.targetEnd + before)) hasJumped = true;
    }
    if (hasJumped) await writeMirrorState(place, state);
    const sequence = (this.targetEnd - state.producerStart) % SEQUENCES;
    stampProducer(outgoing, state.producer, sequence);
    this.targetEnd += outgoing.count;
    return outgoing;
  }

  /** A broker that does not know the producer takes any number of it first: until it does, batches could overtake each other. */
  get #mostInFlight(): number {
    return this.#sinceResumed === 0 ? 1 : MAX_IN_FLIGHT;
  }

  async #send(connection: BrokerConnection, outgoing: OutgoingBatch, sourceNext: number): Promise<void> {
    const { topic, shard, patience } = this.#options;
    const expected = this.targetEnd - outgoing.count;
    const place = { topic: topic.topic, partition: shard };
    const baseOffset = await requestProduce(connection, place, outgoing.bytes);
    if (baseOffset !== expected) {
      throw new LogError(
        "CONFLICT",
        `Cannot mirror shard ${shard}: partition ${shard} of ${topic.topic} took a batch at offset ${baseOffset}, not ${expected}; ` +
          "somebody else writes to the topic",
        { shard },
      );
    }
    this.#sinceResumed++;
    this.sourceNext = sourceNext;
    this.records += outgoing.count;
    this.bytes += outgoing.bytes.length;
    patience.succeeded();
  }
}
