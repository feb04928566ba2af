/**
 * Where a backup goes: it is made beside its place, and takes it once it is whole.
 *
 * @module
 */
import { LogError } from "../errors.ts";
import { isMissing } from "../if_there.ts";
import { writeNew } from "../recovery/whole_file.ts";
import { type DirectoryEntry, type Vfs, VfsError, type VfsLock } from "../vfs.ts";
import { syncAncestors } from "./ancestors.ts";
import { BACKUP_MARKER } from "./unfinished.ts";

const MARKER = "A backup is being made here, or was interrupted. The next one to the same place begins anew.\n";

/** A log has such a file. Until there is one, it keeps others from making a backup at the same place. */
const LOCK_NAME = "lock";

/** A backup that is being made. */
export interface Target {
  /** The directory in which it is made. */
  readonly temporary: string;
  readonly lock: VfsLock;
}

/**
 * Makes the directory in which a backup is made, with an empty directory for each shard.
 *
 * @param shards Names of the shards' directories.
 * @throws {LogError} `CONFLICT` where something else stands in the way, `LOCKED` where another backup is being made there.
 */
export async function prepareTarget(vfs: Vfs, out: string, shards: readonly string[]): Promise<Target> {
  const temporary = `${out}.tmp`;
  const there = await entriesOf(vfs, out);
  if (there !== undefined && there.length > 0) {
    throw conflict(out, `it holds ${there[0].name}; name a new directory, or an empty one`);
  }
  refuseForeign(temporary, await entriesOf(vfs, temporary) ?? [], shards);
  await vfs.makeDirectory(temporary);
  const lock = await takeLock(vfs, temporary, out);
  try {
    await clear(vfs, temporary);
    await writeNew(vfs, `${temporary}/${BACKUP_MARKER}`, new TextEncoder().encode(MARKER));
    for (const name of shards) await vfs.makeDirectory(`${temporary}/${name}`);
    // Where there is a manifest later, everything else is there, too.
    await vfs.syncDirectory(temporary);
    return { temporary, lock };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** Everything is there and durable: the backup takes its place. */
export async function finishTarget(vfs: Vfs, { temporary, lock }: Target, out: string): Promise<void> {
  await vfs.syncDirectory(temporary);
  await vfs.remove(`${temporary}/${BACKUP_MARKER}`);
  await vfs.syncDirectory(temporary);
  await lock.release();
  await vfs.rename(temporary, out);
  await syncAncestors(vfs, out);
}

async function takeLock(vfs: Vfs, temporary: string, out: string): Promise<VfsLock> {
  try {
    return await vfs.lock(`${temporary}/${LOCK_NAME}`, "exclusive");
  } catch (error) {
    if (!(error instanceof VfsError) || error.code !== "BUSY") throw error;
    throw new LogError(
      "LOCKED",
      `Cannot back up to ${out}: another backup is being made there; name another directory`,
      {
        file: temporary,
        cause: error,
      },
    );
  }
}

/** Nothing is removed that an interrupted backup of this log has not made. */
function refuseForeign(temporary: string, there: readonly DirectoryEntry[], shards: readonly string[]): void {
  if (there.every(({ name }) => name === LOCK_NAME)) return;
  const foreign = there.find(({ name, kind }) => kind === "directory" ? !shards.includes(name) : kind !== "file");
  const isOurs = there.some(({ name }) => name === BACKUP_MARKER || name === "bimip.json");
  if (isOurs && foreign === undefined) return;
  const what = foreign === undefined ? "is no interrupted backup" : `holds ${foreign.name}, which is not of this log`;
  throw conflict(temporary, `it is needed to make the backup in, and ${what}; remove it`);
}

/** Removes what an interrupted backup has left. */
async function clear(vfs: Vfs, temporary: string): Promise<void> {
  const there = await vfs.list(temporary);
  for (const { name, kind } of there) {
    if (kind !== "directory") continue;
    for (const file of await vfs.list(`${temporary}/${name}`)) await vfs.remove(`${temporary}/${name}/${file.name}`);
  }
  const names = there.filter(({ name, kind }) => kind === "file" && name !== LOCK_NAME).map(({ name }) => name);
  // The marker last: without it nobody would know whose directory it is.
  for (const name of names) if (name !== BACKUP_MARKER) await vfs.remove(`${temporary}/${name}`);
  if (names.includes(BACKUP_MARKER)) await vfs.remove(`${temporary}/${BACKUP_MARKER}`);
}

async function entriesOf(vfs: Vfs, directory: string): Promise<DirectoryEntry[] | undefined> {
  try {
    return await vfs.list(directory);
  } catch (error) {
    if (isMissing(error)) return undefined;
    if (error instanceof VfsError && error.code === "NOT_A_DIRECTORY") {
      throw conflict(directory, "it is not a directory");
    }
    throw error;
  }
}

function conflict(path: string, why: string): LogError {
  return new LogError("CONFLICT", `Cannot back up to ${path}: ${why}`, { file: path });
}
