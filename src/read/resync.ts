/**
 * Finds where to read on behind a damaged batch.
 *
 * @module
 */
import { HEADER_BYTES, LAST_OFFSET_DELTA_AT } from "../batch/format.ts";
import { readI32 } from "../bytes.ts";
import { isFileHeaderRow, readBatchRow, ROW_BATCH, ROW_BYTES, rowLength, rowType } from "../index/rows.ts";
import { batchAt, headerAt } from "../segment/batch_at.ts";
import { indexPath } from "../segment/names.ts";
import { findBatch, type Found } from "../segment/search.ts";
import { VfsError, type VfsFile } from "../vfs.ts";
import type { ShardView } from "./shard_view.ts";

const READ_BYTES: number = 256 * 1024;

/**
 * The first intact batch behind the damaged one at `position`, which has to begin with offset `minOffset` - 1. A value may hold
 * whole batches of another log, or of this one, so an intact batch alone proves nothing. Nor does one of an earlier
 * epoch than `minEpoch`, that of the last batch in front: it is what the file held before. The index knows where batches
 * start and is asked first; then the lengths that the damaged headers name. Without those the bytes are searched.
 */
export async function resync(
  view: ShardView,
  file: VfsFile,
  base: number,
  position: number,
  limit: number,
  minOffset: number,
  minEpoch: number,
): Promise<Found | undefined> {
  const indexed = await fromIndex(view, file, base, position, limit, minOffset);
  if (indexed !== undefined) return indexed;
  const named = await byHeaders(file, position, limit, minOffset - 1, view.holes);
  return named === "unknown" ? await bySearch(view, file, base, position, limit, minOffset, minEpoch) : named;
}

/** Goes from damaged header to damaged header. `undefined`: they lead to the end; `unknown`: they lead nowhere. */
async function byHeaders(
  file: VfsFile,
  position: number,
  limit: number,
  firstOffset: number,
  holes: boolean,
): Promise<Found | "unknown" | undefined> {
  let expected = firstOffset;
  for (let at = position;;) {
    const header = await headerAt(file, at, limit);
    // The base offset of the first one may be what is damaged.
    if (header === undefined || (at > position && header.baseOffset !== expected)) return "unknown";
    at += header.bytes;
    expected += header.lastOffset - header.baseOffset + 1;
    if (at === limit) return undefined;
    const next = await batchAt(file, at, limit);
    // Its base offset may be damaged as well: no checksum covers it.
    if (next === undefined) continue;
    return next.baseOffset === expected || (holes && next.baseOffset > expected) ? next : "unknown";
  }
}

/**
 * The first intact batch that begins with the offset behind the damaged one, as far as its header tells, and is not inside of it
 * or from which headers lead to the end; else the first one from which they do.
 */
async function bySearch(
  view: ShardView,
  file: VfsFile,
  base: number,
  position: number,
  limit: number,
  minOffset: number,
  minEpoch: number,
): Promise<Found | undefined> {
  const head = new Uint8Array(HEADER_BYTES);
  const isWhole = await file.read(head, position) === HEADER_BYTES;
  const wanted = isWhole ? minOffset + readI32(head, LAST_OFFSET_DELTA_AT) : -1;
  // What lies before the end that the header names may be in a value, and only looks like what is wanted.
  const header = await headerAt(file, position, limit);
  const isItself = header?.baseOffset === minOffset - 1;
  const end = isItself ? position + header.bytes : Infinity;
  const leastEpoch = isItself ? Math.max(minEpoch, header.epoch) : minEpoch;
  const maxOffset = view.publication.end.nextOffset - 1;
  const nextBase = (await view.bases()).find((other) => other > base);
  let first: Found | undefined;
  for (let from = position + 1;;) {
    const found = await findBatch(file, from, limit, minOffset, maxOffset, leastEpoch);
    if (found === undefined) return first;
    const isWanted = found.baseOffset === wanted;
    if (isWanted && found.position >= end) return found;
    if (isWanted || first === undefined) {
      const isFollowed = await leadsToEnd(file, found, limit, nextBase ?? view.publication.end.nextOffset, view.holes);
      // Where the header's length leads to it, its count of offsets is what is damaged.
      if (isFollowed && (isWanted || found.position === end)) return found;
      if (isFollowed) first ??= found;
    }
    from = found.position + 1;
  }
}

/**
 * True where headers lead from a batch to the end of its segment, offset by offset. What a file held before, or a value holds, comes to
 * an end earlier.
 */
async function leadsToEnd(
  file: VfsFile,
  { position, bytes, lastOffset, epoch }: Found,
  limit: number,
  endOffset: number,
  holes: boolean,
): Promise<boolean> {
  let expected = lastOffset + 1;
  let leastEpoch = epoch;
  for (let at = position + bytes; at < limit;) {
    const header = await headerAt(file, at, limit);
    if (header === undefined || header.epoch < leastEpoch) return false;
    if (holes ? header.baseOffset < expected : header.baseOffset !== expected) return false;
    at += header.bytes;
    expected = header.lastOffset + 1;
    leastEpoch = header.epoch;
  }
  return holes ? expected <= endOffset : expected === endOffset;
}

async function fromIndex(
  view: ShardView,
  file: VfsFile,
  base: number,
  position: number,
  limit: number,
  minOffset: number,
): Promise<Found | undefined> {
  let index: VfsFile;
  try {
    index = await view.vfs.open(indexPath(view.directory, base), "read");
  } catch (error) {
    if (error instanceof VfsError) return undefined;
    throw error;
  }
  try {
    const buffer = new Uint8Array(READ_BYTES);
    let start = 0;
    let covered = 0;
    for (;;) {
      const read = await index.read(buffer, start);
      const bytes = buffer.subarray(0, read);
      let at = 0;
      if (start === 0) {
        if (!isFileHeaderRow(bytes, 0, view.identity(base))) return undefined;
        at = ROW_BYTES;
      }
      for (let length = rowLength(bytes, at); length > 0; length = rowLength(bytes, at)) {
        const row = rowType(bytes, at) === ROW_BATCH ? readBatchRow(bytes, at) : undefined;
        at += length;
        if (row !== undefined) {
          // Rows go on behind damage that was there when they were made again: what lies between has none.
          if (row.position !== covered) return undefined;
          covered += row.bytes;
        }
        if (row === undefined || row.position <= position || row.baseOffset < minOffset) continue;
        const batch = await batchAt(file, row.position, limit);
        if (batch !== undefined && batch.baseOffset === row.baseOffset && batch.digest === row.digest) return batch;
      }
      if (at === 0 || read < buffer.length) return undefined;
      start += at;
    }
  } finally {
    await index.close();
  }
}
