/**
 * The snapshot files in a shard's directory.
 *
 * @module
 */
import type { End } from "../anchor/end.ts";
import { isMissing } from "../if_there.ts";
import { removeIfThere, replaceWhole } from "../recovery/whole_file.ts";
import { snapshotBases, snapshotPath } from "../segment/names.ts";
import { type DirectoryEntry, type Vfs, VfsError } from "../vfs.ts";
import { decodeSnapshot, MAX_SNAPSHOT_BYTES, type SnapshotEntry, type SnapshotIdentity } from "./snapshot.ts";

/** So many of the newest are kept, should one of them be damaged. */
export const KEPT_SNAPSHOTS = 3;

/** Offsets of the snapshots in a directory, in order. One that was not finished counts where `unfinished` asks for it. */
async function listSnapshots(vfs: Vfs, directory: string, unfinished = false): Promise<number[]> {
  let entries: DirectoryEntry[];
  try {
    entries = await vfs.list(directory);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
  return snapshotBases(entries, unfinished);
}

/** Writes a snapshot, durably, and removes those that are not needed any more. */
export async function writeSnapshot(vfs: Vfs, directory: string, base: number, bytes: Uint8Array): Promise<void> {
  const path = snapshotPath(directory, base);
  await replaceWhole(vfs, path, `${path}.new`, bytes);
  await vfs.syncDirectory(directory);
  const bases = (await listSnapshots(vfs, directory)).filter((other) => other <= base);
  for (const old of bases.slice(0, -KEPT_SNAPSHOTS)) await removeIfThere(vfs, snapshotPath(directory, old));
}

/**
 * Removes the snapshots behind an end, which speak of batches that are gone, and those that were never finished. Durable once the
 * directory is synced. One of the end's own segment may be in the making.
 */
export async function removeSnapshotsBehind(vfs: Vfs, directory: string, end: End): Promise<void> {
  for (const base of await listSnapshots(vfs, directory, true)) {
    const path = snapshotPath(directory, base);
    if (base !== end.segment) await removeIfThere(vfs, `${path}.new`);
    if (base > end.nextOffset) await removeIfThere(vfs, path);
  }
}

/** The newest snapshot in front of, or at, `end` that is intact. */
export async function readNewestSnapshot(
  vfs: Vfs,
  directory: string,
  identity: Omit<SnapshotIdentity, "base">,
  end: number,
): Promise<{ base: number; entries: SnapshotEntry[] } | undefined> {
  for (const base of (await listSnapshots(vfs, directory)).reverse()) {
    if (base > end) continue;
    const bytes = await readSmallFile(vfs, snapshotPath(directory, base));
    const entries = bytes && decodeSnapshot(bytes, { ...identity, base });
    if (entries !== undefined) return { base, entries };
  }
  return undefined;
}

/** A snapshot's bytes; `undefined` where it is gone, too large to be one, or cannot be read: it is disposable. */
async function readSmallFile(vfs: Vfs, path: string): Promise<Uint8Array | undefined> {
  try {
    const file = await vfs.open(path, "read");
    try {
      const size = await file.size();
      if (size > MAX_SNAPSHOT_BYTES) return undefined;
      const bytes = new Uint8Array(size);
      return await file.read(bytes, 0) === size ? bytes : undefined;
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof VfsError) return undefined;
    throw error;
  }
}
