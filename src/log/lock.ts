/**
 * The writer's lock, and what a program is told that does not get it.
 *
 * @module
 */
import { LogError } from "../errors.ts";
import { type Vfs, VfsError, type VfsLock } from "../vfs.ts";
import { readOwner } from "./owner.ts";

/**
 * Takes the writer's lock.
 *
 * @throws {LogError} `LOCKED`, naming the owner.
 */
export async function takeLock(vfs: Vfs, directory: string): Promise<VfsLock> {
  try {
    return await vfs.lock(`${directory}/lock`, "exclusive");
  } catch (error) {
    if (!(error instanceof VfsError) || error.code !== "BUSY") throw error;
    const owner = await readOwner(vfs, directory);
    const who = owner === undefined ? "another writer" : `process ${owner.pid} (${owner.runtime})`;
    throw new LogError(
      "LOCKED",
      `Cannot open the log in ${directory}: ${who} has it open; close it there, or open with readOnly`,
      {
        file: `${directory}/lock`,
        cause: error,
      },
    );
  }
}
