/**
 * Chooses for each body whether it goes through the page cache or past it.
 *
 * @module
 */
import type { DirectIo } from "../options.ts";
import type { Clock } from "../vfs.ts";
import { KnownDisk, type WriteMode } from "./known_disk.ts";

/**
 * Smaller bodies always go through the page cache, if there is a choice: a direct write takes the disk's own time, 100 µs and
 * more, whatever its size.
 */
const MIN_DIRECT_BYTES = 256 * 1024;
/** Speeds are taken over so many bytes: over fewer they would often be chance. Bodies begun in the other mode are not counted. */
const WINDOW_BYTES = 128 * 1024 * 1024;
/** On trial it is fewer: a slower mode should not be met for long, and its best window counts. */
const TRIAL_WINDOW_BYTES = 32 * 1024 * 1024;
const TRIAL_BYTES = 128 * 1024 * 1024;
/** Direct writes have to be so much faster to be kept. */
const ADVANTAGE = 1.2;
/** A mode has slowed down where it falls below this part of its own best. */
const DECLINE = 0.6;
/** Once the page cache has slowed down, the disk is busy with what it holds: direct writes are given that much time to show their speed. */
const PATIENCE_BYTES = 4 * 1024 * 1024 * 1024;
/** A pause of this length is the end of a sustained load; the next one begins as a burst. */
const PAUSE_MS = 1000;

/**
 * Measures both modes while the disk is busy: the page cache takes a burst at the speed of memory, and is throttled once too much of it
 * waits for the disk; direct writes run at the speed of the disk all the time, with a fraction of the processor's. So a load begins in the
 * page cache and goes past it once that slows down. Where direct writes were found to be faster than a page cache at its best, loads begin
 * with them, those of other logs on that disk too. Where writes are synced before they are acknowledged, nothing is gained by the page cache.
 */
export class WriteModeChoice {
  readonly #clock: Clock;
  readonly #disk: KnownDisk;
  readonly #isAdaptive: boolean;
  readonly #minBytes: number;
  readonly #changed: (mode: WriteMode, isRefused: boolean) => void;
  #mode: WriteMode;
  #isRefused = false;
  /** The fastest window since the mode was chosen. */
  #best = 0;
  /** Direct writes are on trial, for so many more bytes. */
  #isTrial = false;
  #trialLeft = 0;
  /** Since the page cache had slowed down: that they are faster says nothing about a burst. */
  #isRescue = false;
  #inFlight = 0;
  #busySinceMs = 0;
  #idleSinceMs = Infinity;
  #busyMs = 0;
  #windowBytes = 0;

  /**
   * @param disk What other loads have seen.
   * @param changed Is told the mode whenever it becomes another one.
   */
  constructor(
    clock: Clock,
    directIo: DirectIo,
    isSynced: boolean,
    disk: KnownDisk = new KnownDisk(),
    changed: (mode: WriteMode, isRefused: boolean) => void = () => {},
  ) {
    this.#changed = changed;
    this.#clock = clock;
    this.#disk = disk;
    this.#isAdaptive = directIo === "auto" && !isSynced;
    this.#mode = directIo === true || (directIo === "auto" && isSynced) ? "direct" : "cached";
    if (this.#isAdaptive) this.#mode = disk.first;
    this.#minBytes = directIo === true ? 0 : MIN_DIRECT_BYTES;
    this.#isRefused = directIo === false;
  }

  /** The mode for a body of so many bytes. */
  choose(bytes: number): WriteMode {
    return this.#isRefused || bytes < this.#minBytes ? "cached" : this.#mode;
  }

  /** The file system has no direct writes. */
  refuse(): void {
    if (!this.#isRefused) this.#changed("cached", true);
    this.#isRefused = true;
  }

  /** A body begins to be written. */
  begun(): void {
    if (this.#inFlight++ > 0) return;
    this.#busySinceMs = this.#clock.monotonic();
    if (!this.#isAdaptive || this.#busySinceMs - this.#idleSinceMs < PAUSE_MS) return;
    // Bursts that are shorter than a window are judged together, so that a disk which has become slow is noticed.
    if (this.#mode === "direct" && this.#disk.first === "direct" && !this.#isTrial) return;
    this.#turnTo(this.#disk.first);
  }

  /** A body was written, in the mode that was chosen for it. */
  ended(bytes: number, mode: WriteMode): void {
    const nowMs = this.#clock.monotonic();
    if (--this.#inFlight === 0) this.#idleSinceMs = nowMs;
    if (!this.#isAdaptive || this.#isRefused || bytes < this.#minBytes) return;
    if (mode !== this.#mode) {
      this.#busySinceMs = nowMs;
      return;
    }
    this.#busyMs += nowMs - this.#busySinceMs;
    this.#busySinceMs = nowMs;
    this.#windowBytes += bytes;
    if (mode === "cached") this.#disk.wroteCached(bytes);
    else this.#trialLeft -= bytes;
    const enough = this.#isTrial ? TRIAL_WINDOW_BYTES : WINDOW_BYTES;
    if (this.#windowBytes >= enough && this.#busyMs > 0) this.#judge();
  }

  #judge(): void {
    const disk = this.#disk;
    const own = this.#windowBytes / this.#busyMs;
    this.#windowBytes = this.#busyMs = 0;
    this.#best = Math.max(this.#best, own);
    if (this.#mode === "cached") {
      disk.cachedSpeed = own;
      const isSlow = own < this.#best * DECLINE;
      if (isSlow || disk.isTrialDue) this.#tryDirect(isSlow);
    } else if (!this.#isTrial) {
      const isSlow = own < Math.max(this.#best, disk.directSpeed) * DECLINE;
      if (!isSlow || disk.cachedSpeed <= own * ADVANTAGE) return;
      disk.prefersCached();
      this.#turnTo("cached");
    } else if (this.#trialLeft <= 0) this.#endTrial();
  }

  #tryDirect(isRescue: boolean): void {
    this.#turnTo("direct");
    this.#isTrial = true;
    this.#isRescue = isRescue;
    this.#trialLeft = isRescue ? PATIENCE_BYTES : TRIAL_BYTES;
  }

  #endTrial(): void {
    this.#isTrial = false;
    if (this.#best >= this.#disk.cachedSpeed * ADVANTAGE) {
      if (!this.#isRescue) this.#disk.prefersDirect(this.#best);
      return;
    }
    this.#disk.trialFailed();
    this.#turnTo("cached");
  }

  #turnTo(mode: WriteMode): void {
    if (mode !== this.#mode) this.#changed(mode, false);
    this.#mode = mode;
    this.#isTrial = false;
    this.#best = 0;
    this.#windowBytes = this.#busyMs = 0;
  }
}
