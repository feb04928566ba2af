/**
 * Which blobs came from a builder of this program, so that their records need not be walked through again, or unpacked to find no key.
 *
 * @module
 */
import { CRC_AT } from "./format.ts";
import { readU32 } from "../bytes.ts";

/** The checksum each of them was finished with. */
const checksums = new WeakMap<Uint8Array, number>();
/** Those with a key. */
const keyed = new WeakSet<Uint8Array>();

/** Notes a blob that was finished just now. */
export function noteFinished(blob: Uint8Array, hasKeys: boolean): void {
  checksums.set(blob, readU32(blob, CRC_AT));
  if (hasKeys) keyed.add(blob);
}

/**
 * True where a blob was finished here with this checksum. Where it is right for the bytes, its records are the ones that the builder
 * wrote, whoever had the blob in between.
 */
export function wasFinishedHere(blob: Uint8Array, checksum: number): boolean {
  return checksums.get(blob) === checksum;
}

/** True where the checked copy of a blob, at `at` of `bytes`, is known to have no record with a key. */
export function isKnownKeyless(blob: Uint8Array, bytes: Uint8Array, at: number): boolean {
  return wasFinishedHere(blob, readU32(bytes, at + CRC_AT)) && !keyed.has(blob);
}
