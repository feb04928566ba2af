/**
 * What a shard remembers of its producers, and Kafka's rules for their next batch.
 *
 * @module
 */
import { nextSequence, type ProducedBatch, type ProducerOfBatch, SEQUENCES } from "../batch/producer_fields.ts";
import { type ConflictReason, LogError } from "../errors.ts";

/** A batch is recognized among so many last ones of its producer. */
export const REMEMBERED_BATCHES = 5;
/** Most producers that a shard remembers: beyond it the one that was idle longest is forgotten. */
export const MAX_PRODUCERS = 16_384;
/** Ids from here on belong to named producers: a shard does not forget them. */
export const FIRST_NAMED_ID: number = 2 ** 52;

/** A batch that was taken. */
export interface TakenBatch {
  readonly epoch: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly baseOffset: number;
  readonly lastOffset: number;
  /** The largest timestamp of the log so far, or the batch's own. */
  readonly timestamp: number;
}

/** A batch as it was taken at an offset. */
export function takenAt(
  { epoch, sequence, count }: ProducedBatch,
  baseOffset: number,
  timestamp: number,
): TakenBatch {
  const lastSequence = nextSequence(sequence, count - 1);
  return { epoch, firstSequence: sequence, lastSequence, baseOffset, lastOffset: baseOffset + count - 1, timestamp };
}

/** The one among a producer's batches that covers the same sequences. */
export function findSame<T extends TakenBatch>(
  batches: readonly T[],
  { epoch, sequence, count }: ProducedBatch,
): T | undefined {
  const last = nextSequence(sequence, count - 1);
  return batches.find((one) => one.epoch === epoch && one.firstSequence === sequence && one.lastSequence === last);
}

interface Entry {
  /**
   * In the order of the log: the last five and, as a snapshot may be asked for of any offset that is not written yet, five more in
   * front of the first of those.
   */
  readonly batches: TakenBatch[];
  /** When the producer was last heard of. */
  activeAtMs: number;
}

/** Producers of one shard. */
export class ProducerStates {
  readonly #shard: number;
  readonly #expiryMs: number;
  readonly #maxProducers: number;
  /** The one that was idle longest comes first. */
  readonly #entries = new Map<number, Entry>();
  #named = 0;

  constructor(shard: number, expiryMs: number, maxProducers: number = MAX_PRODUCERS) {
    this.#shard = shard;
    this.#expiryMs = expiryMs;
    this.#maxProducers = maxProducers;
  }

  /** How many producers are remembered. */
  get size(): number {
    return this.#entries.size;
  }

  /** The producer's last batch; `undefined` where it is not known. */
  last(id: number): TakenBatch | undefined {
    return this.#entries.get(id)?.batches.at(-1);
  }

