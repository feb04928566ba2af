/**
 * Opens the files of a shard's segments.
 *
 * @module
 */
import type { End } from "../anchor/end.ts";
import type { IndexIdentity } from "../index/rows.ts";
import { indexPath, logPath } from "../segment/names.ts";
import { SegmentWriter } from "../segment/segment_writer.ts";
import { type MaybePromise, type Vfs, VfsError, type VfsFile } from "../vfs.ts";

/** A new segment. Its entries are not durable before the directory is synced. */
export async function createSegment(vfs: Vfs, directory: string, identity: IndexIdentity): Promise<SegmentWriter> {
  const log = await vfs.open(logPath(directory, identity.base), "create");
  return await SegmentWriter.begin(identity, log, await openIndex(vfs, indexPath(directory, identity.base), "create"));
}

/** The segment in which `end` lies, to be continued there. */
export async function continueSegment(
  vfs: Vfs,
  directory: string,
  identity: IndexIdentity,
  end: End,
): Promise<SegmentWriter> {
  const log = await vfs.open(logPath(directory, identity.base), "write");
  return new SegmentWriter(identity, log, await openIndex(vfs, indexPath(directory, identity.base), "write"), end);
}

/** Makes a finished segment durable that a process that ended may have left unsynced. */
export function syncSegment(vfs: Vfs, directory: string, base: number): Promise<void> {
  return syncFile(vfs, logPath(directory, base));
}

/** Makes what was written to a file durable, whoever wrote it. */
export async function syncFile(vfs: Vfs, path: string): Promise<void> {
  const file = await vfs.open(path, "write");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Frees files; failures are of no interest any more. */
export async function closeQuietly(files: readonly ({ close(): MaybePromise<void> } | undefined)[]): Promise<void> {
  for (const file of files) {
    try {
      await file?.close();
    } catch {
      // Closing makes nothing durable and loses nothing.
    }
  }
}

/** An index that cannot be opened never stops a log. */
async function openIndex(vfs: Vfs, path: string, mode: "write" | "create"): Promise<VfsFile | undefined> {
  try {
    return await vfs.open(path, mode);
  } catch (error) {
    if (!(error instanceof VfsError)) throw error;
    if (error.code !== "EXISTS") return undefined;
  }
  // Left behind by a segment that recovery took away: it says nothing about the new one.
  try {
    await vfs.remove(path);
    return await vfs.open(path, "create");
  } catch {
    return undefined;
  }
}
