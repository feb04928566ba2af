/**
 * Finds where to read on behind a damaged batch.
 *
 * @module
 */
import { batchFault, headerDigest, readHeader } from "../batch/format.ts";
import { isFileHeaderRow, readBatchRow, ROW_BATCH, ROW_BYTES, rowLength, rowType } from "../index/rows.ts";
import { indexPath } from "../segment/names.ts";
import { findBatch, type Found } from "../segment/search.ts";
import { VfsError, type VfsFile } from "../vfs.ts";
import type { ShardView } from "./shard_view.ts";

const READ_BYTES: number = 256 * 1024;

/**
 * The first intact batch behind `position`. The index knows where batches start, so it is asked first; without it the bytes are searched, and
 * a candidate counts only where another batch, or the end, follows it: a value may hold bytes that look like a batch.
 */
export async function resync(
  view: ShardView,
  file: VfsFile,
  base: number,
  position: number,
  limit: number,
  minOffset: number,
): Promise<Found | undefined> {
  const indexed = await fromIndex(view, file, base, position, limit, minOffset);
  if (indexed !== undefined) return indexed;
  const maxOffset = view.publication.end.nextOffset - 1;
  for (let from = position + 1;;) {
    const found = await findBatch(file, from, limit, minOffset, maxOffset);
    if (found === undefined) return undefined;
    const next = found.position + found.bytes;
    if (next === limit || (await batchAt(file, next, limit))?.baseOffset === found.lastOffset + 1) return found;
    from = found.position + 1;
  }
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

/** The intact batch that starts at `position`, or `undefined`. */
async function batchAt(
  file: VfsFile,
  position: number,
  limit: number,
): Promise<Found & { digest: number } | undefined> {
  const head = new Uint8Array(61);
  if (limit - position < head.length || await file.read(head, position) < head.length) return undefined;
  const header = readHeader(head, 0);
  if (header.bytes < head.length || header.bytes > limit - position) return undefined;
  const batch = new Uint8Array(header.bytes);
  const read = await file.read(batch, position);
  if (batchFault(batch, 0, read) !== undefined) return undefined;
  const { baseOffset, lastOffset, bytes } = header;
  return { position, baseOffset, lastOffset, bytes, digest: headerDigest(batch, 0) };
}
