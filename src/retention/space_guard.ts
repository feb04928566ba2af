/**
 * Refuses appends while the disk is nearly full, so that no write ever fails for it.
 *
 * @module
 */
import type { End } from "../anchor/end.ts";
import { asLogError, LogError } from "../errors.ts";
import type { Clock, TimerHandle, Vfs } from "../vfs.ts";

/** How often free space is looked at while appends are refused, and at most while records are written slowly. */
const LOOK_MS = 1000;
const MIN_STEP_BYTES = 64 * 1024;
const MAX_STEP_BYTES = 16 * 1024 * 1024;

/** What is asked of a shard. */
export interface GuardedShard {
  readonly id: number;
  /** Where published data ends. */
  readonly end: End;
  /** Takes nothing from now on, or, with `undefined`, takes records again. What was taken is written. */
  refuse(error: LogError | undefined): void;
  onChange(listener: () => void): () => void;
}

/** One for all shards of a log: they write to one disk. Looks beside the appends, after so many bytes, and once a second. */
export class SpaceGuard {
  readonly #vfs: Vfs;
  readonly #clock: Clock;
  readonly #directory: string;
  readonly #minFreeBytes: number;
  /** What is taken and not written yet needs room, too. */
  readonly #budget: { readonly used: number };
  readonly #stepBytes: number;
  #shards: readonly GuardedShard[] = [];
  #bytes = 0;
  #lookedMs = -Infinity;
  #isLooking = false;
  #isRefusing = false;
  #isStopped = false;
  #timer: TimerHandle = undefined;

  constructor(vfs: Vfs, clock: Clock, directory: string, minFreeBytes: number, budget: { readonly used: number }) {
    this.#vfs = vfs;
    this.#clock = clock;
    this.#directory = directory;
    this.#minFreeBytes = minFreeBytes;
    this.#budget = budget;
    this.#stepBytes = Math.min(MAX_STEP_BYTES, Math.max(MIN_STEP_BYTES, Math.floor(minFreeBytes / 16)));
  }

  /**
   * Watches over shards.
   *
   * @throws {LogError} `UNSUPPORTED` where nobody can tell how much is free.
   */
  async guard(shards: readonly GuardedShard[]): Promise<void> {
    this.#shards = shards;
    let free: number;
    try {
      free = await this.#vfs.freeBytes(this.#directory);
    } catch (error) {
      const { message } = asLogError(error, "use minFreeBytes");
      throw new LogError("UNSUPPORTED", message, { file: this.#directory, cause: error });
    }
    this.#judge(free);
    for (const shard of shards) this.#follow(shard);
  }

  /** Looks no more. */
  stop(): void {
    this.#isStopped = true;
    this.#clock.clearTimer(this.#timer);
  }

  #follow(shard: GuardedShard): void {
    let last = shard.end;
    shard.onChange(() => {
      const { end } = shard;
      this.#bytes += end.segment === last.segment ? end.position - last.position : end.position;
      last = end;
      if (this.#bytes >= this.#stepBytes || this.#clock.monotonic() - this.#lookedMs >= LOOK_MS) void this.#look();
    });
  }

  async #look(): Promise<void> {
    if (this.#isLooking || this.#isStopped) return;
    this.#isLooking = true;
    try {
      const free = await this.#vfs.freeBytes(this.#directory);
      this.#isLooking = false;
      if (!this.#isStopped) this.#judge(free);
    } catch {
      // A file system that does not answer now changes nothing; it is asked again.
      this.#isLooking = false;
      this.#looked();
    }
  }

  #judge(free: number): void {
    const left = free - this.#budget.used;
    const isFull = left < this.#minFreeBytes;
    // Again while it lasts: a shard may have got producers in other threads meanwhile.
    if (isFull || this.#isRefusing) {
      this.#isRefusing = isFull;
      for (const shard of this.#shards) shard.refuse(isFull ? this.#error(shard.id, left) : undefined);
    }
    this.#looked();
  }

  #looked(): void {
    this.#bytes = 0;
    this.#lookedMs = this.#clock.monotonic();
    this.#clock.clearTimer(this.#timer);
    if (!this.#isRefusing || this.#isStopped) return;
    this.#timer = this.#clock.setTimer(() => void this.#look(), LOOK_MS, true);
  }

  #error(shard: number, left: number): LogError {
    return new LogError(
      "DISK_FULL",
      `Cannot append to shard ${shard}: ${
        Math.max(0, left)
      } bytes are free on the disk of ${this.#directory}, minFreeBytes asks for ` +
        `${this.#minFreeBytes}; free some space, appending goes on by itself then`,
      { shard, file: this.#directory },
    );
  }
}
