/**
 * The backup of a log on a cluster: an embedded log with all that its topic has.
 *
 * @module
 */
import { runtimeVfs } from "../../../adapters/runtime.ts";
import type { BackupOptions, BackupReport, BackupShard } from "../../backup/backup_types.ts";
import { sizeOf } from "../../backup/copier.ts";
import { backupTarget } from "../../log/backup.ts";
import { shardDirectory } from "../../log/manifest.ts";
import { listBases } from "../../recovery/inventory.ts";
import { logPath } from "../../segment/names.ts";
import { restoreFromKafka, type RestoreProgress } from "../restore.ts";
import type { Cluster } from "./cluster.ts";

/** Makes it; one that was interrupted goes on where it was. */
export async function backUpTopic(
  { options }: Pick<Cluster, "options">,
  out: string,
  { signal, onProgress }: BackupOptions,
): Promise<BackupReport> {
  const vfs = runtimeVfs();
  const directory = backupTarget(out);
  const tell = ({ bytes, records, lag }: RestoreProgress): void =>
    // What a broker still has is known in records.
    onProgress?.(bytes, records === 0 ? bytes : Math.round(bytes * (records + lag) / records));
  const { shards } = await restoreFromKafka(directory, {
    ...options,
    vfs,
    onProgress: tell,
    ...(signal === undefined ? {} : { signal }),
  });
  const copied: BackupShard[] = [];
  for (const [shard, { earliest, nextOffset }] of shards.entries()) {
    const place = shardDirectory(directory, options.topic, shard);
    const bases = await listBases(vfs, place);
    let copiedBytes = 0;
    for (const base of bases) copiedBytes += await sizeOf(vfs, logPath(place, base));
    copied.push({ shard, earliest, nextOffset, segments: bases.length, linkedBytes: 0, copiedBytes });
  }
  const copiedBytes = copied.reduce((sum, shard) => sum + shard.copiedBytes, 0);
  return { directory, shards: copied, linkedBytes: 0, copiedBytes };
}
