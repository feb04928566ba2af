/**
 * Memory for short reads whose bytes nobody keeps: an array of its own for each costs more than the read itself.
 *
 * @module
 */

/** Size of each piece, in bytes: a slot file fits. */
export const SCRATCH_BYTES: number = 8 * 1024;
/** Opening reads in so many places at once, at most; more pieces than these are not kept. */
const MOST_KEPT = 16;
const kept: Uint8Array[] = [];

/** Takes a piece; what it holds is whatever was read into it last. */
export function takeScratch(): Uint8Array {
  return kept.pop() ?? new Uint8Array(SCRATCH_BYTES);
}

/** Gives a piece back: no view of it is used afterwards, and no read into it is in flight. */
export function giveScratch(piece: Uint8Array): void {
  if (kept.length < MOST_KEPT) kept.push(piece);
}
