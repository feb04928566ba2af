/**
 * The producers that number the batches of one partition: what they have written is asked for once, and counted here from then on.
 *
 * @module
 */
import { type ProducedBatch, readProducer } from "../../batch/producer_fields.ts";
import { LogError } from "../../errors.ts";
import {
  findSame,
  FIRST_NAMED_ID,
  MAX_PRODUCERS,
  ProducerStates,
  REMEMBERED_BATCHES,
  takenAt,
  type TakenBatch,
} from "../../idempotence/producer_states.ts";
import { checkFields } from "../../idempotence/shard_producers.ts";
import { type KafkaError, refusalReason } from "../wire/kafka_error.ts";
import type { FoundProducer, ProducerSource } from "./producer_source.ts";

/** It is being asked what the producer has written; ask again once nothing is being asked. */
export const ASKING: unique symbol = Symbol("asking");
/** As long as brokers remember an idle producer, unless they are told otherwise. */
const IDLE_MS: number = 24 * 60 * 60 * 1000;

/** Where a batch is that was taken. */
export interface TakenPlace {
  /** The offset of its first record; until it is acknowledged the number that this opening gave it. */
  readonly baseOffset: number;
  readonly isAcknowledged: boolean;
}

/** A batch that a producer has numbered. */
export interface NumberedBatch extends TakenBatch, TakenPlace {
  readonly id: number;
  baseOffset: number;
  lastOffset: number;
  isAcknowledged: boolean;
}

interface Entry {
  /** `undefined`: not asked for yet. */
  states: ProducerStates | undefined;
  /** The batches of {@linkcode Entry.states} that can be handed out again. */
  recent: NumberedBatch[];
  found: FoundProducer | undefined;
  /** Something was refused since: it is asked for again before the next batch. */
  isStale: boolean;
  asking: Promise<void> | undefined;
  /** Why asking failed; told once. */
  failure: Error | undefined;
  activeAtMs: number;
  inFlight: number;
}

/** See above. */
export class PartitionProducers {
  readonly #shard: number;
  readonly #source: ProducerSource;
  /** Told of each answer. */
  readonly #onAnswer: () => void;
  /** The one that was idle longest comes first. */
  readonly #entries = new Map<number, Entry>();
  /** Numbers of the questions without an answer, in order. */
  readonly #open = new Set<number>();
  /** How many questions were asked so far. */
  asked = 0;

  constructor(shard: number, source: ProducerSource, onAnswer: () => void) {
    this.#shard = shard;
    this.#source = source;
    this.#onAnswer = onAnswer;
  }

