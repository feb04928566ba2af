/**
 * Makes a shard's files what the analysis says they are. Nothing is deleted that holds data: it is set aside first. Every step
 * can be interrupted and done again.
 *
 * @module
 */
import { ANCHOR_NAME, anchorIdentity, fillAnchor, type InstanceIds, sameInstance } from "../anchor/anchor.ts";
import type { End } from "../anchor/end.ts";
import { SlotFile } from "../anchor/slot_file.ts";
import { epochStartIn, fillState, type State, STATE_NAME, stateIdentity } from "../anchor/state.ts";
import { openIfThere } from "../if_there.ts";
import { indexBases, indexPath, logPath, quarantinePath, segmentName } from "../segment/names.ts";
import { type Vfs, VfsError, type VfsFile } from "../vfs.ts";
import type { Analysis } from "./analyse.ts";
import type { Inventory } from "./inventory.ts";
import { ownFile } from "./own_file.ts";

const COPY_BYTES: number = 1024 * 1024;

/** Outcome of a repair. */
export interface Repaired {
  /** Path of what was set aside first; `undefined` where nothing was. */
  readonly keptAside: string | undefined;
}

/**
 * Cuts the tail, sets later segments aside, and lets state and anchor say where data ends now.
 *
 * @param logId The log's id.
 * @param instance This run of the machine.
 */
export async function repair(
  vfs: Vfs,
  inventory: Inventory,
  analysis: Analysis,
  logId: Uint8Array,
  instance: InstanceIds,
): Promise<Repaired> {
  const { directory } = inventory;
  const { end } = analysis;
  let keptAside: string | undefined;
  if (analysis.cutBytes > 0) {
    keptAside = await keepTail(vfs, directory, end, analysis.cutBytes);
  }
  for (const base of analysis.laterSegments) {
    const { bytes } = inventory.segments.find((segment) => segment.base === base)!;
    if (bytes === 0) await vfs.remove(logPath(directory, base));
    else {
      const aside = await freeName(vfs, directory, base, 0);
      await vfs.rename(logPath(directory, base), aside);
      keptAside ??= aside;
    }
  }
  if (keptAside !== undefined || analysis.laterSegments.length > 0) await vfs.syncDirectory(directory);
  if (analysis.cutBytes > 0) {
    await ownFile(vfs, directory, segmentName(end.segment));
    const log = await vfs.open(logPath(directory, end.segment), "write");
    try {
      await log.truncate(end.position);
      // Without this sync the old bytes could come back behind new ones at the next power loss.
      await log.sync();
    } finally {
      await log.close();
    }
  }
  if (!analysis.fromCleanMark) await removeIndexesBehind(vfs, inventory, end);
  const isChanged = analysis.cutBytes > 0 || analysis.laterSegments.length > 0 || analysis.problem !== undefined;
  if (isChanged) await writeState(vfs, inventory, analysis, logId);
  if (isChanged || !isPublished(inventory, analysis, instance)) {
    await writeAnchor(vfs, inventory, analysis, logId, instance);
  }
  return { keptAside };
}

/** True where readers in other processes already see what was found. */
function isPublished(
  { segments, anchor }: Inventory,
  { fromCleanMark, end }: Analysis,
  instance: InstanceIds,
): boolean {
  if (fromCleanMark || segments.length === 0) return true;
  return anchor !== undefined && sameInstance(anchor.instance, instance) &&
    anchor.written.nextOffset === end.nextOffset;
}

/**
 * An index behind the end is of a segment that is not there any more. Were it still there when another segment of that
 * name begins, a power loss could bring its rows back for batches they do not describe.
 */
async function removeIndexesBehind(vfs: Vfs, { directory, entries, segments }: Inventory, end: End): Promise<void> {
  const hasLast = segments.some((segment) => segment.base === end.segment);
  for (const base of indexBases(entries)) {
    if (base < end.segment || (base === end.segment && hasLast)) continue;
    try {
      await vfs.remove(indexPath(directory, base));
    } catch (error) {
      // An index never stops a log.
      if (!(error instanceof VfsError)) throw error;
    }
  }
}

/** Copies the bytes behind `end` into a file of their own. A tail of zeros only is worth no copy. */
async function keepTail(vfs: Vfs, directory: string, end: End, bytes: number): Promise<string | undefined> {
  const log = await vfs.open(logPath(directory, end.segment), "read");
  let copy: VfsFile | undefined;
  let path: string | undefined;
  let isComplete = false;
  try {
    const buffer = new Uint8Array(Math.min(COPY_BYTES, bytes));
    for (let done = 0; done < bytes; done += buffer.length) {
      const piece = buffer.subarray(0, Math.min(buffer.length, bytes - done));
      const read = await log.read(piece, end.position + done);
      const filled = piece.subarray(0, read);
      if (copy === undefined && filled.every((byte) => byte === 0)) continue;
      if (copy === undefined) {
        path = await freeName(vfs, directory, end.segment, end.position);
        copy = await vfs.open(path, "create");
      }
      await copy.write(filled, done);
    }
    await copy?.sync();
    isComplete = true;
    return path;
  } finally {
    await log.close();
    await copy?.close();
    // On a full disk every further opening would leave another piece of a copy.
    if (path !== undefined && !isComplete) await removeIfPossible(vfs, path);
  }
}

async function removeIfPossible(vfs: Vfs, path: string): Promise<void> {
  try {
    await vfs.remove(path);
  } catch (error) {
    if (!(error instanceof VfsError)) throw error;
  }
}

/** A quarantine name that is not taken. */
async function freeName(vfs: Vfs, directory: string, base: number, position: number): Promise<string> {
  for (let attempt = 0;; attempt++) {
    const path = quarantinePath(directory, base, position, attempt);
    const file = await openIfThere(vfs, path, "read");
    if (file === undefined) return path;
    await file.close();
  }
}

/** After a cut a clean mark of the life before would be misleading. */
async function writeState(vfs: Vfs, inventory: Inventory, analysis: Analysis, logId: Uint8Array): Promise<void> {
  const { directory, shard, state } = inventory;
  const repaired: State = {
    // Anchors from before a loss that was accepted are of an older epoch from now on, and no longer believed.
    ...(analysis.problem === undefined
      ? { epoch: analysis.epoch, epochStart: epochStartIn(state, analysis.epoch) }
      : { epoch: analysis.epoch + 1, epochStart: analysis.end.nextOffset }),
    logStart: analysis.logStart,
    holes: state?.holes ?? false,
    hasTrims: state?.hasTrims ?? false,
    clean: undefined,
  };
  const file = await SlotFile.open(vfs, `${directory}/${STATE_NAME}`, stateIdentity(logId, shard));
  try {
    await file.write(repaired.epoch, (slot) => fillState(slot, repaired));
    await file.sync();
  } finally {
    await file.close();
  }
  await vfs.syncDirectory(directory);
}

/** What was found is published. The anchor is a hint, so it is not synced. */
async function writeAnchor(
  vfs: Vfs,
  inventory: Inventory,
  analysis: Analysis,
  logId: Uint8Array,
  instance: InstanceIds,
): Promise<void> {
  const { directory, shard } = inventory;
  const file = await SlotFile.open(vfs, `${directory}/${ANCHOR_NAME}`, anchorIdentity(logId, shard));
  try {
    // The cut synced the end's segment only: one before it may still be in the page cache.
    const synced = analysis.cutBytes > 0 && analysis.synced.segment === analysis.end.segment
      ? analysis.end
      : analysis.synced;
    await file.write(analysis.epoch, (slot) => fillAnchor(slot, instance, analysis.end, synced));
  } finally {
    await file.close();
  }
}
