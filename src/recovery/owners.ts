/**
 * Whose files a shard's directory holds, by what the files themselves say: slots of state and anchor, headers of indexes.
 *
 * @module
 */
import { ANCHOR_NAME } from "../anchor/anchor.ts";
import { readSlot, SLOT_BYTES, SLOT_FILE_BYTES } from "../anchor/slot_file.ts";
import { STATE_NAME } from "../anchor/state.ts";
import { BASE_OFFSET_AT, HEADER_BYTES, headerDigest } from "../batch/format.ts";
import { equalBytes, readI64, readU32 } from "../bytes.ts";
import { openIfThere } from "../if_there.ts";
import { isFileHeaderRow, readBatchRow, ROW_BATCH, ROW_BYTES, rowLength, rowType } from "../index/rows.ts";
import { indexPath, logPath } from "../segment/names.ts";
import { type Vfs, VfsError } from "../vfs.ts";

/** A file that says whose it is. */
export interface Owner {
  readonly file: string;
  readonly logId: Uint8Array;
  readonly shard: number;
}

const SECOND_SLOT_AT: number = SLOT_FILE_BYTES / 2;

/** What the intact slots of state and anchor say, and the index headers of the segments that are named. */
export async function findOwners(vfs: Vfs, directory: string, bases: readonly number[]): Promise<Owner[]> {
  const owners: Owner[] = [];
  for (const name of [STATE_NAME, ANCHOR_NAME]) {
    const file = `${directory}/${name}`;
    const content = await readStart(vfs, file, SLOT_FILE_BYTES);
    for (const at of [0, SECOND_SLOT_AT]) {
      const slot = content.subarray(at, at + SLOT_BYTES);
      if (slot.length < SLOT_BYTES) continue;
      const own = { magic: readU32(slot, 0), logId: slot.slice(16, 32), shard: readU32(slot, 32) };
      if (readSlot(slot, own) !== undefined) owners.push({ file, ...own });
    }
  }
  for (const base of bases) {
    const index = await readIndexStart(vfs, directory, base);
    if (index !== undefined) owners.push(index);
  }
  return owners;
}

/** What an index's header says; `undefined` where there is none. */
async function readIndexStart(vfs: Vfs, directory: string, base: number): Promise<Owner | undefined> {
  const file = indexPath(directory, base);
  const row = await readIndex(vfs, file, ROW_BYTES);
  if (row.length < ROW_BYTES) return undefined;
  const own = { logId: row.slice(16, 32), shard: readU32(row, 32), base: readI64(row, 40) };
  return isFileHeaderRow(row, 0, own) ? { file, logId: own.logId, shard: own.shard } : undefined;
}

/** True where the first row of an index was made for the first batch of the `.log` beside it. */
async function describesLog(vfs: Vfs, directory: string, base: number): Promise<boolean> {
  const rows = (await readIndex(vfs, indexPath(directory, base), 2 * ROW_BYTES)).subarray(ROW_BYTES);
  const row = rowLength(rows, 0) > 0 && rowType(rows, 0) === ROW_BATCH ? readBatchRow(rows, 0) : undefined;
  if (row === undefined || row.position !== 0) return false;
  const header = await readStart(vfs, logPath(directory, base), HEADER_BYTES);
  return header.length === HEADER_BYTES && readI64(header, BASE_OFFSET_AT) === row.baseOffset &&
    headerDigest(header, 0) === row.digest;
}

/**
 * A file that shows that the directory, or a segment in it, is another shard's or another log's: swapped, or copied there. An index
 * counts only together with the `.log` that it was made for: alone it is disposable.
 *
 * @param hasOwnSlot An intact slot of this log's own shard is known already: state and anchor are not looked at again.
 */
export async function findForeign(
  vfs: Vfs,
  directory: string,
  logId: Uint8Array,
  shard: number,
  bases: readonly number[],
  hasOwnSlot: boolean = false,
): Promise<Owner | undefined> {
  const isOwn = (owner: Owner): boolean => owner.shard === shard && equalBytes(owner.logId, logId);
  const slots = hasOwnSlot ? [] : await findOwners(vfs, directory, []);
  if (slots.length > 0 && !slots.some(isOwn)) return slots[0];
  for (const base of bases) {
    const index = await readIndexStart(vfs, directory, base);
    if (index !== undefined && !isOwn(index) && await describesLog(vfs, directory, base)) return index;
  }
  return undefined;
}

/** The start of an index. One that cannot be read says nothing: it never stops a log. */
async function readIndex(vfs: Vfs, path: string, bytes: number): Promise<Uint8Array> {
  try {
    return await readStart(vfs, path, bytes);
  } catch (error) {
    if (error instanceof VfsError) return new Uint8Array(0);
    throw error;
  }
}

async function readStart(vfs: Vfs, path: string, bytes: number): Promise<Uint8Array> {
  const file = await openIfThere(vfs, path, "read");
  if (file === undefined) return new Uint8Array(0);
  try {
    const content = new Uint8Array(bytes);
    return content.subarray(0, await file.read(content, 0));
  } finally {
    await file.close();
  }
}
