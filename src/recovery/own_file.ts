/**
 * A file that is about to be changed in place must have no other name: a backup may have linked it.
 *
 * @module
 */
import { isMissing } from "../if_there.ts";
import type { Vfs } from "../vfs.ts";
import { removeIfThere } from "./whole_file.ts";

const COPY_BYTES = 1024 * 1024;

/**
 * Where the file at `name` has several names, this one gets a copy of its own; the others keep what they have. Does nothing where the
 * file is missing, or where the file system knows no links.
 */
export async function ownFile(vfs: Vfs, directory: string, name: string): Promise<void> {
  const path = `${directory}/${name}`;
  if (vfs.links === undefined) return;
  try {
    if (await vfs.links(path) < 2) return;
  } catch (error) {
    if (isMissing(error)) return;
    throw error;
  }
  const temporary = `${path}.tmp`;
  await removeIfThere(vfs, temporary);
  const from = await vfs.open(path, "read");
  try {
    const to = await vfs.open(temporary, "create");
    try {
      const buffer = new Uint8Array(COPY_BYTES);
      let position = 0;
      for (let read = await from.read(buffer, 0); read > 0; read = await from.read(buffer, position)) {
        await to.write(buffer.subarray(0, read), position);
        position += read;
      }
      await to.sync();
    } finally {
      await to.close();
    }
  } finally {
    await from.close();
  }
  await vfs.rename(temporary, path);
  await vfs.syncDirectory(directory);
}