  /**
   * Where a batch stands already, or `undefined` where it is the producer's next one.
   *
   * @throws {LogError} `CONFLICT` with a reason where it is neither.
   */
  find(batch: ProducerOfBatch, count: number, nowMs: number): number | undefined {
    const { id, epoch, sequence } = batch;
    const entry = this.#entries.get(id);
    if (entry !== undefined && nowMs - entry.activeAtMs > this.#expiryMs && id < FIRST_NAMED_ID) this.#forget(id);
    const last = this.last(id);
    if (last === undefined) {
      if (id >= FIRST_NAMED_ID && this.#named >= this.#maxProducers) throw this.#tooManyNames();
      return undefined;
    }
    if (epoch < last.epoch) throw this.#conflict("INVALID_PRODUCER_EPOCH", batch, last.epoch, epoch);
    const expected = epoch > last.epoch ? 0 : nextSequence(last.lastSequence, 1);
    if (epoch > last.epoch) {
      if (sequence === 0) return undefined;
      throw this.#conflict("OUT_OF_ORDER_SEQUENCE_NUMBER", batch, expected, sequence);
    }
    const lastSequence = nextSequence(sequence, count - 1);
    const known = this.#window(entry!.batches, epoch);
    for (const taken of known) {
      if (taken.firstSequence === sequence && taken.lastSequence === lastSequence) return taken.baseOffset;
    }
    if (sequence === expected) return undefined;
    // Before everything that is remembered: half of all sequences count as such, as they wrap.
    const distance = (known[0].firstSequence - nextSequence(lastSequence, 1) + SEQUENCES) % SEQUENCES;
    const isOld = distance < SEQUENCES / 2;
    const reason = isOld ? "DUPLICATE_SEQUENCE_NUMBER" : "OUT_OF_ORDER_SEQUENCE_NUMBER";
    throw this.#conflict(reason, batch, expected, sequence);
  }

  /**
   * Notes a batch of the log.
   *
   * @param written Exclusive end of the offsets that are written: no snapshot is asked for in front of it any more.
   */
  note(id: number, batch: TakenBatch, nowMs: number, written: number): void {
    const entry = this.#entries.get(id);
    const batches = entry?.batches ?? [];
    if (entry === undefined) {
      if (this.#entries.size >= this.#maxProducers) this.#makeRoom(nowMs);
      if (id >= FIRST_NAMED_ID) this.#named++;
    } else this.#entries.delete(id);
    this.#entries.set(id, { batches, activeAtMs: nowMs });
    batches.push(batch);
    while (batches.length > REMEMBERED_BATCHES && batches[REMEMBERED_BATCHES].lastOffset < written) batches.shift();
  }

  /** Last batches of each producer in front of an offset, in the order of the log; those that are expired are left out. */
  *before(offset: number, nowMs: number): Generator<{ id: number; batches: readonly TakenBatch[] }> {
    for (const [id, { batches, activeAtMs }] of this.#entries) {
      if (id < FIRST_NAMED_ID && nowMs - activeAtMs > this.#expiryMs) continue;
      const earlier = batches.filter((batch) => batch.lastOffset < offset);
      if (earlier.length === 0) continue;
      yield { id, batches: this.#window(earlier, earlier[earlier.length - 1].epoch) };
    }
  }

  /** The last five batches of an epoch. */
  #window(batches: readonly TakenBatch[], epoch: number): TakenBatch[] {
    return batches.slice(-REMEMBERED_BATCHES).filter((batch) => batch.epoch === epoch);
  }

  #forget(id: number): void {
    if (this.#entries.delete(id) && id >= FIRST_NAMED_ID) this.#named--;
  }

  #makeRoom(nowMs: number): void {
    let idlest: number | undefined;
    for (const [id, { activeAtMs }] of this.#entries) {
      if (id >= FIRST_NAMED_ID) continue;
      idlest ??= id;
      if (nowMs - activeAtMs <= this.#expiryMs) break;
      this.#forget(id);
    }
    if (idlest !== undefined && this.#entries.size >= this.#maxProducers) this.#forget(idlest);
  }

  #tooManyNames(): LogError {
    return new LogError(
      "CONFLICT",
      `Cannot append to shard ${this.#shard}: it has ${this.#named} named producers, which are never forgotten; use one of their ` +
        "names again",
      { shard: this.#shard },
    );
  }

  #conflict(reason: ConflictReason, batch: ProducerOfBatch, expected: number, actual: number): LogError {
    const who = `batch of producer ${batch.id}, epoch ${batch.epoch}, to shard ${this.#shard}`;
    const why = reason === "INVALID_PRODUCER_EPOCH"
      ? `epoch ${expected} of it has written since; only that one may go on`
      : reason === "DUPLICATE_SEQUENCE_NUMBER"
      ? `its sequence ${actual} lies in front of the last five batches, ${expected} is next; do not send again what was acknowledged`
      : `its sequence is ${actual}, expected ${expected}; send the batches in order, each once or as it was`;
    return new LogError("CONFLICT", `Cannot append a ${who}: ${why}`, {
      shard: this.#shard,
      reason,
      expected,
      actual,
    });
  }
}
