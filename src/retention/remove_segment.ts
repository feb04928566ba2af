/**
 * Removes the files of segments that lie wholly below the log start.
 *
 * @module
 */
import { isMissing } from "../if_there.ts";
import { indexPath, logPath } from "../segment/names.ts";
import type { Vfs } from "../vfs.ts";

/**
 * Removes a segment. The `.log` goes first: whoever reads beside this finds a segment with its index, or no segment, and never walks
 * through a gigabyte because only the index is gone. The directory need not be synced: what a power loss brings back lies below the log
 * start, and is removed again at the next opening.
 *
 * @param onRemoved Called once the `.log` that was there is gone.
 * @throws {VfsError} where the system refuses. What is gone already is no failure.
 */
export async function removeSegment(vfs: Vfs, directory: string, base: number, onRemoved: () => void): Promise<void> {
  const log = logPath(directory, base);
  for (const path of [log, indexPath(directory, base)]) {
    try {
      await vfs.remove(path);
      if (path === log) onRemoved();
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
}
