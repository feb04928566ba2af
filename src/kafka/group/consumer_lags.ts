/**
 * How far the consumers of this program are behind, from what was looked at last: nobody is asked.
 *
 * @module
 */
import type { ConsumerStats } from "../../log/stats.ts";

interface Place {
  readonly owner: object;
  readonly committed: number;
}

/** See above. */
export class ConsumerLags {
  /** By name of the consumer and shard. What a member had that was closed stays: nobody else in this program has it. */
  readonly #places = new Map<string, Map<number, Place>>();
  /** Ends of shards. */
  readonly #ends = new Map<number, number>();

  /** A member has these shards, and no others any more; by shard, the next offset that is committed. */
  has(owner: object, name: string, committed: ReadonlyMap<number, number>): void {
    const places = this.#places.get(name) ?? new Map<number, Place>();
    for (const [shard, place] of places) if (place.owner === owner && !committed.has(shard)) places.delete(shard);
    for (const [shard, next] of committed) places.set(shard, { owner, committed: Math.max(0, next) });
    this.#places.set(name, places);
  }

  /** A shard was seen to end there. */
  ended(shard: number, end: number): void {
    if (end > (this.#ends.get(shard) ?? 0)) this.#ends.set(shard, end);
  }

  /** As `stats()` tells it, with the ends that writers know of. */
  stats(written: readonly number[]): ConsumerStats[] {
    return [...this.#places].sort(([a], [b]) => a < b ? -1 : 1).flatMap(([consumer, places]) =>
      [...places].sort(([a], [b]) => a - b).map(([shard, { committed }]) => {
        const end = Math.max(this.#ends.get(shard) ?? 0, written[shard] ?? 0);
        return { consumer, shard, committed, lag: Math.max(0, end - committed) };
      })
    );
  }
}
