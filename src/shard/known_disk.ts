/**
 * What all logs of this process have seen of a disk. A log that is opened later, or that rests for a while, need not find it out again.
 *
 * @module
 */
import type { Instance, Vfs } from "../vfs.ts";

/**
 * After so many bytes through the page cache direct writes are tried; after twice as many again where they were slower. A trial costs
 * a little where it fails: a short program should not meet it.
 */
const FIRST_TRIAL_BYTES = 1024 * 1024 * 1024;
const LAST_TRIAL_BYTES = 8 * 1024 * 1024 * 1024;

/** How a body is written. */
export type WriteMode = "cached" | "direct";

/** One disk. Speeds are bytes a millisecond. */
export class KnownDisk {
  /** How a load begins. */
  first: WriteMode = "cached";
  /** Of the last window through the page cache. */
  cachedSpeed = 0;
  /** Of direct writes, where they were found to be faster than a page cache at its best. */
  directSpeed = 0;
  #trialEvery = FIRST_TRIAL_BYTES;
  #untilTrial = FIRST_TRIAL_BYTES;

  /** Bytes went through the page cache. */
  wroteCached(bytes: number): void {
    this.#untilTrial -= bytes;
  }

  /** It is time to try direct writes. */
  get isTrialDue(): boolean {
    return this.#untilTrial <= 0;
  }

  /** Direct writes were not faster. */
  trialFailed(): void {
    this.#untilTrial = this.#trialEvery = Math.min(this.#trialEvery * 2, LAST_TRIAL_BYTES);
  }

  /** Direct writes were faster than a page cache that was not slow: loads begin with them. */
  prefersDirect(speed: number): void {
    this.first = "direct";
    this.directSpeed = speed;
    this.#untilTrial = this.#trialEvery = FIRST_TRIAL_BYTES;
  }

  /** Direct writes are not what they were. */
  prefersCached(): void {
    this.first = "cached";
    this.directSpeed = 0;
  }
}

const known = new WeakMap<Vfs, Map<string, KnownDisk>>();

/** The disk below a directory; a new one where the mount is not known. */
export function knownDisk(vfs: Vfs, { mountId }: Instance): KnownDisk {
  if (mountId === "") return new KnownDisk();
  let disks = known.get(vfs);
  if (disks === undefined) known.set(vfs, disks = new Map());
  let disk = disks.get(mountId);
  if (disk === undefined) disks.set(mountId, disk = new KnownDisk());
  return disk;
}
