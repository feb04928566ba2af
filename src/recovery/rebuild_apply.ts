/**
 * Does what the note of a repair says. Each step looks whether it was done, so that all of them can be done again after a crash
 * at any of them; the note goes last.
 *
 * @module
 */
import { emptyEnd, type End } from "../anchor/end.ts";
import { openIfThere } from "../if_there.ts";
import { ROW_BYTES, writeSealRow } from "../index/rows.ts";
import { indexPath, logPath, parseUserTable, segmentName } from "../segment/names.ts";
import { type Vfs, VfsError } from "../vfs.ts";
import { dropSnapshots } from "./drop_snapshots.ts";
import { listBases } from "./inventory.ts";
import { ownFile } from "./own_file.ts";
import { rebuiltPath, removeIntent, type RepairIntent } from "./rebuild_intent.ts";
import { removeIfThere } from "./whole_file.ts";
import { rewriteAnchor, rewriteState } from "./rebuild_slots.ts";
import type { PlanPlace } from "./rebuild_types.ts";
import { endOfSegment } from "./rebuild_write.ts";
import { restoreIndex } from "./restore_index.ts";

/** Carries out the note, from whichever step on. */
export async function carryOut(vfs: Vfs, place: PlanPlace, intent: RepairIntent): Promise<void> {
  const { directory } = place;
  for (const [from, to] of intent.moves) await move(vfs, `${directory}/${from}`, `${directory}/${to}`);
  // An index must never stand beside a segment that it was not made for.
  for (const base of intent.indexes) await removeIfThere(vfs, indexPath(directory, base));
  // Records may be gone, and others elsewhere: the next writer makes these again.
  for (const { name } of await vfs.list(directory)) {
    if (parseUserTable(name) !== undefined) await removeIfThere(vfs, `${directory}/${name}`);
  }
  await dropSnapshots(vfs, directory, intent);
  await vfs.syncDirectory(directory);
  for (const { base, aside } of intent.rebuilt) {
    if (!await exists(vfs, rebuiltPath(directory, base))) continue;
    if (aside !== null && await exists(vfs, logPath(directory, base))) {
      await vfs.rename(logPath(directory, base), `${directory}/${aside}`);
      // Were only the next renaming durable, the old bytes would be gone.
      await vfs.syncDirectory(directory);
    }
    await vfs.rename(rebuiltPath(directory, base), logPath(directory, base));
  }
  await vfs.syncDirectory(directory);
  if (intent.cut !== null) await ownFile(vfs, directory, segmentName(intent.cut.base));
  if (intent.cut !== null) await cut(vfs, logPath(directory, intent.cut.base), intent.cut.position);
  const ends = await restoreIndexes(vfs, place, intent);
  if (intent.facts !== null) await writeFacts(vfs, place, intent.facts, ends);
  await removeIntent(vfs, directory);
}

async function move(vfs: Vfs, from: string, to: string): Promise<void> {
  if (await exists(vfs, from) && !await exists(vfs, to)) await vfs.rename(from, to);
}

async function exists(vfs: Vfs, path: string): Promise<boolean> {
  const file = await openIfThere(vfs, path, "read");
  await file?.close();
  return file !== undefined;
}

async function cut(vfs: Vfs, path: string, position: number): Promise<void> {
  const file = await vfs.open(path, "write");
  try {
    await file.truncate(position);
    // Without this sync the old bytes could come back behind new ones at the next power loss.
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes the indexes again that were removed. Answers the ends of their segments. */
export async function restoreIndexes(
  vfs: Vfs,
  place: PlanPlace,
  intent: Pick<RepairIntent, "indexes" | "facts">,
): Promise<Map<number, End>> {
  const { directory, logId, shard } = place;
  const bases = await listBases(vfs, directory);
  const ends = new Map<number, End>();
  for (const base of intent.indexes) {
    const found = await endOfSegment(vfs, directory, base);
    if (found === undefined) continue;
    const end = await restoreIndex(vfs, directory, { logId, shard, base }, found, intent.facts?.holes ?? false);
    ends.set(base, end);
    await finishIndex(vfs, directory, end, base !== bases[bases.length - 1]);
  }
  return ends;
}

/** Seals the index of a finished segment, and makes it durable. An index never stops a log. */
async function finishIndex(vfs: Vfs, directory: string, end: End, isFinished: boolean): Promise<void> {
  const row = new Uint8Array(ROW_BYTES);
  writeSealRow(row, 0, {
    nextOffset: end.nextOffset,
    logBytes: end.position,
    rowPosition: end.indexPosition,
    maxTimestamp: end.maxTimestamp,
    lastDigest: 0,
  });
  try {
    const index = await vfs.open(indexPath(directory, end.segment), "write");
    try {
      if (isFinished) await index.write(row, end.indexPosition);
      await index.sync();
    } finally {
      await index.close();
    }
  } catch (error) {
    if (!(error instanceof VfsError)) throw error;
  }
}

/** State and anchor say what is there now: the shard is as after a clean close. */
export async function writeFacts(
  vfs: Vfs,
  place: PlanPlace,
  { epoch, epochStart, logStart, holes, hasTrims }: NonNullable<RepairIntent["facts"]>,
  ends: ReadonlyMap<number, End>,
): Promise<void> {
  const { directory } = place;
  const bases = await listBases(vfs, directory);
  // What a process wrote that ended may be in the page cache only, in the last two segments.
  for (const base of bases.slice(-2)) {
    const file = await vfs.open(logPath(directory, base), "write");
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  }
  const last = bases[bases.length - 1];
  const end = last === undefined
    ? emptyEnd(logStart)
    : ends.get(last) ?? await withIndex(vfs, place, (await endOfSegment(vfs, directory, last))!, holes);
  await rewriteState(vfs, place, { epoch, epochStart, logStart, holes, hasTrims, clean: end });
  await rewriteAnchor(vfs, place, epoch, place.instance, end, end);
}

async function withIndex(vfs: Vfs, { directory, logId, shard }: PlanPlace, end: End, holes: boolean): Promise<End> {
  return await restoreIndex(vfs, directory, { logId, shard, base: end.segment }, end, holes);
}
