/**
 * A member of a group as the consumer sees it, on whatever thread: which shards it has, and how it commits.
 *
 * @module
 */

/** A shard that a member has. */
export interface Grant {
  readonly shard: number;
  /** Tells it from every other grant of the group. */
  readonly id: number;
  /** First offset to deliver. */
  readonly from: number;
  /** Somebody else is to have it: nothing more of it is delivered, and it is given back once what was delivered is committed. */
  isRevoked: boolean;
}

/** One shard of a commit. */
export interface CommitEntry {
  readonly shard: number;
  /** Under which grant. */
  readonly grant: number;
  /** Offset of the next record to read. */
  readonly next: number;
}

/** See above. */
export interface Membership {
  /** Joins the group, if it has not. */
  join(): Promise<void>;
  /** Somebody is reading, or not any more. */
  setActive(isActive: boolean): void;
  /** Moves on whenever the grants may have changed. */
  readonly version: number;
  readonly grants: ReadonlyMap<number, Grant>;
  /** Next offsets by shard, as committed by whoever has them. Empty before it has joined. */
  readonly committed: readonly number[];
  /**
   * Commits.
   *
   * @throws {LogError} `CONFLICT` where a grant is not valid any more: the rest is committed.
   */
  commit(entries: readonly CommitEntry[]): Promise<void>;
  /** Gives a shard back. */
  release(grant: Grant): void;
  /** The log is closed. */
  readonly isOver: boolean;
  /** Calls `listener` whenever the version moves on, or it is over, until the answer is called. */
  onChange(listener: () => void): () => void;
  leave(): Promise<void>;
}
