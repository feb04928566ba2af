/**
 * The loop of a shard that writes and syncs until nothing asked for is left.
 *
 * @module
 */
import type { Announcements } from "./announcements.ts";
import type { Committer } from "./committer.ts";
import type { Room } from "./room.ts";
import type { ShardState } from "./shard_types.ts";
import type { WriteQueue } from "./write_queue.ts";

/** What the loop needs of its shard. */
export interface LoopShard {
  /** Exclusive end of the offsets handed out. */
  readonly nextOffset: number;
  /** Seals what is open and asks for it to be written. */
  requestFlush(): void;
  readonly state: ShardState;
  /** A write or a sync failed: the shard is poisoned. */
  failed(error: unknown): void;
}

interface Job {
  readonly run: () => Promise<void>;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** See above. At most one runs for a shard. */
export class CommitLoop {
  isRunning = false;
  /** Settles with the run under way, and never rejects. */
  done: Promise<void> = Promise.resolve();
  /** Exclusive ends that a flush and a sync were asked for. */
  #flushTarget: number;
  #syncTarget: number;
  readonly #shard: LoopShard;
  readonly #committer: Committer;
  readonly #queue: WriteQueue;
  readonly #room: Room;
  readonly #waiting: Announcements;
  #jobs: Job[] = [];

  constructor(
    shard: LoopShard,
    committer: Committer,
    queue: WriteQueue,
    room: Room,
    waiting: Announcements,
  ) {
    this.#shard = shard;
    this.#committer = committer;
    this.#queue = queue;
    this.#room = room;
    this.#waiting = waiting;
    this.#flushTarget = committer.written.nextOffset;
    this.#syncTarget = committer.synced.nextOffset;
  }

  get written(): number {
    return this.#committer.written.nextOffset;
  }

  get synced(): number {
    return this.#committer.synced.nextOffset;
  }

  /** Asks for everything up to an exclusive end to be written, and up to another one to be synced. */
  ask(flushEnd: number, syncEnd: number): void {
    if (flushEnd > this.#flushTarget) {
      this.#flushTarget = flushEnd;
      this.#committer.telemetry.flushes++;
    }
    this.#syncTarget = Math.max(this.#syncTarget, syncEnd);
    if (this.written < this.#flushTarget || this.synced < this.#syncTarget) this.#kick();
  }

  #kick(): void {
    if (this.#shard.state !== "open") return;
    if (this.isRunning) return this.#queue.writeAhead();
    this.isRunning = true;
    this.done = this.#run();
  }

  /** Runs something else on the shard's files, between two commits. Its failure poisons the shard as theirs does. */
  between(run: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#jobs.push({ run, resolve, reject });
      this.#kick();
    });
  }

  /** Commits and syncs until nothing asked for is left. Never rejects: a failure poisons the shard. */
  async #run(): Promise<void> {
    try {
      for (;;) {
        for (let job = this.#jobs[0]; job !== undefined; job = this.#jobs[0]) {
          await job.run();
          this.#jobs.shift();
          // The first step of an opening syncs what it found.
          this.#waiting.synced(this.synced);
          job.resolve();
        }
        if (this.written < this.#flushTarget) {
          await this.#queue.commitNext(this.#published);
          this.#queue.writeAhead();
          this.#room.freed();
        }
        // A sync between two writes, not after all of them: its waiters do not wait for those who came later.
        if (this.synced < this.#syncTarget && this.synced < this.written) {
          // What was written meanwhile goes along.
          while (this.#queue.isNextReady) await this.#queue.commitNext(this.#published);
          this.#queue.writeAhead();
          this.#room.freed();
          await this.#committer.begin();
          await this.#committer.sync();
          this.#waiting.synced(this.synced);
        } else if (this.written >= this.#flushTarget && this.#jobs.length === 0) {
          if (!this.#room.isAwaited || this.written === this.#shard.nextOffset) break;
          // Who waits for room waits for what is taken and not yet asked to be written, too.
          this.#shard.requestFlush();
          if (this.written >= this.#flushTarget) break;
        }
      }
      this.isRunning = false;
    } catch (error) {
      this.isRunning = false;
      this.#shard.failed(error);
      for (const job of this.#jobs.splice(0)) job.reject(error);
      await this.#queue.drain();
      this.#room.freed();
    }
  }

  readonly #published = (): void => this.#waiting.reached(this.written, this.synced);
}
