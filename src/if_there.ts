/**
 * Files that may be missing, or vanish at this moment.
 *
 * @module
 */
import { type OpenMode, type Vfs, VfsError, type VfsFile } from "./vfs.ts";

/** True where an operation failed because there is no such file or directory, or not any more. */
export function isMissing(error: unknown): boolean {
  return error instanceof VfsError && error.code === "NOT_FOUND";
}

/** Opens a file; `undefined` where there is none. */
export async function openIfThere(vfs: Vfs, path: string, mode: OpenMode): Promise<VfsFile | undefined> {
  try {
    return await vfs.open(path, mode);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Size of a file in bytes; `undefined` where there is none. */
export async function sizeIfThere(vfs: Vfs, path: string): Promise<number | undefined> {
  const file = await openIfThere(vfs, path, "read");
  try {
    return await file?.size();
  } finally {
    await file?.close();
  }
}
