/**
 * A shard's side of its producers in other threads.
 *
 * @module
 */
import { ClaimBlock, type Failure } from "../claims/claim_block.ts";
import type { AppendBuffer } from "./append_buffer.ts";
import { ClaimQueue } from "./claim_queue.ts";
import { OwnClaims } from "./own_claims.ts";
import type { ShardContext } from "./shard_context.ts";
import type { Shared, SharingContext } from "./shareable.ts";
import { SharedAppends } from "./shared_appends.ts";

export type { SharingContext } from "./shareable.ts";

/** Made when the first producer comes, and there until the shard stops. */
export class ShardSharing implements Shared {
  readonly claims: ClaimBlock;
  readonly queue: ClaimQueue;
  readonly #context: SharingContext;
  /** Everything is synced, whoever asks. */
  readonly #isDurable: boolean;

  /**
   * Turns a shard's buffer into a shared one.
   *
   * @param onDue Called when claims have to be looked at, as time has passed.
   */
  constructor(shard: ShardContext, buffer: AppendBuffer, synced: number, context: SharingContext, onDue: () => void) {
    this.#context = context;
    this.#isDurable = shard.durability === "disk";
    buffer.seal();
    const claims = ClaimBlock.create(buffer.nextOffset, shard.epoch, synced);
    this.claims = claims;
    const { batchBytes, flushBytes } = shard.limits;
    let queue: ClaimQueue | undefined;
    buffer.share((earlier, account) => {
      const own = new OwnClaims(claims, batchBytes, flushBytes, account, buffer.batches, shard.compressor);
      const { leaseMs, producer, onInvalid } = context;
      const options = { shard: shard.id, claims, own, clock: shard.clock, leaseMs, producer, onDue, onInvalid };
      queue = new ClaimQueue(options, earlier);
      return new SharedAppends(claims, own, queue);
    });
    this.queue = queue!;
  }

  /** Takes over what was published, and answers how far everything is there to be written. */
  collect(): number {
    this.queue.collect();
    return this.queue.readyEnd;
  }

  /** Exclusive end of what has to be synced. */
  get syncWanted(): number {
    return this.#isDurable ? this.queue.readyEnd : this.claims.syncWanted;
  }

  /** Whoever published what was written gets its slab back at once, and looks then. */
  written(end: number): void {
    this.claims.setReached("os", end);
  }

  synced(end: number): void {
    this.claims.setReached("disk", end);
    this.#context.progressed();
  }

  /** Producers take nothing for the moment, or take records again. */
  pause(isPaused: boolean): void {
    this.claims.isPaused = isPaused;
    this.#context.progressed();
  }

  /** Nobody claims any more; resolves once everything claimed is there to be written. */
  close(): Promise<void> {
    this.claims.close();
    return this.queue.settled();
  }

  stop(failure: Failure): void {
    this.claims.stop(failure);
    this.#context.progressed();
  }
}
