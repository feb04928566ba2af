/**
 * Opens one shard for writing: looks, decides, repairs, and hands out what can be read and written.
 *
 * @module
 */
import { sameInstance } from "../anchor/anchor.ts";
import type { End } from "../anchor/end.ts";
import { STATE_NAME } from "../anchor/state.ts";
import { ShardProducers } from "../idempotence/shard_producers.ts";
import type { IndexIdentity } from "../index/rows.ts";
import type { Engine } from "../options.ts";
import { ShardView } from "../read/shard_view.ts";
import { analyse, type Analysis } from "../recovery/analyse.ts";
import { type Inventory, takeInventory } from "../recovery/inventory.ts";
import { knownRows } from "../recovery/known_rows.ts";
import { ownFile } from "../recovery/own_file.ts";
import { repair } from "../recovery/repair.ts";
import { restoreIndex } from "../recovery/restore_index.ts";
import { UserTrims } from "../retention/user_trims.ts";
import { indexPath, segmentName } from "../segment/names.ts";
import { Committer } from "../shard/committer.ts";
import { syncFile } from "../shard/segment_files.ts";
import type { ShardContext } from "../shard/shard_context.ts";
import { ShardWriter } from "../shard/shard_writer.ts";
import type { WriteModeChoice } from "../shard/write_mode.ts";
import type { Tell } from "../telemetry/logger.ts";
import { ShardTelemetry } from "../telemetry/shard_telemetry.ts";
import type { Vfs } from "../vfs.ts";
import { openDamaged } from "./open_shard_reading.ts";
import { openUserIndex } from "./open_user_index.ts";
import { type OpenedShard, reportOf, type ShardPlace } from "./opened_shard.ts";
import { LocalPublication } from "./publications.ts";

/**
 * Opens a shard for writing. A damaged one is opened for reading only.
 *
 * @throws {LogError} `DATA_LOSS` where acknowledged data is gone and `acceptDataLoss` is false.
 */
export async function openShardForWriting(
  engine: Engine,
  place: ShardPlace,
  acceptDataLoss: boolean,
  writeMode: WriteModeChoice,
  context: Omit<ShardContext, "id" | "epoch" | "trims" | "telemetry" | "keys">,
  tell?: Tell,
  shardsOfLog = 1,
): Promise<OpenedShard> {
  const { vfs, clock } = engine;
  const started = clock.monotonic();
  const inventory = await takeInventory(vfs, place.directory, place.logId, place.id, "recent");
  const analysis = await analyse(vfs, inventory, place.instance);
  if (analysis.verdict === "corrupt") return openDamaged(engine, place, inventory, analysis, started);
  if (analysis.problem !== undefined && !acceptDataLoss) throw analysis.problem;
  // What lies in front of the log start may be removed from here on, and readers are told where it is.
  if (!inventory.isStartDurable) await syncFile(vfs, `${place.directory}/${STATE_NAME}`);
  const { keptAside } = await repair(vfs, inventory, analysis, place.logId, place.instance);
  const segmentExists = inventory.segments.some((segment) => segment.base === analysis.end.segment);
  // It is continued in place, and a backup may have linked it while it was a finished one.
  if (segmentExists) await ownFile(vfs, place.directory, segmentName(analysis.end.segment));
  const holes = inventory.state?.holes ?? false;
  const end = segmentExists ? await withIndex(vfs, place, inventory, analysis) : analysis.end;
  const trims = new UserTrims(vfs, place.directory, { logId: place.logId, shard: place.id });
  const hasTrims = inventory.hasTrims || (inventory.state?.hasTrims ?? false);
  if (hasTrims) {
    await trims.load(true);
    await trims.clamp(end.nextOffset, async (from, to) => {
      await vfs.rename(from, to);
      await vfs.syncDirectory(place.directory);
    });
  }
  const epoch = analysis.epoch + 1;
  const users = await openUserIndex(engine, place, inventory, context.limits, shardsOfLog, {
    earliest: analysis.logStart,
    end,
  });
  const found = inventory.segments.filter((segment) => segment.base <= end.segment).length;
  const telemetry = new ShardTelemetry(place.id, found, clock, context.limits.slowSyncMs, tell);
  const { directory, logId, id } = place;
  const { producerExpiryMs: expiryMs } = context.limits;
  const task = { vfs, directory, logId, shard: id, end, expiryMs };
  const producers = new ShardProducers(task, clock, inventory.hasSnapshots);
  const committer = new Committer({
    producers,
    onWritten: (batches) => users.indexer?.written(batches),
    vfs,
    clock,
    directory: place.directory,
    logId: place.logId,
    shard: place.id,
    instance: place.instance,
    segmentBytes: context.limits.segmentBytes,
    maxUnsyncedBytes: context.limits.maxUnsyncedBytes,
    writeMode,
    telemetry,
    state: {
      epoch,
      epochStart: end.nextOffset,
      logStart: analysis.logStart,
      holes,
      hasTrims,
      clean: analysis.fromCleanMark ? end : undefined,
    },
    // A loss that was accepted is noted with an epoch of its own.
    stateEpoch: analysis.problem === undefined ? analysis.epoch : epoch,
    epoch,
    end,
    synced: analysis.synced,
    segmentExists,
    unsyncedSegments: unsyncedSegments(inventory, analysis),
  });
  const shard = new ShardWriter(
    { ...context, id: place.id, epoch, trims, telemetry, keys: users.keys },
    committer,
    producers,
  );
  const view = new ShardView(vfs, place.directory, place.logId, place.id, holes, new LocalPublication(shard));
  return {
    shard,
    view,
    users: users.begin(view),
    report: reportOf(place.id, analysis, keptAside, clock.monotonic() - started),
    remote: undefined,
    telemetry,
    dropped: inventory.dropped,
    trimOf: (key) => trims.trimOf(key),
  };
}

/** At most one finished segment is unsynced at a time: the last one before the end's. */
function unsyncedSegments({ segments }: Inventory, { end, synced }: Analysis): number[] {
  if (synced.nextOffset >= end.nextOffset) return [];
  const bases = segments.map((segment) => segment.base).filter((base) => base <= end.segment);
  return bases.slice(synced.nextOffset < end.segment ? -2 : -1);
}

/** Makes sure that rows can go on behind the end. */
async function withIndex(vfs: Vfs, place: ShardPlace, inventory: Inventory, analysis: Analysis): Promise<End> {
  const { end } = analysis;
  const identity: IndexIdentity = { logId: place.logId, shard: place.id, base: end.segment };
  const path = indexPath(place.directory, end.segment);
  const known = await knownRows(vfs, path, analysis.fromCleanMark ? end : writtenHere(inventory, place, end));
  if (known?.isWhole && known.end === end) return end;
  return await restoreIndex(vfs, place.directory, identity, end, inventory.state?.holes ?? false, known?.end);
}

/** What was written in this instance is there as it was written. */
function writtenHere({ anchor }: Inventory, { instance }: ShardPlace, end: End): End | undefined {
  if (anchor === undefined || !sameInstance(anchor.instance, instance)) return undefined;
  const { written } = anchor;
  return written.segment === end.segment && written.nextOffset <= end.nextOffset ? written : undefined;
}
