/**
 * Named producers: number the records of one source, so that each is written once whatever happens in between.
 *
 * @module
 */
import { BatchBuilder } from "../batch/batch_builder.ts";
import { MAX_SHARED_BATCH_BYTES } from "../batch/format.ts";
import { MAX_PRODUCER_EPOCH, SEQUENCES } from "../batch/producer_fields.ts";
import type { RecordInput } from "../batch/record_input.ts";
import { type ConflictReason, LogError } from "../errors.ts";
import { FIRST_NAMED_ID } from "../idempotence/producer_states.ts";
import type { Rung } from "../options.ts";
import type { BACKPRESSURE } from "../shard/shard_types.ts";
import type { ReadOnlyShard } from "../shard/read_only_shard.ts";
import type { ShardWriter } from "../shard/shard_writer.ts";
import type { Clock } from "../vfs.ts";
import { AppendQueue } from "./append_queue.ts";
import { writable } from "./conditional_append.ts";
import type {
  IdempotentAppendOptions,
  IdempotentOptions,
  IdempotentProducer,
  SequenceOptions,
} from "./idempotent_types.ts";

const MAX_NAME_LENGTH = 1024;
const HASH_BITS = 52n;

/** A name's producer id: 2^52 + the upper 52 bits of FNV-1a (64 bits) over its UTF-8 bytes, mixed as murmur3 does at its end. */
export function producerIdOf(name: string): number {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(name)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  hash = BigInt.asUintN(64, (hash ^ (hash >> 33n)) * 0xff51afd7ed558ccdn);
  hash = BigInt.asUintN(64, (hash ^ (hash >> 33n)) * 0xc4ceb9fe1a85ec53n);
  hash ^= hash >> 33n;
  return FIRST_NAMED_ID + Number(hash >> (64n - HASH_BITS));
}

/** The named producers of an open log. */
export class NamedProducers {
  readonly #clock: Clock;
  readonly #durability: Rung;
  readonly #names = new Map<number, string>();

  constructor(clock: Clock, durability: Rung) {
    this.#clock = clock;
    this.#durability = durability;
  }

  /** A producer of this name, once it is known what was written under it. */
  async open(
    anyShard: ShardWriter | ReadOnlyShard,
    name: string,
    { firstSequence }: IdempotentOptions,
  ): Promise<IdempotentProducer> {
    if (typeof name !== "string" || name === "" || name.length > MAX_NAME_LENGTH) {
      throw new TypeError(`Cannot make a producer: its name must be a text of 1 to ${MAX_NAME_LENGTH} characters`);
    }
    if (firstSequence !== undefined) checkSequence("firstSequence", firstSequence);
    const shard = writable(anyShard);
    const id = producerIdOf(name);
    const other = this.#names.get(id);
    if (other !== undefined && other !== name) {
      throw new LogError(
        "CONFLICT",
        `Cannot make a producer: "${name}" has the same id as "${other}", ${id}; choose another name`,
      );
    }
    await shard.producers.load();
    if (shard.producers.last(id) === undefined && !shard.producers.isComplete && firstSequence === undefined) {
      throw new LogError(
        "CORRUPT_FILE",
        `Cannot make a producer: shard ${shard.id} begins behind offset 0 and its snapshots of producers are missing or damaged, so ` +
          `nobody can tell whether "${name}" has written; give firstSequence, the number of its next record`,
        { shard: shard.id },
      );
    }
    this.#names.set(id, name);
    return new NamedProducer(shard, name, id, firstSequence ?? 0, this.#clock, this.#durability);
  }
}

class NamedProducer implements IdempotentProducer {
  readonly name: string;
  readonly id: number;
  readonly #shard: ShardWriter;
  readonly #firstSequence: number;
  readonly #clock: Clock;
  readonly #durability: Rung;
  readonly #queue: AppendQueue;

  constructor(shard: ShardWriter, name: string, id: number, firstSequence: number, clock: Clock, durability: Rung) {
    this.name = name;
    this.id = id;
    this.#shard = shard;
    this.#firstSequence = firstSequence;
    this.#clock = clock;
    this.#durability = durability;
    this.#queue = new AppendQueue(shard);
  }

  get shard(): number {
    return this.#shard.id;
  }

  get nextSequence(): number {
    const last = this.#shard.producers.last(this.id);
    return last === undefined ? this.#firstSequence : last.epoch * SEQUENCES + last.lastSequence + 1;
  }

  get lastSequence(): number {
    return this.nextSequence - 1;
  }

  get lastOffset(): number {
    return this.#shard.producers.last(this.id)?.lastOffset ?? -1;
  }

  tryAppend(
    records: RecordInput | readonly RecordInput[],
    options: SequenceOptions = {},
  ): number | typeof BACKPRESSURE {
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
    return this.#shard.tryAppendBatch(this.#pack(all, epoch, number % SEQUENCES));
  }

  async append(
    records: RecordInput | readonly RecordInput[],
    options: IdempotentAppendOptions = {},
  ): Promise<{ shard: number; offset: number }> {
    options.signal?.throwIfAborted();
    const taken = this.#queue.run(() => this.tryAppend(records, options), options.signal);
    const offset = typeof taken === "number" ? taken : await taken;
    const last = offset + (Array.isArray(records) ? records.length : 1) - 1;
    await this.#shard.acknowledged(last, options.durability ?? this.#durability, options);
    return { shard: this.#shard.id, offset };
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

function checkSequence(what: string, value: number): void {
  const end = (MAX_PRODUCER_EPOCH + 1) * SEQUENCES;
  if (Number.isSafeInteger(value) && value >= 0 && value < end) return;
  throw new RangeError(`Cannot append: ${what} must be a whole number from 0 to ${end - 1}, not ${String(value)}`);
}
