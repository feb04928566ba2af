/**
 * What a shard has beside its buffer once other threads append to it.
 *
 * @module
 */
import type { ClaimBlock } from "../claims/claim_block.ts";
import type { Chunk } from "./chunk.ts";
import type { ClaimQueue } from "./claim_queue.ts";
import type { OwnClaims } from "./own_claims.ts";

/** The claims of this thread and of all others. */
export class SharedAppends {
  readonly claims: ClaimBlock;
  readonly own: OwnClaims;
  readonly queue: ClaimQueue;

  constructor(claims: ClaimBlock, own: OwnClaims, queue: ClaimQueue) {
    this.claims = claims;
    this.own = own;
    this.queue = queue;
  }

  /** Exclusive end of the claimed offsets. */
  get end(): number {
    return this.claims.offsetOf(this.claims.load());
  }

  get sealedEnd(): number {
    return this.queue.readyEnd;
  }

  /** Answers the chunks of this thread that will not be written. */
  discard(): Chunk[] {
    return this.queue.discard();
  }
}
