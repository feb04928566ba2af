/**
 * Makes the `.idx` of the segment that will be written agree with its `.log`.
 *
 * @module
 */
import type { End } from "../anchor/end.ts";
import { LoadedIndex } from "../index/index_file.ts";
import { type IndexIdentity, ROW_BYTES, writeBatchRow, writeFileHeaderRow } from "../index/rows.ts";
import { indexPath, logPath } from "../segment/names.ts";
import { walkBatches } from "../segment/walk.ts";
import { type Vfs, VfsError, type VfsFile } from "../vfs.ts";

/** Rows written with one call. */
const ROWS_A_WRITE = 1024;

/**
 * Keeps the rows that can be believed, drops the others, and makes the missing ones from the `.log`.
 *
 * @param end Where the segment's good data ends.
 * @returns The end with its index position and its largest timestamp. Where the index cannot be written it is left as it is.
 */
export async function restoreIndex(
  vfs: Vfs,
  directory: string,
  identity: IndexIdentity,
  end: End,
  holes: boolean,
): Promise<End> {
  const path = indexPath(directory, identity.base);
  const loaded = new LoadedIndex(identity, holes);
  await loaded.readRows(vfs, path, end.position);
  let file: VfsFile | undefined;
  try {
    file = await openOrCreate(vfs, path);
    await file.truncate(loaded.rowPosition);
    const rows = new Uint8Array(ROWS_A_WRITE * ROW_BYTES);
    let filled = 0;
    let position = loaded.rowPosition;
    if (position === 0) {
      writeFileHeaderRow(rows, 0, identity);
      filled = ROW_BYTES;
    }
    let maximum = loaded.samples.maxTimestamp;
    const index = file;
    const flush = async (): Promise<void> => {
      await index.write(rows.subarray(0, filled), position);
      position += filled;
      filled = 0;
    };
    const log = logPath(directory, identity.base);
    await walkBatches(vfs, log, loaded.position, end.position, (bytes, at, batchPosition) => {
      maximum = writeBatchRow(rows, filled, bytes, at, batchPosition, maximum);
      filled += ROW_BYTES;
      return filled === rows.length ? flush() : undefined;
    });
    await flush();
    return { ...end, indexPosition: position, maxTimestamp: maximum };
  } catch (error) {
    if (!(error instanceof VfsError)) throw error;
    return end;
  } finally {
    await file?.close();
  }
}

async function openOrCreate(vfs: Vfs, path: string): Promise<VfsFile> {
  try {
    return await vfs.open(path, "create");
  } catch (error) {
    if (error instanceof VfsError && error.code === "EXISTS") return await vfs.open(path, "write");
    throw error;
  }
}
