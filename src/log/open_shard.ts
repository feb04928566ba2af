/**
 * Opens one shard: looks, decides, repairs, and hands out what can be read and written.
 *
 * @module
 */
import { ANCHOR_NAME, anchorIdentity, type InstanceIds, sameInstance } from "../anchor/anchor.ts";
import type { End } from "../anchor/end.ts";
import { readSlotFile } from "../anchor/slot_file.ts";
import { LogError } from "../errors.ts";
import type { IndexIdentity } from "../index/rows.ts";
import type { Engine } from "../options.ts";
import { isGone } from "../read/retained.ts";
import { ShardView } from "../read/shard_view.ts";
import { analyse, type Analysis, type Verdict } from "../recovery/analyse.ts";
import { lookForEnd } from "../recovery/hints.ts";
import { type Inventory, takeInventory } from "../recovery/inventory.ts";
import { repair } from "../recovery/repair.ts";
import { restoreIndex } from "../recovery/restore_index.ts";
import { knownRows } from "../recovery/known_rows.ts";
import { indexPath } from "../segment/names.ts";
import { UserTrims } from "../retention/user_trims.ts";
import { Committer } from "../shard/committer.ts";
import { ReadOnlyShard } from "../shard/read_only_shard.ts";
import { readOnlyError } from "../shard/refusals.ts";
import type { ShardContext } from "../shard/shard_context.ts";
import { ShardWriter } from "../shard/shard_writer.ts";
import type { WriteModeChoice } from "../shard/write_mode.ts";
import type { MaybePromise, Vfs } from "../vfs.ts";
import { AnchorPublication, localPublication } from "./publications.ts";

/** How often a reader looks before it believes that a shard is damaged. */
const MAX_LOOKS = 3;
/** How often it begins anew because a segment was dropped under it. */
const MAX_DROPS = 16;

/** What opening found in a shard. */
export interface RecoveryReport {
  /** Number of the shard. */
  readonly shard: number;
  /** `clean`, `torn` (a tail was cut off), `loss` (acknowledged data is gone), `corrupt` (read-only). */
  readonly verdict: Verdict;
  /** Bytes that were cut off. */
  readonly cutBytes: number;
  /** File that holds them; absent where nothing was cut, or only zeros. */
  readonly keptAside?: string;
  /** How long looking, deciding and repairing took. */
  readonly durationMs: number;
}

/** Where a shard lies and to which log it belongs. */
export interface ShardPlace {
  readonly directory: string;
  readonly logId: Uint8Array;
  readonly id: number;
  readonly instance: InstanceIds;
}

/** A shard of an open log. */
export interface OpenedShard {
  readonly shard: ShardWriter | ReadOnlyShard;
  readonly view: ShardView;
  readonly report: RecoveryReport;
  /** Ends followers; for a shard that this program does not write. */
  readonly remote: AnchorPublication | undefined;
  /** Segments below the log start of which there still are files, of a trim that was interrupted. */
  readonly dropped?: readonly number[];
  /** The user's records below the answer are hidden. */
  readonly trimOf: (key: Uint8Array) => MaybePromise<number>;
}

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
  context: Omit<ShardContext, "id" | "epoch" | "trims">,
): Promise<OpenedShard> {
  const { vfs, clock } = engine;
  const started = clock.monotonic();
  const inventory = await takeInventory(vfs, place.directory, place.logId, place.id, "recent");
  const analysis = await analyse(vfs, inventory, place.instance);
  if (analysis.verdict === "corrupt") return openDamaged(engine, place, inventory, analysis, started);
  if (analysis.problem !== undefined && !acceptDataLoss) throw analysis.problem;
  const { keptAside } = await repair(vfs, inventory, analysis, place.logId, place.instance);
  const segmentExists = inventory.segments.some((segment) => segment.base === analysis.end.segment);
  const holes = inventory.state?.holes ?? false;
  const end = segmentExists ? await withIndex(vfs, place, inventory, analysis) : analysis.end;
  const trims = new UserTrims(vfs, place.directory, { logId: place.logId, shard: place.id });
  if (inventory.hasTrims) {
    await trims.load();
    await trims.clamp(end.nextOffset, async (from, to) => {
      await vfs.rename(from, to);
      await vfs.syncDirectory(place.directory);
    });
  }
  const epoch = analysis.epoch + 1;
  const committer = new Committer({
    vfs,
    clock,
    directory: place.directory,
    logId: place.logId,
    shard: place.id,
    instance: place.instance,
    segmentBytes: context.limits.segmentBytes,
    maxUnsyncedBytes: context.limits.maxUnsyncedBytes,
    writeMode,
    state: {
      epoch,
      epochStart: end.nextOffset,
      logStart: analysis.logStart,
      holes,
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
  const shard = new ShardWriter({ ...context, id: place.id, epoch, trims }, committer);
  const view = new ShardView(vfs, place.directory, place.logId, place.id, holes, localPublication(shard));
  return {
    shard,
    view,
    report: reportOf(place.id, analysis, keptAside, clock.monotonic() - started),
    remote: undefined,
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
      if (left === 1 || !isGone(error)) throw error;
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

function openDamaged(
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
      await trims.load();
      return trims.trimOf(key);
    },
    shard: new ReadOnlyShard(id, publication, analysis.synced.nextOffset, reason),
    view: new ShardView(vfs, directory, logId, id, holes, publication),
    report: reportOf(id, analysis, undefined, clock.monotonic() - started),
    remote: publication,
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

function reportOf(
  shard: number,
  analysis: Analysis,
  keptAside: string | undefined,
  durationMs: number,
): RecoveryReport {
  const { verdict, cutBytes } = analysis;
  return { shard, verdict, cutBytes, durationMs, ...(keptAside === undefined ? {} : { keptAside }) };
}
