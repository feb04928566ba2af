/**
 * Looks how far the rows of an `.idx` are known to be those of its log without reading them all.
 *
 * @module
 */
import type { End } from "../anchor/end.ts";
import { readBatchRow, ROW_BATCH, ROW_BYTES, rowLength, rowType } from "../index/rows.ts";
import { type Vfs, VfsError } from "../vfs.ts";

/** Rows up to an end. */
export interface KnownRows {
  readonly end: End;
  /** Nothing comes behind them. */
  readonly isWhole: boolean;
}

/**
 * The rows up to `end`, where the last of them is that of the end's last batch. An index that was given up, that is missing or cannot
 * be read is made anew instead: then the answer is `undefined`.
 */
export async function knownRows(vfs: Vfs, path: string, end: End | undefined): Promise<KnownRows | undefined> {
  if (end?.last === undefined || end.indexPosition < 2 * ROW_BYTES) return undefined;
  try {
    const file = await vfs.open(path, "read");
    try {
      const row = new Uint8Array(ROW_BYTES);
      if (await file.read(row, end.indexPosition - ROW_BYTES) < ROW_BYTES) return undefined;
      if (rowLength(row, 0) !== ROW_BYTES || rowType(row, 0) !== ROW_BATCH) return undefined;
      const batch = readBatchRow(row, 0);
      if (batch?.position !== end.last.position || batch.baseOffset !== end.last.baseOffset) return undefined;
      return { end, isWhole: await file.size() === end.indexPosition };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof VfsError) return undefined;
    throw error;
  }
}
