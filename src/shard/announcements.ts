/**
 * Tells everybody who waits how far a shard has come: callers, readers, producers in other threads.
 *
 * @module
 */
import type { Failure } from "../claims/claim_block.ts";
import type { Rung } from "../options.ts";
import type { ShardSharing } from "./shard_sharing.ts";
import { OffsetWaiters } from "./waiters.ts";

/** See above. */
export class Announcements {
  /** There once other threads append to the shard, too. */
  sharing: ShardSharing | undefined = undefined;
  readonly #written = new OffsetWaiters();
  readonly #synced = new OffsetWaiters();
  readonly #listeners = new Set<() => void>();

  /** Calls `listener` after every commit and when the shard stops, until the answer is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves once `end` is announced for a rung. */
  wait(end: number, rung: Rung, signal?: AbortSignal): Promise<void> {
    return (rung === "disk" ? this.#synced : this.#written).wait(end, signal);
  }

  /** A commit is done; a sync beside the commits may have come further, too. */
  reached(written: number, synced: number): void {
    this.#written.reach(written);
    this.sharing?.written(written);
    this.synced(synced);
    this.#wake();
  }

  synced(end: number): void {
    this.#synced.reach(end);
    this.sharing?.synced(end);
  }

  /** Nothing more will be announced. */
  stop(failure: Failure): void {
    this.sharing?.stop(failure);
    this.#written.fail(failure.now);
    this.#synced.fail(failure.now);
    this.#wake();
  }

  #wake(): void {
    for (const listener of this.#listeners) listener();
  }
}
