/**
 * Makes new directories durable.
 *
 * @module
 */
import { type Vfs, VfsError } from "../vfs.ts";

/** A new directory, and those above it that came with it, must not vanish at a power loss. */
export async function syncAncestors(vfs: Vfs, directory: string): Promise<void> {
  let path = directory;
  while (path !== "/" && path !== "." && path !== "") {
    path = parentOf(path);
    try {
      await vfs.syncDirectory(path);
    } catch (error) {
      // Where this program may not even look it has created nothing.
      if (error instanceof VfsError && error.code === "PERMISSION") return;
      throw error;
    }
  }
}

/** The directory above. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "." : slash === 0 ? "/" : path.slice(0, slash);
}
