/**
 * Finds where intact batches go on behind damage.
 *
 * @module
 */
import {
  BASE_OFFSET_AT,
  batchBytesAt,
  batchFault,
  HEADER_BYTES,
  headerFault,
  MAGIC,
  MAGIC_AT,
} from "../batch/format.ts";
import { readI64 } from "../bytes.ts";
import type { VfsFile } from "../vfs.ts";

/** A batch that was found. */
export interface Found {
  readonly position: number;
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly bytes: number;
}

const WINDOW_BYTES = 1024 * 1024;

/**
 * Looks for the first intact batch at or behind `from` whose base offset is at least `minOffset`. A candidate needs a
 * plausible header and a right CRC, so bytes of a value are taken for a batch only where they are one.
 *
 * @param file The `.log`.
 * @param from First position to look at.
 * @param end Exclusive; nothing behind it is read.
 * @param minOffset Smallest base offset that counts.
 * @param maxOffset Largest base offset that counts.
 */
export async function findBatch(
  file: VfsFile,
  from: number,
  end: number,
  minOffset: number,
  maxOffset: number,
): Promise<Found | undefined> {
  const window = new Uint8Array(Math.min(WINDOW_BYTES, Math.max(0, end - from)));
  let position = from;
  while (end - position >= HEADER_BYTES) {
    const filled = await file.read(window.subarray(0, Math.min(window.length, end - position)), position);
    if (filled < HEADER_BYTES) return undefined;
    const last = filled - HEADER_BYTES;
    for (let at = window.indexOf(MAGIC, MAGIC_AT) - MAGIC_AT; at >= 0 && at <= last;) {
      if (headerFault(window, at, end - position - at) === undefined) {
        const base = readI64(window, at + BASE_OFFSET_AT);
        if (base >= minOffset && base <= maxOffset) {
          const found = await confirm(file, position + at, window, at, filled);
          if (found !== undefined) return found;
        }
      }
      const next = window.indexOf(MAGIC, at + MAGIC_AT + 1);
      if (next < 0) break;
      at = next - MAGIC_AT;
    }
    position += last + 1;
  }
  return undefined;
}

/** Checks the CRC, in the window where the batch lies in it whole. */
async function confirm(
  file: VfsFile,
  position: number,
  window: Uint8Array,
  at: number,
  filled: number,
): Promise<Found | undefined> {
  const bytes = batchBytesAt(window, at);
  let batch = window;
  let start = at;
  if (at + bytes > filled) {
    batch = new Uint8Array(bytes);
    start = 0;
    if (await file.read(batch, position) < bytes) return undefined;
  }
  if (batchFault(batch, start, bytes) !== undefined) return undefined;
  const baseOffset = readI64(batch, start + BASE_OFFSET_AT);
  return { position, baseOffset, lastOffset: baseOffset + lastDelta(batch, start), bytes };
}

function lastDelta(bytes: Uint8Array, at: number): number {
  return ((bytes[at + 23] << 24) | (bytes[at + 24] << 16) | (bytes[at + 25] << 8) | bytes[at + 26]) >>> 0;
}
