/**
 * Files that are written in one piece, and are there whole or not at all.
 *
 * @module
 */
import { isMissing } from "../if_there.ts";
import type { Vfs } from "../vfs.ts";

/** Creates a file that is durable once its directory is synced. */
export async function writeNew(vfs: Vfs, path: string, bytes: Uint8Array): Promise<void> {
  const file = await vfs.open(path, "create");
  try {
    await file.write(bytes, 0);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Puts a file in the place of another, under a temporary name first; durable once the directory is synced. */
export async function replaceWhole(vfs: Vfs, path: string, temporary: string, bytes: Uint8Array): Promise<void> {
  await removeIfThere(vfs, temporary);
  await writeNew(vfs, temporary, bytes);
  await vfs.rename(temporary, path);
}

/** Removes a file, which may be missing. */
export async function removeIfThere(vfs: Vfs, path: string): Promise<void> {
  try {
    await vfs.remove(path);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}
