/**
 * Which shard of a log takes which record.
 *
 * @module
 */
import type { BytesInput, RecordInput } from "../batch/record_input.ts";
import type { ReadOnlyShard } from "../shard/read_only_shard.ts";
import type { ShardState } from "../shard/shard_types.ts";
import type { ShardWriter } from "../shard/shard_writer.ts";
import { bytesOf } from "./key_bytes.ts";
import { shardOfKey } from "./partitioner.ts";

/** A shard of an open log. */
export type OpenShard = ShardWriter | ReadOnlyShard;

/** What choosing looks at. */
interface Choosable {
  readonly state: ShardState;
  /** Batches finished so far, where it takes records. */
  readonly batches?: number;
}

/** See above. */
export class ShardChoice<S extends Choosable = OpenShard> {
  readonly shards: readonly S[];
  /** Shard for records without a key, and how many batches it had finished when it became that. */
  #sticky = 0;
  #stickyBatches = 0;

  constructor(shards: readonly S[]) {
    this.shards = shards;
  }

  /**
   * A shard by number.
   *
   * @throws {RangeError} where there is none.
   */
  at(id: number): S {
    const shard = this.shards[id];
    if (shard === undefined) {
      throw new RangeError(`Cannot use shard ${String(id)}: this log has shards 0 to ${this.shards.length - 1}`);
    }
    return shard;
  }

  /** The one shard there is, or the one that is named. */
  named(id: number | undefined, what: string): S {
    if (id === undefined && this.shards.length > 1) {
      throw new TypeError(`Cannot ${what}: name its shard, this log has several`);
    }
    return this.at(id ?? 0);
  }

  ofKey(key: BytesInput): S {
    if (this.shards.length === 1 && (typeof key === "string" || key instanceof Uint8Array)) return this.shards[0];
    const bytes = bytesOf(key);
    return this.shards[shardOfKey(bytes, bytes.length, this.shards.length)];
  }

  /** Where `append` puts a record. */
  ofRecord(record: RecordInput): S {
    if (typeof record !== "object" || record === null) {
      throw new TypeError("Cannot append a record: it must be an object");
    }
    const { key } = record;
    return key === undefined || key === null ? this.#stickyShard() : this.ofKey(key);
  }

  /** A record without a key stays on one shard until a batch of it closes, then takes the next: larger batches. */
  #stickyShard(): S {
    const { shards } = this;
    const batches = (shard: S): number => shard.batches ?? 0;
    if (shards[this.#sticky].state !== "open" || batches(shards[this.#sticky]) !== this.#stickyBatches) {
      for (let step = 1; step <= shards.length; step++) {
        const next = (this.#sticky + step) % shards.length;
        if (shards[next].state === "open") {
          this.#sticky = next;
          break;
        }
      }
      this.#stickyBatches = batches(shards[this.#sticky]);
    }
    return shards[this.#sticky];
  }
}
