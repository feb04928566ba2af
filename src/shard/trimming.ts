/**
 * Moves a shard's log start: what lies below it is gone for good.
 *
 * @module
 */
import type { End } from "../anchor/end.ts";
import { asLogError, LogError } from "../errors.ts";
import type { ShardProducers } from "../idempotence/shard_producers.ts";
import type { Rung } from "../options.ts";
import { listBases } from "../recovery/inventory.ts";
import { type KeptShard, SegmentKeeper } from "../retention/segment_keeper.ts";
import { firstKept } from "../segment/log_start.ts";
import type { CommitLoop } from "./commit_loop.ts";
import type { UserTrims } from "../retention/user_trims.ts";
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
  readonly producers: ShardProducers;
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
  readonly #trims: UserTrims;
  #last: Promise<void> = Promise.resolve();

  constructor(
    shard: TrimmedShard,
    { clock, retention, trims }: Pick<ShardContext, "clock" | "retention" | "trims">,
    committer: Committer,
    loop: CommitLoop,
  ) {
    this.#shard = shard;
    this.#committer = committer;
    this.#loop = loop;
    this.#trims = trims;
    const { vfs, directory, logId } = committer.place;
    const kept = new Kept(shard, committer, this, () => this.#between(() => committer.begin()));
    this.keeper = new SegmentKeeper(vfs, clock, directory, logId, kept, retention);
  }

  /** See {@linkcode Shard.trimBefore}. */
  async before(offset: number): Promise<number> {
    const shard = this.#shard;
    await this.#reached(offset, shard.earliest);
    if (offset > shard.earliest) {
      await this.#keepProducers(offset);
      await this.moveStart(offset);
      await this.keeper.startMoved();
    }
    return shard.earliest;
  }

  /** Hides a user's records below `offset`. */
  async user(key: Uint8Array, offset: number): Promise<void> {
    const committer = this.#committer;
    const trims = this.#trims;
    const floor = Math.max(trims.trimOf(key), this.#shard.earliest);
    await this.#reached(offset, floor);
    if (offset <= floor) return;
    await trims.trim(key, offset, () => committer.state.logStart, async (from, to) => {
      // A file that was not renamed has changed nothing: that alone poisons no shard.
      let refused: unknown;
      await this.#between(async () => {
        await committer.begin();
        await committer.checkOwner();
        try {
          await committer.place.vfs.rename(from, to);
        } catch (error) {
          refused = error;
          return;
        }
        await committer.syncDirectory();
        await committer.state.noteTrims();
      });
      if (refused !== undefined) throw refused;
    });
  }

  /** Checks an offset, and syncs what is in front of it: an offset that a power loss frees is given to another record. */
  async #reached(offset: number, known: number): Promise<void> {
    const shard = this.#shard;
    const { id, nextOffset } = shard;
    if (!(Number.isSafeInteger(offset) && offset >= 0 && offset <= nextOffset)) {
      throw new RangeError(
        `Cannot trim shard ${id} before offset ${String(offset)}: give a whole number from 0 to ${nextOffset}, its end`,
      );
    }
    if (shard.refusal !== undefined) throw shard.refusal;
    if (offset <= known) return;
    if (offset > shard.written) shard.requestFlush();
    await shard.acknowledged(offset - 1, "disk");
  }

  /** What the segments in front of `offset` say of producers is kept. Where they are damaged nobody can, and they go nevertheless. */
  async #keepProducers(offset: number): Promise<void> {
    const shard = this.#shard;
    const { vfs, directory } = this.#committer.place;
    try {
      const bases = await listBases(vfs, directory);
      const first = firstKept(bases, offset);
      if (first === 0) return;
      const end = await shard.producers.keep(bases[first], shard);
      if (end > shard.synced) await shard.acknowledged(end - 1, "disk");
    } catch (error) {
      if (!(error instanceof LogError && error.code === "CORRUPT_BATCH")) {
        throw asLogError(error, `trim shard ${shard.id}`);
      }
    }
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
    await this.#write(offset);
    // Into the other slot, too: one that rots must not bring an old log start back.
    await this.#write(offset);
  }

  async #write(offset: number): Promise<void> {
    await this.#between(() => this.#committer.writeStart(offset));
    try {
      await this.#committer.state.startSynced;
    } catch (error) {
      this.#shard.failed(error);
      throw this.#shard.refusal ?? error;
    }
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

/** The shard as its keeper sees it. A class: getters of an object literal give every one of them a shape of its own. */
class Kept implements KeptShard {
  readonly id: number;
  readonly #shard: TrimmedShard;
  readonly #committer: Committer;
  readonly #trimming: Trimming;
  readonly #begin: () => Promise<void>;

  constructor(shard: TrimmedShard, committer: Committer, trimming: Trimming, begin: () => Promise<void>) {
    this.id = shard.id;
    this.#shard = shard;
    this.#committer = committer;
    this.#trimming = trimming;
    this.#begin = begin;
  }

  get earliest(): number {
    return this.#shard.earliest;
  }

  get synced(): number {
    return this.#shard.synced;
  }

  get end(): End {
    return this.#shard.end;
  }

  moveStart(offset: number): Promise<void> {
    return this.#trimming.moveStart(offset);
  }

  async keepProducers(base: number): Promise<number> {
    const shard = this.#shard;
    const end = await shard.producers.keep(base, shard);
    // What an earlier opening has written becomes durable with the first step of this one.
    if (end > shard.synced) await this.#begin();
    return end;
  }

  dropped(): void {
    this.#committer.telemetry.segments--;
  }

  entriesChanged(): void {
    this.#committer.entriesChanged();
  }
}
