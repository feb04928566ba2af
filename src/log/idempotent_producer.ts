/**
 * The named producers of an open log.
 *
 * @module
 */
import { LogError } from "../errors.ts";
import { FIRST_NAMED_ID } from "../idempotence/producer_states.ts";
import type { Rung } from "../options.ts";
import type { ReadOnlyShard } from "../shard/read_only_shard.ts";
import type { ShardWriter } from "../shard/shard_writer.ts";
import type { Clock } from "../vfs.ts";
import { writable } from "./conditional_append.ts";
import type { IdempotentOptions, IdempotentProducer } from "./idempotent_types.ts";
import { checkSequence, NamedProducer, type NumberedShard } from "./named_producer.ts";

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

/** See above. */
export class NamedProducers {
  readonly #clock: Pick<Clock, "now">;
  readonly #durability: Rung;
  readonly #names = new Map<number, string>();

  constructor(clock: Pick<Clock, "now">, durability: Rung) {
    this.#clock = clock;
    this.#durability = durability;
  }

  /**
   * A producer of this name, once it is known what was written under it.
   *
   * @param shardOf Called once the name and the options are found to be right.
   */
  async open<T>(
    shardOf: () => NumberedShard<T>,
    name: string,
    { firstSequence }: IdempotentOptions,
  ): Promise<IdempotentProducer> {
    if (typeof name !== "string" || name === "" || name.length > MAX_NAME_LENGTH) {
      throw new TypeError(`Cannot make a producer: its name must be a text of 1 to ${MAX_NAME_LENGTH} characters`);
    }
    if (firstSequence !== undefined) checkSequence("firstSequence", firstSequence);
    const shard = shardOf();
    const id = producerIdOf(name);
    const other = this.#names.get(id);
    if (other !== undefined && other !== name) {
      throw new LogError(
        "CONFLICT",
        `Cannot make a producer: "${name}" has the same id as "${other}", ${id}; choose another name`,
      );
    }
    await shard.load(id, name, firstSequence !== undefined);
    this.#names.set(id, name);
    return new NamedProducer(shard, name, id, firstSequence ?? 0, this.#clock, this.#durability);
  }
}

/** A shard of an embedded log, for named producers. */
export function numberedShard(anyShard: ShardWriter | ReadOnlyShard): NumberedShard<number> {
  const shard = writable(anyShard);
  return {
    id: shard.id,
    writable: (options) => shard.writable(options),
    load: (id, name, isTold) => load(shard, id, name, isTold),
    last: (id) => shard.producers.last(id),
    take: (batch) => shard.tryAppendBatch(batch),
    offsetOf: (offset) => offset,
    acknowledged: async (offset, count, rung, options) => {
      await shard.acknowledged(offset + count - 1, rung, options);
      return offset;
    },
  };
}

async function load(shard: ShardWriter, id: number, name: string, isTold: boolean): Promise<void> {
  await shard.producers.load();
  if (shard.producers.last(id) !== undefined || shard.producers.isComplete || isTold) return;
  throw new LogError(
    "CORRUPT_FILE",
    `Cannot make a producer: shard ${shard.id} begins behind offset 0 and its snapshots of producers are missing or damaged, so ` +
      `nobody can tell whether "${name}" has written; give firstSequence, the number of its next record`,
    { shard: shard.id },
  );
}