  /** So many of the first questions are answered: whoever waits for those of its time does not wait for others. */
  get answered(): number {
    for (const number of this.#open) return number;
    return this.asked;
  }

  /** The last batch of a producer; `undefined` where none is known. */
  last(id: number): TakenBatch | undefined {
    return this.#entries.get(id)?.states?.last(id);
  }

  /** Finds out what a producer has written, unless that is known. */
  async load(id: number): Promise<FoundProducer> {
    const entry = this.#entry(id);
    while (entry.asking !== undefined || entry.states === undefined || entry.isStale) {
      await (entry.asking ?? this.#ask(entry, () => this.#load(id, entry)));
      tell(entry);
    }
    return entry.found!;
  }

  /**
   * Looks a finished batch up: answers it where it was taken already, `undefined` where it is its producer's next one, or
   * {@linkcode ASKING}.
   *
   * @throws {LogError} `CONFLICT` where it is neither, `BATCH_INVALID`; why it cannot be found out.
   */
  find(blob: Uint8Array): NumberedBatch | undefined | typeof ASKING {
    const producer = readProducer(blob, 0);
    checkFields(producer);
    const entry = this.#entry(producer.id);
    if (entry.asking !== undefined) return ASKING;
    tell(entry);
    const now = performance.now();
    const isIdle = now - entry.activeAtMs > IDLE_MS && entry.inFlight === 0 && producer.id < FIRST_NAMED_ID;
    if (entry.states === undefined || entry.isStale || isIdle) {
      void this.#ask(entry, () => this.#load(producer.id, entry));
      return ASKING;
    }
    try {
      if (entry.states.find(producer, producer.count, now) === undefined) return undefined;
      return findSame(entry.recent, producer);
    } catch (error) {
      const isOld = error instanceof LogError && error.reason === "DUPLICATE_SEQUENCE_NUMBER";
      const known = isOld ? findSame(entry.recent, producer) : undefined;
      if (known !== undefined) return known;
      // The broker may remember more batches than were taken here.
      if (!isOld || !entry.found!.isActive || entry.recent.length >= REMEMBERED_BATCHES) throw error;
      void this.#ask(entry, () => this.#place(entry, blob.slice(), producer, error));
      return ASKING;
    }
  }

  /** Notes a batch that is the next one, under the number that its first record has here. */
  take(blob: Uint8Array, number: number): NumberedBatch {
    const producer = readProducer(blob, 0);
    const entry = this.#entry(producer.id);
    const batch: NumberedBatch = { ...takenAt(producer, number, 0), id: producer.id, isAcknowledged: false };
    this.#note(producer.id, entry, batch);
    entry.inFlight++;
    // The one that is used goes to the end.
    this.#entries.delete(producer.id);
    this.#entries.set(producer.id, entry);
    return batch;
  }

  /** The batch is written. */
  acknowledged(batch: NumberedBatch, base: number): void {
    this.#entries.get(batch.id)!.inFlight--;
    batch.lastOffset += base - batch.baseOffset;
    batch.baseOffset = base;
    batch.isAcknowledged = true;
  }

  /**
   * The broker refuses a batch, and its producer's later ones are not sent any more: none of them is on its way from here on. Asks for
   * what the producer has written, so that nobody goes on counting from what was refused.
   *
   * @returns Why each is refused, in the words of a log.
   */
  async refused(id: number, blobs: readonly Uint8Array[], error: KafkaError): Promise<LogError[]> {
    const entry = this.#entries.get(id)!;
    entry.inFlight -= blobs.length;
    entry.isStale = true;
    await this.load(id);
    const isAboutNumbers = refusalReason(error.number) !== undefined;
    return blobs.map((blob, i) => i === 0 && !isAboutNumbers ? error : this.#why(blob, error, i > 0));
  }

  #why(blob: Uint8Array, error: KafkaError, isLater: boolean): LogError {
    const producer = readProducer(blob, 0);
    const { id, epoch, sequence } = producer;
    try {
      this.#entries.get(id)!.states!.find(producer, producer.count, performance.now());
    } catch (conflict) {
      if (conflict instanceof LogError) return conflict;
    }
    const reason = refusalReason(error.number) ?? "OUT_OF_ORDER_SEQUENCE_NUMBER";
    const why = isLater
      ? `one in front of it was refused (${error.kafka}); send it again once that is written`
      : `the broker answered ${error.kafka}; does somebody else write with its numbers?`;
    return new LogError(
      "CONFLICT",
      `Cannot append a batch of producer ${id}, epoch ${epoch}, sequence ${sequence} to shard ${this.#shard}: ${why}`,
      { shard: this.#shard, reason, actual: sequence, cause: error },
    );
  }

  #entry(id: number): Entry {
    let entry = this.#entries.get(id);
    if (entry !== undefined) return entry;
    if (this.#entries.size >= MAX_PRODUCERS) this.#makeRoom();
    entry = {
      states: undefined,
      recent: [],
      found: undefined,
      isStale: false,
      asking: undefined,
      failure: undefined,
      activeAtMs: performance.now(),
      inFlight: 0,
    };
    this.#entries.set(id, entry);
    return entry;
  }

  /** What is forgotten here is asked for again. */
  #makeRoom(): void {
    for (const [id, { asking, inFlight }] of this.#entries) {
      if (id >= FIRST_NAMED_ID || asking !== undefined || inFlight > 0) continue;
      this.#entries.delete(id);
      return;
    }
  }

  #note(id: number, entry: Entry, batch: NumberedBatch): void {
    entry.activeAtMs = performance.now();
    entry.states!.note(id, batch, entry.activeAtMs, Infinity);
    entry.recent.push(batch);
    if (entry.recent.length > REMEMBERED_BATCHES) entry.recent.shift();
  }

  async #load(id: number, entry: Entry): Promise<void> {
    const found = await this.#source.find(id);
    entry.states = new ProducerStates(this.#shard, Infinity);
    entry.recent = [];
    entry.found = found;
    entry.isStale = false;
    entry.activeAtMs = performance.now();
    for (const batch of found.batches) {
      if (batch.baseOffset >= 0) this.#note(id, entry, { ...batch, id, isAcknowledged: true });
      else entry.states.note(id, batch, entry.activeAtMs, Infinity);
    }
  }

  async #place(entry: Entry, blob: Uint8Array, producer: ProducedBatch, error: LogError): Promise<void> {
    const base = await this.#source.place(blob);
    if (base === undefined) throw error;
    // In front of what was taken here: the rules are not changed by it.
    entry.recent.unshift({ ...takenAt(producer, base, 0), id: producer.id, isAcknowledged: true });
  }

  /** One question a producer at a time; never rejects. */
  async #ask(entry: Entry, task: () => Promise<void>): Promise<void> {
    const number = this.asked++;
    this.#open.add(number);
    const asking = task().catch((error: unknown) => {
      entry.failure = error instanceof Error ? error : new Error(String(error));
    });
    entry.asking = asking;
    await asking;
    entry.asking = undefined;
    this.#open.delete(number);
    this.#onAnswer();
  }
}

/** Throws why asking failed, once. */
function tell(entry: Entry): void {
  const { failure } = entry;
  entry.failure = undefined;
  if (failure !== undefined) throw failure;
}
