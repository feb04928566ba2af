/**
 * Moves a shard's log start: what lies below it is gone for good.
 *
 * @module
 */
import type { End } from "../anchor/end.ts";
import type { LogError } from "../errors.ts";
import type { Rung } from "../options.ts";
import { SegmentKeeper } from "../retention/segment_keeper.ts";
import type { CommitLoop } from "./commit_loop.ts";
import type { Committer } from "./committer.ts";
import type { ShardContext } from "./shard_context.ts";

/** What is asked of the shard. */
export interface TrimmedShard {
  readonly id: number;
  readonly earliest: number;
  readonly nextOffset: number;
  readonly written: number;
  readonly synced: number;
  readonly end: End;
  /** Why nothing may be begun any more; `undefined` while the shard works. */
  readonly refusal: LogError | undefined;
  /** The state could not be written or synced. */
  failed(error: unknown): void;
  requestFlush(): void;
  acknowledged(offset: number, rung: Rung): Promise<void>;
}

/** See above. One move at a time. */
export class Trimming {
  /** Drops what lies below the log start, and what retention does not keep. */
  readonly keeper: SegmentKeeper;
  readonly #shard: TrimmedShard;
  readonly #committer: Committer;
  readonly #loop: CommitLoop;
  #last: Promise<void> = Promise.resolve();

  constructor(
    shard: TrimmedShard,
    { clock, retention }: Pick<ShardContext, "clock" | "retention">,
    committer: Committer,
    loop: CommitLoop,
  ) {
    this.#shard = shard;
    this.#committer = committer;
    this.#loop = loop;
    const { vfs, directory, logId } = committer.place;
    this.keeper = new SegmentKeeper(vfs, clock, directory, logId, {
      id: shard.id,
      get earliest() {
        return shard.earliest;
      },
      get synced() {
        return shard.synced;
      },
      get end() {
        return shard.end;
      },
      moveStart: (offset) => this.moveStart(offset),
      entriesChanged: () => committer.entriesChanged(),
    }, retention);
  }

  /** See {@linkcode Shard.trimBefore}. */
  async before(offset: number): Promise<number> {
    const shard = this.#shard;
    if (!(Number.isSafeInteger(offset) && offset >= 0 && offset <= shard.nextOffset)) {
      throw new RangeError(
        `Cannot trim shard ${shard.id} before offset ${
          String(offset)
        }: give a whole number from 0 to ${shard.nextOffset}, ` +
          "its end",
      );
    }
    if (shard.refusal !== undefined) throw shard.refusal;
    if (offset > shard.earliest) {
      // Records that a power loss takes would give their offsets, below the log start, to others.
      if (offset > shard.written) shard.requestFlush();
      await shard.acknowledged(offset - 1, "disk");
      await this.moveStart(offset);
      await this.keeper.startMoved();
    }
    return shard.earliest;
  }

  /** Moves the log start up to `offset`, durably. Everything in front of it is synced already. */
  moveStart(offset: number): Promise<void> {
    const moved = this.#last.then(() => this.#move(offset));
    this.#last = moved.catch(() => {});
    return moved;
  }

  async #move(offset: number): Promise<void> {
    const committer = this.#committer;
    if (offset <= committer.state.logStart) return;
    await this.#between(() => committer.writeStart(offset));
    try {
      // Commits go on meanwhile.
      await committer.state.syncStart(offset);
    } catch (error) {
      this.#shard.failed(error);
      throw this.#shard.refusal ?? error;
    }
    // Into the other slot, too: one that rots must not bring an old log start back. Needs no sync of its own.
    if (this.#shard.refusal === undefined) await this.#between(() => committer.writeStart(offset));
  }

  async #between(run: () => Promise<void>): Promise<void> {
    const { refusal } = this.#shard;
    if (refusal !== undefined) throw refusal;
    try {
      await this.#loop.between(run);
    } catch (error) {
      throw this.#shard.refusal ?? error;
    }
  }
}
