/**
 * What stands in a directory only as long as the log in it is not whole yet. Without a manifest, nothing in such a directory
 * is taken for a log.
 *
 * @module
 */
import type { DirectoryEntry } from "../vfs.ts";

/** In a backup that is being made. */
export const BACKUP_MARKER = "unfinished-backup";
/** In a log that is being restored from a cluster: what it is restored from. */
export const RESTORE_NOTE = "restore";

const MEANINGS: ReadonlyMap<string, string> = new Map([
  [BACKUP_MARKER, "a backup that was not finished; make it again"],
  [RESTORE_NOTE, "a restore that was not finished; call it again"],
]);

/** What a directory with these entries is, and what to do about it; `undefined` where nothing says that it is not whole. */
export function unfinished(entries: readonly DirectoryEntry[]): string | undefined {
  return entries.map(({ name }) => MEANINGS.get(name)).find((meaning) => meaning !== undefined);
}
