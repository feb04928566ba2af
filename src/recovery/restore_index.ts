/**
 * Makes the `.idx` of the segment that will be written agree with its `.log`.
 *
 * @module
 */
import type { End } from "../anchor/end.ts";
import { HEADER_BYTES } from "../batch/format.ts";
import { openIfThere } from "../if_there.ts";
import { LoadedIndex } from "../index/index_file.ts";
import { type IndexIdentity, ROW_BYTES, writeBatchRow, writeFileHeaderRow } from "../index/rows.ts";
import { indexPath, logPath } from "../segment/names.ts";
import { walkBatches } from "../segment/walk.ts";
import { type Vfs, VfsError, type VfsFile } from "../vfs.ts";

/** Rows written with one call. */
const ROWS_A_WRITE = 128;

/**
 * Keeps the rows that can be believed, drops the others, and makes the missing ones from the `.log`.
 *
 * @param end Where the segment's good data ends.
 * @param known Up to here the rows are those of the log.
 * @returns The end with its index position and its largest timestamp. Where the index cannot be read or written
 * it is removed: better none than one that goes on behind rows of batches that are gone.
 */
export async function restoreIndex(
  vfs: Vfs,
  directory: string,
  identity: IndexIdentity,
  end: End,
  holes: boolean,
  known?: End,
): Promise<End> {
  const path = indexPath(directory, identity.base);
  const loaded = new LoadedIndex(identity, holes);
  if (known !== undefined) loaded.skipTo(known);
  let file: VfsFile | undefined;
  try {
    await loaded.readRows(vfs, path, end.position);
    file = await openForRows(vfs, path, loaded.rowPosition, known !== undefined);
    const index = file;
    const mostRows = 1 + Math.ceil((end.position - loaded.position) / HEADER_BYTES);
    const rows = new Uint8Array(Math.min(ROWS_A_WRITE, mostRows) * ROW_BYTES);
    let filled = 0;
    let position = loaded.rowPosition;
    if (position === 0) {
      writeFileHeaderRow(rows, 0, identity);
      filled = ROW_BYTES;
    }
    let maximum = loaded.samples.maxTimestamp;
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
    if (filled > 0) await flush();
    return { ...end, indexPosition: position, maxTimestamp: maximum };
  } catch (error) {
    if (!(error instanceof VfsError)) throw error;
    await removeQuietly(vfs, path);
    return end;
  } finally {
    await file?.close();
  }
}

/** An index never stops a log. */
async function removeQuietly(vfs: Vfs, path: string): Promise<void> {
  try {
    await vfs.remove(path);
  } catch (error) {
    if (!(error instanceof VfsError)) throw error;
  }
}

/**
 * An index that ends at `position`, ready for more rows. Where rows are to be dropped, or a power loss may have left some behind the
 * size, it is another file: otherwise the next power loss could show them among the new ones. Its entry is synced before a batch is
 * written that it describes.
 *
 * @param goesOn The file may be continued where nothing is to be dropped.
 */
async function openForRows(vfs: Vfs, path: string, position: number, goesOn: boolean): Promise<VfsFile> {
  const old = await openIfThere(vfs, path, "write");
  if (old === undefined) return await vfs.open(path, "create");
  const kept = new Uint8Array(position);
  try {
    if (goesOn && await old.size() === position) return old;
    if (await old.read(kept, 0) < position) throw new VfsError("IO", `Cannot read ${path}: it became shorter`, path);
  } catch (error) {
    await old.close();
    throw error;
  }
  await old.close();
  await vfs.remove(path);
  const file = await vfs.open(path, "create");
  try {
    if (position > 0) await file.write(kept, 0);
  } catch (error) {
    await file.close();
    throw error;
  }
  return file;
}
