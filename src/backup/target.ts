/**
 * Where a backup goes: it is made beside its place, and takes it once it is whole.
 *
 * @module
 */
import { LogError } from "../errors.ts";
import { writeNew } from "../recovery/whole_file.ts";
import { type DirectoryEntry, type Vfs, VfsError } from "../vfs.ts";
import { syncAncestors } from "./ancestors.ts";

/** Stands in a directory that is not a whole backup yet. What is in such a directory is never taken for a log. */
export const MARKER_NAME = "unfinished-backup";
const MARKER = "A backup is being made here, or was interrupted. The next one to the same place begins anew.\n";

/** The directory in which the backup for `out` is made. */
export function temporaryOf(out: string): string {
  return `${out}.tmp`;
}

/**
 * Makes the directory in which a backup is made, with an empty directory for each shard.
 *
 * @param shards Names of the shards' directories.
 * @throws {LogError} `CONFLICT` where something else stands in the way.
 */
export async function prepareTarget(vfs: Vfs, out: string, shards: readonly string[]): Promise<string> {
  const temporary = temporaryOf(out);
  const there = await entriesOf(vfs, out);
  if (there !== undefined && there.length > 0) {
    throw conflict(out, `it holds ${there[0].name}; name a new directory, or an empty one`);
  }
  await clear(vfs, temporary, shards);
  await vfs.makeDirectory(temporary);
  await writeNew(vfs, `${temporary}/${MARKER_NAME}`, new TextEncoder().encode(MARKER));
  for (const name of shards) await vfs.makeDirectory(`${temporary}/${name}`);
  // Where there is a manifest later, everything else is there, too.
  await vfs.syncDirectory(temporary);
  return temporary;
}

/** Everything is there and durable: the backup takes its place. */
export async function finishTarget(vfs: Vfs, out: string): Promise<void> {
  const temporary = temporaryOf(out);
  await vfs.syncDirectory(temporary);
  await vfs.remove(`${temporary}/${MARKER_NAME}`);
  await vfs.syncDirectory(temporary);
  await vfs.rename(temporary, out);
  await syncAncestors(vfs, out);
}

/** Removes what an interrupted backup has left, and nothing else. */
async function clear(vfs: Vfs, temporary: string, shards: readonly string[]): Promise<void> {
  const there = await entriesOf(vfs, temporary);
  if (there === undefined || there.length === 0) return;
  const foreign = there.find(({ name, kind }) => kind === "directory" ? !shards.includes(name) : kind !== "file");
  const isOurs = there.some(({ name }) => name === MARKER_NAME || name === "bimip.json");
  if (!isOurs || foreign !== undefined) {
    const what = foreign === undefined ? "is no interrupted backup" : `holds ${foreign.name}, which is not of this log`;
    throw conflict(temporary, `it is needed to make the backup in, and ${what}; remove it`);
  }
  for (const { name, kind } of there) {
    if (kind !== "directory") continue;
    for (const file of await vfs.list(`${temporary}/${name}`)) await vfs.remove(`${temporary}/${name}/${file.name}`);
  }
  // The marker last: without it nobody would know whose directory it is.
  const names = there.filter(({ kind }) => kind === "file").map(({ name }) => name);
  for (const name of names) if (name !== MARKER_NAME) await vfs.remove(`${temporary}/${name}`);
  if (names.includes(MARKER_NAME)) await vfs.remove(`${temporary}/${MARKER_NAME}`);
}

async function entriesOf(vfs: Vfs, directory: string): Promise<DirectoryEntry[] | undefined> {
  try {
    return await vfs.list(directory);
  } catch (error) {
    if (error instanceof VfsError && error.code === "NOT_FOUND") return undefined;
    if (error instanceof VfsError && error.code === "NOT_A_DIRECTORY") {
      throw conflict(directory, "it is not a directory");
    }
    throw error;
  }
}

function conflict(path: string, why: string): LogError {
  return new LogError("CONFLICT", `Cannot back up to ${path}: ${why}`, { file: path });
}
