/**
 * Which segments retention drops now.
 *
 * @module
 */
import type { RetentionPolicy } from "./retention_options.ts";

/** What is asked about a segment, in the order of their offsets; the last one is written to. */
export interface KeptSegment {
  readonly base: number;
  /** Size of its `.log`. */
  readonly bytes: number;
}

/**
 * How many of the oldest segments are beyond what bytes and records allow. As in Kafka, the limits say how much is kept at least: a
 * segment goes only where the ones behind it are enough.
 *
 * @param segments Those that are kept so far.
 * @param end Exclusive end of the offsets that are published.
 * @param droppable So many of the oldest may go at all.
 */
export function beyondLimits(
  segments: readonly KeptSegment[],
  end: number,
  { maxBytes, maxRecords }: Pick<RetentionPolicy, "maxBytes" | "maxRecords">,
  droppable: number,
): number {
  let bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
  let count = 0;
  while (count < droppable) {
    bytes -= segments[count].bytes;
    if (bytes < maxBytes && end - segments[count + 1].base < maxRecords) break;
    count++;
  }
  return count;
}

/**
 * True where a segment is too old.
 *
 * @param maxTimestamp Largest timestamp of its records; below 0 where they have none.
 * @param modified When its file last changed.
 */
export function isTooOld(maxTimestamp: number, modified: number, now: number, maxAgeMs: number): boolean {
  const time = maxTimestamp < 0 ? modified : Math.min(maxTimestamp, modified);
  return now - time > maxAgeMs;
}
