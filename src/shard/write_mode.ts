/**
 * Chooses for each body whether it goes through the page cache or past it.
 *
 * @module
 */
import type { DirectIo } from "../options.ts";
import type { Clock } from "../vfs.ts";

/** How a body is written. */
export type WriteMode = "cached" | "direct";

/**
 * Smaller bodies always go through the page cache, if there is a choice: a direct write takes the disk's own time, 100 µs and
 * more, whatever its size.
 */
const MIN_DIRECT_BYTES = 256 * 1024;
/** A mode is judged by so many bytes: less would often be chance. Bodies that were begun in the other mode are not counted. */
const WINDOW_BYTES = 128 * 1024 * 1024;
/** On trial it is by so many: a slower mode should not be met for long. */
const TRIAL_BYTES = 32 * 1024 * 1024;
/**
 * After so many bytes the other mode is tried; after twice as many again where that changed nothing. A burst is over by then: the page
 * cache has its best time at the beginning, and a trial would only cost some of it.
 */
const FIRST_TRIAL_BYTES = 1024 * 1024 * 1024;
const LAST_TRIAL_BYTES = 8 * 1024 * 1024 * 1024;
/** A mode has to be so much faster for a change. */
const ADVANTAGE = 1.2;
/** A mode that falls below this part of its own best is compared with the other one at once: it may be throttled by now. */
const DECLINE = 0.6;

/**
 * Measures both modes while the disk is busy and keeps to the faster one: the page cache takes a burst at the speed of memory, and
 * is throttled once too much of it waits for the disk; direct writes run at the speed of the disk all the time, with a fraction of
 * the processor's. Where writes are synced before they are acknowledged, nothing is gained by the page cache.
 */
export class WriteModeChoice {
  readonly #clock: Clock;
  readonly #isAdaptive: boolean;
  readonly #minBytes: number;
  #mode: WriteMode;
  /** Bytes a millisecond, as last seen. */
  readonly #speed: Record<WriteMode, number | undefined> = { cached: undefined, direct: undefined };
  /** The best of the current mode since it was chosen. */
  #best = 0;
  #isRefused = false;
  /** The current mode is on trial: the other one did better before, or was not measured yet. */
  #isTrial = false;
  #trialBytes = FIRST_TRIAL_BYTES;
  #sinceTrial = 0;
  #inFlight = 0;
  #busySinceMs = 0;
  #busyMs = 0;
  #windowBytes = 0;

  constructor(clock: Clock, directIo: DirectIo, isSynced: boolean) {
    this.#clock = clock;
    this.#isAdaptive = directIo === "auto" && !isSynced;
    this.#mode = directIo === true || (directIo === "auto" && isSynced) ? "direct" : "cached";
    this.#minBytes = directIo === true ? 0 : MIN_DIRECT_BYTES;
    this.#isRefused = directIo === false;
  }

  /** The mode for a body of so many bytes. */
  choose(bytes: number): WriteMode {
    return this.#isRefused || bytes < this.#minBytes ? "cached" : this.#mode;
  }

  /** The file system has no direct writes. */
  refuse(): void {
    this.#isRefused = true;
  }

  /** A body begins to be written. */
  begun(): void {
    if (this.#inFlight++ === 0) this.#busySinceMs = this.#clock.monotonic();
  }

  /** A body was written, in the mode that was chosen for it. */
  ended(bytes: number, mode: WriteMode): void {
    const nowMs = this.#clock.monotonic();
    this.#inFlight--;
    if (!this.#isAdaptive || this.#isRefused || bytes < this.#minBytes) return;
    if (mode !== this.#mode) {
      this.#busySinceMs = nowMs;
      return;
    }
    this.#busyMs += nowMs - this.#busySinceMs;
    this.#busySinceMs = nowMs;
    this.#windowBytes += bytes;
    this.#sinceTrial += bytes;
    if (this.#windowBytes >= (this.#isTrial ? TRIAL_BYTES : WINDOW_BYTES) && this.#busyMs > 0) this.#judge();
  }

  #judge(): void {
    const mode = this.#mode;
    const other: WriteMode = mode === "cached" ? "direct" : "cached";
    this.#speed[mode] = this.#windowBytes / this.#busyMs;
    this.#windowBytes = 0;
    this.#busyMs = 0;
    const own = this.#speed[mode]!;
    const others = this.#speed[other];
    this.#best = Math.max(this.#best, own);
    if (this.#isTrial) {
      this.#isTrial = false;
      this.#sinceTrial = 0;
      if (others === undefined || own >= others * ADVANTAGE) this.#trialBytes = FIRST_TRIAL_BYTES;
      else {
        this.#turnTo(other);
        this.#trialBytes = Math.min(this.#trialBytes * 2, LAST_TRIAL_BYTES);
      }
      return;
    }
    const isWorse = own < this.#best * DECLINE && (others === undefined || others > own * ADVANTAGE);
    if (isWorse || this.#sinceTrial >= this.#trialBytes) {
      this.#turnTo(other);
      this.#isTrial = true;
    }
  }

  #turnTo(mode: WriteMode): void {
    this.#mode = mode;
    this.#best = 0;
  }
}
