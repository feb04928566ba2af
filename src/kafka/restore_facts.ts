/**
 * Makes a log of restored segments: indexes, state, anchor, manifest.
 *
 * @module
 */
import { instanceIds } from "../anchor/anchor.ts";
import { emptyEnd } from "../anchor/end.ts";
import { LogError } from "../errors.ts";
import { type Manifest, shardDirectory, writeManifest } from "../log/manifest.ts";
import { listBases } from "../recovery/inventory.ts";
import { restoreIndexes, writeFacts } from "../recovery/rebuild_apply.ts";
import { scanSegment } from "../recovery/scan.ts";
import { logPath } from "../segment/names.ts";
import type { Vfs } from "../vfs.ts";

/** Writes what a log has beside its `.log` files; the manifest comes last, and with it the log is there. */
export async function writeLogFacts(
  vfs: Vfs,
  directory: string,
  manifest: Manifest,
  logStarts: readonly number[],
): Promise<void> {
  const instance = instanceIds(await vfs.instance(directory));
  for (const [shard, logStart] of logStarts.entries()) {
    const place = { directory: shardDirectory(directory, manifest.topic, shard), logId: manifest.id, shard, instance };
    const indexes = await listBases(vfs, place.directory);
    const { holes, epoch } = await survey(vfs, place.directory, indexes);
    const facts = { epoch, epochStart: undefined, logStart, holes, hasTrims: false };
    const ends = await restoreIndexes(vfs, place, { indexes, facts });
    await writeFacts(vfs, place, facts, ends);
  }
  await vfs.syncDirectory(directory);
  await writeManifest(vfs, directory, manifest);
}

/** Whether offsets are missing between batches, and the last epoch. */
async function survey(
  vfs: Vfs,
  directory: string,
  bases: readonly number[],
): Promise<{ holes: boolean; epoch: number }> {
  let holes = false;
  let epoch = 0;
  let next = bases[0];
  for (const base of bases) {
    if (base !== next) holes = true;
    const path = logPath(directory, base);
    const file = await vfs.open(path, "read");
    try {
      const size = await file.size();
      const scan = (holes: boolean): ReturnType<typeof scanSegment> =>
        scanSegment(file, size, emptyEnd(base), epoch, { holes, maxEpoch: undefined, began: undefined });
      let result = await scan(false);
      if (result.fault !== undefined) {
        holes = true;
        result = await scan(true);
      }
      if (result.fault !== undefined) {
        throw new LogError(
          "CORRUPT_BATCH",
          `Cannot restore ${path}: at position ${result.end.position} ${result.fault}`,
          {
            file: path,
            position: result.end.position,
          },
        );
      }
      ({ epoch } = result);
      next = result.end.nextOffset;
    } finally {
      await file.close();
    }
  }
  return { holes, epoch };
}
