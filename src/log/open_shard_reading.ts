/**
 * Opens one shard for reading only, beside whoever writes it, or because it is damaged.
 *
 * @module
 */
import { ANCHOR_NAME, anchorIdentity, type InstanceIds, sameInstance } from "../anchor/anchor.ts";
import type { End } from "../anchor/end.ts";
import { readSlotFile } from "../anchor/slot_file.ts";
import { LogError } from "../errors.ts";
import { isMissing } from "../if_there.ts";
import type { Engine } from "../options.ts";
import { ShardView } from "../read/shard_view.ts";
import { analyse, type Analysis } from "../recovery/analyse.ts";
import { lookForEnd } from "../recovery/hints.ts";
import { type Inventory, takeInventory } from "../recovery/inventory.ts";
import { UserTrims } from "../retention/user_trims.ts";
import { ReadOnlyShard } from "../shard/read_only_shard.ts";
import { readOnlyError } from "../shard/refusals.ts";
import { ShardTelemetry } from "../telemetry/shard_telemetry.ts";
import type { Vfs } from "../vfs.ts";
import { type OpenedShard, reportOf, type ShardPlace } from "./opened_shard.ts";
import { AnchorPublication } from "./publications.ts";

/** How often a reader looks before it believes that a shard is damaged. */
const MAX_LOOKS = 3;
/** How often it begins anew because a segment was dropped under it. */
const MAX_DROPS = 16;

/**
 * Opens a shard for reading: nothing is written, and nothing behind the published end is looked at.
 *
 * @param problem Why a log that was opened for writing can only be read.
 */
export async function openShardForReading(
  engine: Engine,
  place: ShardPlace,
  problem?: LogError,
): Promise<OpenedShard> {
  for (let left = MAX_DROPS;; left--) {
    try {
      return await openOnce(engine, place, problem);
    } catch (error) {
      // A segment was dropped at this moment.
      if (left === 1 || !isMissing(error)) throw error;
    }
  }
}

async function openOnce(engine: Engine, place: ShardPlace, problem: LogError | undefined): Promise<OpenedShard> {
  const started = engine.clock.monotonic();
  const { inventory, found } = await lookBesideWriter(engine, place);
  if (problem !== undefined) {
    const damaged: Analysis = { ...found, verdict: "corrupt", cutBytes: 0, problem: found.problem ?? problem };
    return await openDamaged(engine, place, inventory, damaged, started);
  }
  // Bytes behind the published end may be a torn tail, or a live writer's next batches: not a reader's business.
  const analysis: Analysis = found.problem === undefined ? { ...found, verdict: "clean", cutBytes: 0 } : found;
  const why = "the log was opened with readOnly";
  return openReadOnly(engine, place, inventory, analysis, started, readOnlyError(place.id, why));
}

/**
 * Files that a writer changes between two looks can contradict each other, as those of a new shard do: what seems damaged is
 * looked at again, and so is what a writer begins to publish meanwhile.
 */
async function lookBesideWriter(
  { vfs }: Engine,
  place: ShardPlace,
): Promise<{ inventory: Inventory; found: Analysis }> {
  for (let left = MAX_LOOKS;; left--) {
    const inventory = await takeInventory(vfs, place.directory, place.logId, place.id, "recent");
    const found = await analyse(vfs, inventory, place.instance);
    const isStill = found.problem === undefined && !await isPublishing(vfs, place, inventory);
    if (isStill || left === 1) return { inventory, found };
  }
}

/** True where a writer's first anchor came after the one that was read: what was scanned need not be published yet. */
async function isPublishing(vfs: Vfs, place: ShardPlace, { anchor }: Inventory): Promise<boolean> {
  if (anchor !== undefined && sameInstance(anchor.instance, place.instance)) return false;
  const slot = await readSlotFile(vfs, `${place.directory}/${ANCHOR_NAME}`, anchorIdentity(place.logId, place.id));
  return slot !== undefined && slot.generation !== anchor?.generation;
}

/** Opens a damaged shard: what can be read of it is. */
export function openDamaged(
  engine: Engine,
  place: ShardPlace,
  inventory: Inventory,
  analysis: Analysis,
  started: number,
): Promise<OpenedShard> {
  const reason = new LogError("READ_ONLY", analysis.problem!.message, { shard: place.id, cause: analysis.problem });
  return openReadOnly(engine, place, inventory, analysis, started, reason);
}

async function openReadOnly(
  engine: Engine,
  place: ShardPlace,
  inventory: Inventory,
  analysis: Analysis,
  started: number,
  reason: LogError,
): Promise<OpenedShard> {
  const { vfs, clock } = engine;
  const earliest = analysis.logStart;
  const { directory, logId, id, instance } = place;
  const end = await publishedEnd(vfs, inventory, analysis, instance);
  const publication = new AnchorPublication(
    vfs,
    clock,
    directory,
    logId,
    id,
    instance,
    inventory.anchor?.generation ?? 0,
    earliest,
    end,
  );
  const holes = inventory.state?.holes ?? false;
  const trims = new UserTrims(vfs, directory, { logId, shard: id });
  return {
    // Somebody else may write it at any time.
    trimOf: async (key) => {
      await trims.refresh();
      return trims.trimOf(key);
    },
    shard: new ReadOnlyShard(id, publication, analysis.synced.nextOffset, reason),
    view: new ShardView(vfs, directory, logId, id, holes, publication),
    report: reportOf(id, analysis, undefined, clock.monotonic() - started),
    remote: publication,
    telemetry: new ShardTelemetry(id, inventory.segments.length, clock),
  };
}

/**
 * What a scan finds behind the anchor may still be in flight: a reader stops where the anchor says. An anchor of another
 * instance was not written since: it may lag far behind what is durable, or name a place that others' batches have now.
 */
async function publishedEnd(
  vfs: Vfs,
  inventory: Inventory,
  analysis: Analysis,
  instance: InstanceIds,
): Promise<End> {
  const { anchor } = inventory;
  if (anchor === undefined || analysis.fromCleanMark || analysis.verdict === "corrupt") return analysis.end;
  const { written } = anchor;
  const areKnown = sameInstance(anchor.instance, anchor.instance) && sameInstance(instance, instance);
  const isOther = areKnown && !sameInstance(anchor.instance, instance);
  if (isOther || written.nextOffset >= analysis.end.nextOffset) return analysis.end;
  return (await lookForEnd(vfs, inventory, written)).kind === "found" ? written : analysis.end;
}
