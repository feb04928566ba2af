/**
 * Which segments a log start leaves.
 *
 * @module
 */

/**
 * Place of the first segment that is kept: those in front of it lie wholly below the log start, as the one behind each of them begins at
 * or below it. The last segment is always kept.
 *
 * @param bases Base offsets in order.
 */
export function firstKept(bases: readonly number[], logStart: number): number {
  let first = 0;
  while (first + 1 < bases.length && bases[first + 1] <= logStart) first++;
  return first;
}
