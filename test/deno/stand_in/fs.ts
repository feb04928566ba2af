/** What `test/deno/` uses of `@std/fs`, for machines that cannot reach JSR. */
import { cp, mkdir, readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";

/** A file or directory that {@linkcode walk} met. */
export interface WalkEntry {
  path: string;
  name: string;
  isFile: boolean;
  isDirectory: boolean;
  isSymlink: boolean;
}

/** Whether there is a file or directory. */
export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return false;
    throw error;
  }
}

/** Makes a directory and its parents where they are missing. */
export async function ensureDir(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
}

/** Copies a directory with everything in it to a place where nothing is. */
export async function copy(from: string, to: string): Promise<void> {
  await cp(from, to, { recursive: true, force: false, errorOnExist: true });
}

/** The directory itself and everything below it. */
export async function* walk(root: string): AsyncIterableIterator<WalkEntry> {
  yield { path: root, name: basename(root), isFile: false, isDirectory: true, isSymlink: false };
  for (const entry of await readdir(root, { withFileTypes: true })) {
    const path = join(root, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else {yield {
        path,
        name: entry.name,
        isFile: entry.isFile(),
        isDirectory: false,
        isSymlink: entry.isSymbolicLink(),
      };}
  }
}
