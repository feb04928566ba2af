/**
 * Finds where intact batches go on behind damage.
 *
 * @module
 */
import {
  ATTRIBUTES_AT,
  BASE_OFFSET_AT,
  batchBytesAt,
  batchFault,
  CODEC_MASK,
  EPOCH_AT,
  HEADER_BYTES,
  headerFault,
  LAST_OFFSET_DELTA_AT,
  MAGIC,
  MAGIC_AT,
  RECORDS_COUNT_AT,
} from "../batch/format.ts";
import { VarintReader } from "../batch/varint.ts";
import { readI32, readI64 } from "../bytes.ts";
import type { VfsFile } from "../vfs.ts";

/** A batch that was found. */
export interface Found {
  readonly position: number;
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly bytes: number;
  readonly epoch: number;
}

const WINDOW_BYTES = 1024 * 1024;
/** Longest varint of 32 bits. */
const MAX_VARINT_BYTES = 5;
/** Attributes, two deltas, two lengths and a count: an empty record has six bytes behind its length. */
const MIN_RECORD_BYTES = 6;
/** Bytes that are checksummed for candidates, at most: crafted values must not make a search take for ever. */
const CONFIRM_BYTES: number = 512 * 1024 * 1024;

/**
 * Looks for the first intact batch at or behind `from` whose base offset is at least `minOffset`. A candidate needs a
 * plausible header and first record and a right CRC, so bytes of a value are taken for a batch only where they are one.
 * The search gives up after a bounded amount of checking.
 *
 * @param file The `.log`.
 * @param from First position to look at.
 * @param end Exclusive; nothing behind it is read.
 * @param minOffset Smallest base offset that counts.
 * @param maxOffset Largest base offset that counts.
 * @param minEpoch Smallest epoch that counts: a batch of an earlier one is what a file held before.
 */
export async function findBatch(
  file: VfsFile,
  from: number,
  end: number,
  minOffset: number,
  maxOffset: number,
  minEpoch: number = -1,
): Promise<Found | undefined> {
  const window = new Uint8Array(Math.min(WINDOW_BYTES, Math.max(0, end - from)));
  let position = from;
  let budget = CONFIRM_BYTES;
  while (end - position >= HEADER_BYTES) {
    const filled = await file.read(window.subarray(0, Math.min(window.length, end - position)), position);
    if (filled < HEADER_BYTES) return undefined;
    const last = filled - HEADER_BYTES;
    for (let at = window.indexOf(MAGIC, MAGIC_AT) - MAGIC_AT; at >= 0 && at <= last;) {
      if (headerFault(window, at, end - position - at) === undefined) {
        const base = readI64(window, at + BASE_OFFSET_AT);
        const isLater = base >= minOffset && base <= maxOffset && readI32(window, at + EPOCH_AT) >= minEpoch;
        if (isLater && hasPlausibleRecord(window, at, filled)) {
          budget -= batchBytesAt(window, at);
          if (budget < 0) return undefined;
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

/** False where the bytes behind a header cannot be the first record it speaks of. Cheap, and nearly always enough. */
function hasPlausibleRecord(bytes: Uint8Array, at: number, filled: number): boolean {
  const start = at + HEADER_BYTES;
  const isCompressed = (bytes[at + ATTRIBUTES_AT + 1] & CODEC_MASK) !== 0;
  if (isCompressed || readI32(bytes, at + RECORDS_COUNT_AT) === 0) return true;
  const reader = new VarintReader(bytes, start, Math.min(filled, at + batchBytesAt(bytes, at)));
  const length = reader.varint();
  const end = reader.position + length;
  if (reader.failed) return filled - start < MAX_VARINT_BYTES;
  if (length < MIN_RECORD_BYTES || end > at + batchBytesAt(bytes, at)) return false;
  return reader.position >= filled || bytes[reader.position] === 0;
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
  const lastOffset = baseOffset + readI32(batch, start + LAST_OFFSET_DELTA_AT);
  return { position, baseOffset, lastOffset, bytes, epoch: readI32(batch, start + EPOCH_AT) };
}
