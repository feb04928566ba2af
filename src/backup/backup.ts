/**
 * A consistent copy of a log that may be written meanwhile: of each shard everything up to a published end.
 *
 * @module
 */
import { LogError } from "../errors.ts";
import { type Vfs, VfsError } from "../vfs.ts";
import { parentOf } from "./ancestors.ts";
import { backUpShard, bytesToCopy } from "./backup_shard.ts";
import type { BackupOptions, BackupReport, BackupShard, BackupSource } from "./backup_types.ts";
import { Copier } from "./copier.ts";
import { copyOtherFiles } from "./other_files.ts";
import { finishTarget, prepareTarget, type Target } from "./target.ts";
import { BACKUP_MARKER } from "./unfinished.ts";

/** Left free beside the copy. */
const RESERVE_BYTES = 1024 * 1024;

/** What is copied. */
export interface BackupWork {
  readonly vfs: Vfs;
  readonly directory: string;
  readonly sources: readonly BackupSource[];
  /** Writes the manifest into a directory, durably. */
  writeManifest(directory: string): Promise<void>;
}

/** Copies a log to `out`, which is there, whole and durable, once this resolves; and not there at all before. */
export async function backUp(work: BackupWork, out: string, options: BackupOptions): Promise<BackupReport> {
  options.signal?.throwIfAborted();
  const target = await prepareTarget(work.vfs, out, work.sources.map((source) => source.name));
  try {
    return await fill(work, target, out, options);
  } finally {
    await target.lock.release();
  }
}

async function fill(work: BackupWork, target: Target, out: string, options: BackupOptions): Promise<BackupReport> {
  const { vfs, directory, sources } = work;
  const { temporary } = target;
  const mayLink = await canLink(vfs, directory, temporary);
  let totalBytes = 0;
  for (const source of sources) totalBytes += await bytesToCopy(vfs, source, mayLink);
  await checkSpace(vfs, out, totalBytes);
  const copier = new Copier(vfs, mayLink, totalBytes, options);
  await copyOtherFiles(vfs, copier, directory, temporary);
  const shards: BackupShard[] = [];
  for (const source of sources) shards.push(await backUpShard(copier, source, `${temporary}/${source.name}`));
  await work.writeManifest(temporary);
  options.signal?.throwIfAborted();
  await finishTarget(vfs, target, out);
  return { directory: out, shards, linkedBytes: copier.linkedBytes, copiedBytes: copier.copiedBytes };
}

/** Whether a file of the log can have a second name where the backup is made: found out by trying. */
async function canLink(vfs: Vfs, directory: string, temporary: string): Promise<boolean> {
  if (vfs.link === undefined) return false;
  const probe = `${temporary}/${BACKUP_MARKER}.link`;
  try {
    await vfs.link(`${directory}/bimip.json`, probe);
    await vfs.remove(probe);
    return true;
  } catch (error) {
    if (error instanceof VfsError) return false;
    throw error;
  }
}

async function checkSpace(vfs: Vfs, out: string, bytes: number): Promise<void> {
  const free = await vfs.freeBytes?.(parentOf(out));
  if (free === undefined || free >= bytes + RESERVE_BYTES) return;
  throw new LogError(
    "DISK_FULL",
    `Cannot back up to ${out}: ${bytes} bytes are to be copied and ${free} are free; free some space, or choose another disk`,
    { file: out },
  );
}
