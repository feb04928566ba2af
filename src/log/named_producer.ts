/**
 * Numbers the records of one source, so that each is written once whatever happens in between.
 *
 * @module
 */
import { BatchBuilder } from "../batch/batch_builder.ts";
import { MAX_SHARED_BATCH_BYTES } from "../batch/format.ts";
import { MAX_PRODUCER_EPOCH, SEQUENCES } from "../batch/producer_fields.ts";
import type { RecordInput } from "../batch/record_input.ts";
import { type ConflictReason, LogError } from "../errors.ts";
import type { TakenBatch } from "../idempotence/producer_states.ts";
import type { Rung, SignalOptions } from "../options.ts";
import { BACKPRESSURE, type Shard } from "../shard/shard_types.ts";
import type { Clock } from "../vfs.ts";
import { TurnQueue } from "./append_queue.ts";
import type { IdempotentAppendOptions, IdempotentProducer, SequenceOptions } from "./idempotent_types.ts";

/** A shard as named producers see it. `T`: what it says of a batch that it has taken. */
export interface NumberedShard<T> extends Pick<Shard, "id" | "writable"> {
  /**
   * Makes sure that it is known what a producer has written.
   *
   * @param isTold It is known by other means where a producer that never was here begins.
   * @throws {LogError} why it cannot be known.
   */
  load(producer: number, name: string, isTold: boolean): Promise<void>;
  /** The last batch of a producer; `undefined` where none is known. */
  last(producer: number): TakenBatch | undefined;
  /** Takes a batch, or says where it is already. */
  take(batch: Uint8Array): T | typeof BACKPRESSURE;
  /** The offset of its first record, as far as it is known. */
  offsetOf(taken: T): number;
  /** Waits until a batch of `count` records is acknowledged; answers the offset of the first one. */
  acknowledged(taken: T, count: number, rung: Rung, options: SignalOptions): Promise<number>;
}

/** See above. */
export class NamedProducer<T> implements IdempotentProducer {
  readonly name: string;
  readonly id: number;
  readonly #shard: NumberedShard<T>;
  readonly #firstSequence: number;
  readonly #clock: Pick<Clock, "now">;
  readonly #durability: Rung;
  readonly #queue: TurnQueue;

  constructor(
    shard: NumberedShard<T>,
    name: string,
    id: number,
    firstSequence: number,
    clock: Pick<Clock, "now">,
    durability: Rung,
  ) {
    this.name = name;
    this.id = id;
    this.#shard = shard;
    this.#firstSequence = firstSequence;
    this.#clock = clock;
    this.#durability = durability;
    this.#queue = new TurnQueue(shard);
  }

  get shard(): number {
    return this.#shard.id;
  }

  get nextSequence(): number {
    const last = this.#shard.last(this.id);
    return last === undefined ? this.#firstSequence : last.epoch * SEQUENCES + last.lastSequence + 1;
  }

  get lastSequence(): number {
    return this.nextSequence - 1;
  }

  get lastOffset(): number {
    return this.#shard.last(this.id)?.lastOffset ?? -1;
  }

  tryAppend(
    records: RecordInput | readonly RecordInput[],
    options: SequenceOptions = {},
  ): number | typeof BACKPRESSURE {
    const taken = this.#take(records, options);
    return taken === BACKPRESSURE ? BACKPRESSURE : this.#shard.offsetOf(taken);
  }

  async append(
    records: RecordInput | readonly RecordInput[],
    options: IdempotentAppendOptions = {},
  ): Promise<{ shard: number; offset: number }> {
    options.signal?.throwIfAborted();
    const attempt = this.#queue.run(() => this.#take(records, options), options.signal);
    const taken = attempt instanceof Promise ? await attempt : attempt;
    const count = Array.isArray(records) ? records.length : 1;
    const offset = await this.#shard.acknowledged(taken, count, options.durability ?? this.#durability, options);
    return { shard: this.#shard.id, offset };
  }

  #take(records: RecordInput | readonly RecordInput[], options: SequenceOptions): T | typeof BACKPRESSURE {
    const all = Array.isArray(records) ? records as readonly RecordInput[] : [records as RecordInput];
    const next = this.nextSequence;
    const number = options.sequence ?? next;
    checkSequence("sequence", number);
    const epoch = Math.floor(number / SEQUENCES);
    const left = (epoch + 1) * SEQUENCES - number;
    if (all.length > left) {
      throw new RangeError(
        `Cannot append ${all.length} records: number ${
          number + left
        } begins a new epoch; append the first ${left} on their own`,
      );
    }
    if (number > next) throw this.#conflict("OUT_OF_ORDER_SEQUENCE_NUMBER", next, number);
    if (epoch < Math.floor((next - 1) / SEQUENCES)) throw this.#conflict("DUPLICATE_SEQUENCE_NUMBER", next, number);
    return this.#shard.take(this.#pack(all, epoch, number % SEQUENCES));
  }

  #pack(records: readonly RecordInput[], epoch: number, sequence: number): Uint8Array {
    const batch = new BatchBuilder({ maxBytes: MAX_SHARED_BATCH_BYTES, producer: { id: this.id, epoch, sequence } });
    for (const record of records) {
      const isTimed = typeof record !== "object" || record === null || record.timestamp !== undefined;
      if (batch.add(isTimed ? record : { ...record, timestamp: this.#clock.now() })) continue;
      throw new RangeError(
        `Cannot append ${records.length} records: they take more than ${MAX_SHARED_BATCH_BYTES} bytes; append the first ` +
          `${batch.count} on their own`,
      );
    }
    return batch.finish();
  }

  #conflict(reason: ConflictReason, expected: number, actual: number): LogError {
    const why = actual > expected ? "records in front of it are missing" : "it was written long ago";
    return new LogError(
      "CONFLICT",
      `Cannot append record ${actual} of producer "${this.name}" to shard ${this.shard}: ${why}; the next one is ${expected}`,
      { shard: this.shard, reason, expected, actual },
    );
  }
}

/** Throws where a number of a record is none. */
export function checkSequence(what: string, value: number): void {
  const end = (MAX_PRODUCER_EPOCH + 1) * SEQUENCES;
  if (Number.isSafeInteger(value) && value >= 0 && value < end) return;
  throw new RangeError(`Cannot append: ${what} must be a whole number from 0 to ${end - 1}, not ${String(value)}`);
}
