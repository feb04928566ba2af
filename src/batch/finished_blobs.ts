/**
 * Which blobs came from a builder of this program, so that their records need not be walked through again.
 *
 * @module
 */
import { CRC_AT } from "./format.ts";
import { readU32 } from "../bytes.ts";

/** The checksum each of them was finished with. */
const checksums = new WeakMap<Uint8Array, number>();

/** Notes a blob that was finished just now. */
export function noteFinished(blob: Uint8Array): void {
  checksums.set(blob, readU32(blob, CRC_AT));
}

/**
 * True where a blob was finished here with this checksum. Where it is right for the bytes, its records are the ones that the builder
 * wrote, whoever had the blob in between.
 */
export function wasFinishedHere(blob: Uint8Array, checksum: number): boolean {
  return checksums.get(blob) === checksum;
}
