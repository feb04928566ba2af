/**
 * What the producers of other threads ask of a shard, whatever it writes to.
 *
 * @module
 */
import type { ClaimBlock } from "../claims/claim_block.ts";
import type { ProducerMemory } from "../claims/producer_memory.ts";
import type { LogError } from "../errors.ts";

/** What a shard needs to know of the log's producers. */
export interface SharingContext {
  /** How long a claim may stay unpublished, in milliseconds. */
  readonly leaseMs: () => number;
  readonly producer: (id: number) => ProducerMemory | undefined;
  /** Something moved that producers wait for. */
  readonly progressed: () => void;
  /** A producer was locked out. */
  readonly onInvalid: (error: LogError) => void;
}

/** A shard's side of its producers. */
export interface Shared {
  readonly claims: ClaimBlock;
  /** Nothing is claimed that was not taken over. */
  readonly queue: { readonly isSettled: boolean };
}

/** A shard that other threads may append to. */
export interface Shareable {
  readonly id: number;
  /** Lets producers append beside the log's own thread; again: the same answer. Throws where nothing is taken any more. */
  share(context: SharingContext): Shared;
  /** Looks for what producers have published. */
  readonly collect: () => void;
}
