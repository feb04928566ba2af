/**
 * The note beside the lock that says who took it last. Information for people: the lock itself decides.
 *
 * @module
 */
import type { Vfs, VfsFile } from "../vfs.ts";
import { VfsError } from "../vfs.ts";

const NAME = "lock.owner";
const MAX_BYTES = 1024;

/** Who took the lock. */
export interface Owner {
  readonly pid: number;
  readonly runtime: string;
}

/** Notes this program as the owner. Where that cannot be written the lock is held all the same. */
export async function writeOwner(vfs: Vfs, directory: string, name: string = NAME): Promise<void> {
  const path = `${directory}/${name}`;
  const note = JSON.stringify({ pid: vfs.host.pid, runtime: vfs.host.runtime });
  let file: VfsFile | undefined;
  try {
    try {
      file = await vfs.open(path, "create");
    } catch (error) {
      if (!(error instanceof VfsError && error.code === "EXISTS")) throw error;
      file = await vfs.open(path, "write");
    }
    // Spaces over what a longer note leaves: cutting the file off would be a call more, which takes a thread.
    const length = Math.min(await file.size(), MAX_BYTES) - 1;
    await file.write(new TextEncoder().encode(`${note.padEnd(length)}\n`), 0);
  } catch (error) {
    if (!(error instanceof VfsError)) throw error;
  } finally {
    await file?.close();
  }
}

/** Reads the note; `undefined` where there is none that makes sense. */
export async function readOwner(vfs: Vfs, directory: string, name: string = NAME): Promise<Owner | undefined> {
  try {
    const file = await vfs.open(`${directory}/${name}`, "read");
    try {
      const bytes = new Uint8Array(MAX_BYTES);
      const read = await file.read(bytes, 0);
      const { pid, runtime } = JSON.parse(new TextDecoder().decode(bytes.subarray(0, read))) as Partial<Owner>;
      return typeof pid === "number" && typeof runtime === "string" ? { pid, runtime } : undefined;
    } finally {
      await file.close();
    }
  } catch {
    return undefined;
  }
}
