/**
 * The backup of an open log.
 *
 * @module
 */
import { backUp } from "../backup/backup.ts";
import type { BackupOptions, BackupReport, BackupSource } from "../backup/backup_types.ts";
import { asLogError, LogError } from "../errors.ts";
import { ReadOnlyShard } from "../shard/read_only_shard.ts";
import type { Vfs } from "../vfs.ts";
import { type Manifest, shardDirectory, writeManifest } from "./manifest.ts";
import type { OpenedShard } from "./opened_shard.ts";

/** What a backup needs of its log. */
export interface BackupParts {
  readonly vfs: Vfs;
  readonly directory: string;
  readonly manifest: Manifest;
  readonly opened: readonly OpenedShard[];
}

/** Copies an open log to `out`. */
export async function backUpOpened(parts: BackupParts, out: string, options: BackupOptions): Promise<BackupReport> {
  const { vfs, directory, manifest, opened } = parts;
  const target = backupTarget(out);
  try {
    for (const one of opened) refuseDamaged(one);
    return await backUp(
      {
        vfs,
        directory,
        sources: opened.map((one) => sourceOf(directory, manifest, one)),
        writeManifest: (into) => writeManifest(vfs, into, manifest),
      },
      target,
      options,
    );
  } catch (error) {
    throw asLogError(error, `back up the log in ${directory} to ${target}`);
  }
}

/**
 * Where a backup goes, without the slashes at its end: it is made beside it.
 *
 * @throws {TypeError} where it is no path.
 */
export function backupTarget(out: string): string {
  if (typeof out !== "string" || out === "" || out.includes("\0")) {
    throw new TypeError("Cannot back up: the target must be a path");
  }
  return out.replace(/(?<=.)\/+$/, "");
}

function sourceOf(directory: string, { topic, id }: Manifest, { shard, view }: OpenedShard): BackupSource {
  return {
    shard: shard.id,
    logId: id,
    name: `${topic}-${shard.id}`,
    directory: shardDirectory(directory, topic, shard.id),
    end: async () => {
      await view.publication.refresh();
      return view.publication.end;
    },
  };
}

/** What is damaged is not copied as if it were whole. */
function refuseDamaged({ shard, report }: OpenedShard): void {
  if (!(shard instanceof ReadOnlyShard) || (report.verdict !== "corrupt" && report.verdict !== "loss")) return;
  const isLoss = report.verdict === "loss";
  throw new LogError(
    isLoss ? "DATA_LOSS" : "CORRUPT_FILE",
    `Cannot back up the log: shard ${shard.id} ${isLoss ? "lacks acknowledged records" : "is damaged"}; ` +
      "see bimiplog verify and bimiplog repair, or copy the files as they are",
    { shard: shard.id },
  );
}
