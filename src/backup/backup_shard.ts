/**
 * Copies one shard up to a published end, while others may append to it, roll it, and drop its oldest segments.
 *
 * @module
 */
import { ANCHOR_NAME, anchorIdentity, fillAnchor, type InstanceIds } from "../anchor/anchor.ts";
import { emptyEnd, type End } from "../anchor/end.ts";
import { readSlotFile, SlotFile, type SlotIdentity } from "../anchor/slot_file.ts";
import { fillState, readState, type State, STATE_NAME, stateIdentity } from "../anchor/state.ts";
import { TRIMS_NAME } from "../anchor/trims_file.ts";
import { LogError } from "../errors.ts";
import { isMissing, sizeIfThere } from "../if_there.ts";
import { listBases } from "../recovery/inventory.ts";
import { indexPath, logPath } from "../segment/names.ts";
import type { Vfs } from "../vfs.ts";
import type { BackupShard, BackupSource } from "./backup_types.ts";
import { type Copier, sizeOf } from "./copier.ts";
import { copyOtherFiles } from "./other_files.ts";

/** The last segment can be dropped, too, while it is copied: then there is a later end. */
const MAX_TRIES = 5;
/** Equal to no life of any page cache. */
const NO_INSTANCE: InstanceIds = { boot: new Uint8Array(16), mount: new Uint8Array(16) };

/** Bytes that copying a shard takes now. */
export async function bytesToCopy(vfs: Vfs, source: BackupSource, mayLink: boolean): Promise<number> {
  const { directory } = source;
  const end = await source.end();
  const bases = (await listBases(vfs, directory)).filter((base) => base <= end.segment);
  let bytes = 0;
  for (const [i, base] of bases.entries()) {
    bytes += await sizeIfThere(vfs, indexPath(directory, base)) ?? 0;
    if (base === end.segment) bytes += end.position;
    else if (!mayLink || !isSynced(bases, i)) bytes += await sizeIfThere(vfs, logPath(directory, base)) ?? 0;
  }
  return bytes;
}

/** Copies a shard into the directory `to`, which is there and empty. */
export async function backUpShard(copier: Copier, source: BackupSource, to: string): Promise<BackupShard> {
  const { vfs, linkedBytes, copiedBytes } = copier;
  const before = await stateOf(vfs, source);
  await copyOtherFiles(vfs, copier, source.directory, to);
  const { end, bases } = await copySegments(copier, source, to);
  // Read behind the end: the epoch of every batch up to it is in the state by now.
  const state = await stateOf(vfs, source);
  const earliest = Math.min(Math.max(state?.logStart ?? 0, bases[0] ?? end.nextOffset), end.nextOffset);
  if (state !== undefined) {
    // The first file of marks may have come behind the copying; one that was missing before is missing in the copy.
    const hasTrims = before?.hasTrims === true || (await vfs.list(to)).some(({ name }) => name === TRIMS_NAME);
    await writeFacts(vfs, source, to, { ...state, hasTrims, logStart: earliest }, end, bases.length > 0);
  } else if (bases.length > 0) throw noStateError(source);
  await vfs.syncDirectory(to);
  return {
    shard: source.shard,
    earliest,
    nextOffset: end.nextOffset,
    segments: bases.length,
    linkedBytes: copier.linkedBytes - linkedBytes,
    copiedBytes: copier.copiedBytes - copiedBytes,
  };
}

/** At most one finished segment is not synced: the last one before the end's. */
function isSynced(bases: readonly number[], i: number): boolean {
  return i < bases.length - 2;
}

/** Copies the segments up to an end that stays valid meanwhile. */
async function copySegments(
  copier: Copier,
  source: BackupSource,
  to: string,
): Promise<{ end: End; bases: readonly number[] }> {
  const { vfs } = copier;
  for (let left = MAX_TRIES; left > 0; left--) {
    const end = await source.end();
    const bases = (await listBases(vfs, source.directory)).filter((base) => base <= end.segment);
    if (bases.length === 0 && end.last === undefined) return { end, bases };
    const copied = await copyNewestFirst(copier, source, to, end, bases);
    if (copied.length > 0) return { end, bases: copied };
    // Not even the last one was there.
    await removeSegments(vfs, to);
  }
  throw new LogError(
    "IO",
    `Cannot back up shard ${source.shard}: its segments change faster than they can be copied; try again, or keep more of them`,
    { shard: source.shard },
  );
}

/**
 * The newest first: retention drops the oldest, so where one is gone, those before it are not wanted either. Answers those that were
 * copied, in the order of their offsets.
 */
async function copyNewestFirst(
  copier: Copier,
  source: BackupSource,
  to: string,
  end: End,
  bases: readonly number[],
): Promise<number[]> {
  const { vfs } = copier;
  const { directory } = source;
  const copied: number[] = [];
  if (bases[bases.length - 1] !== end.segment) return copied;
  for (let i = bases.length - 1; i >= 0; i--) {
    const base = bases[i];
    const [from, target] = [logPath(directory, base), logPath(to, base)];
    try {
      if (base === end.segment) await copier.copy(from, target, end.position);
      else if (isSynced(bases, i)) await copier.linkOrCopy(from, target);
      else await copier.copy(from, target);
    } catch (error) {
      if (!isMissing(error)) throw error;
      await assertDropped(vfs, source, base, copied[0]);
      return copied;
    }
    copied.unshift(base);
    await copyIndex(copier, indexPath(directory, base), indexPath(to, base), base === end.segment ? end : undefined);
  }
  return copied;
}

/**
 * Retention begins with the oldest, or has said in the state what goes. A segment that vanishes otherwise would be a hole in the copy.
 *
 * @param next The segment behind it; `undefined` where it was the last one.
 */
async function assertDropped(vfs: Vfs, source: BackupSource, base: number, next: number | undefined): Promise<void> {
  if (next === undefined || !(await listBases(vfs, source.directory)).some((other) => other < base)) return;
  if (((await stateOf(vfs, source))?.logStart ?? 0) >= next) return;
  const file = logPath(source.directory, base);
  throw new LogError(
    "CORRUPT_FILE",
    `Cannot back up shard ${source.shard}: ${file} is missing, while older segments are there; see bimiplog verify`,
    { shard: source.shard, file },
  );
}

async function stateOf(vfs: Vfs, { directory, logId, shard }: BackupSource): Promise<State | undefined> {
  const slot = await readSlotFile(vfs, `${directory}/${STATE_NAME}`, stateIdentity(logId, shard));
  return slot && readState(slot);
}

/** Never linked: an index may be changed in place. Without one the copy is as good, and makes its own. */
async function copyIndex(copier: Copier, from: string, to: string, end: End | undefined): Promise<void> {
  try {
    const bytes = await sizeOf(copier.vfs, from);
    await copier.copy(from, to, Math.min(bytes, end?.indexPosition ?? Infinity));
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/** The copy is as after a clean close at its end, and its anchor is of no machine that runs. */
async function writeFacts(
  vfs: Vfs,
  { logId, shard }: BackupSource,
  to: string,
  state: State,
  end: End,
  hasSegments: boolean,
): Promise<void> {
  const clean = hasSegments ? end : emptyEnd(state.logStart);
  const facts: State = { ...state, clean };
  await writeSlot(vfs, `${to}/${STATE_NAME}`, stateIdentity(logId, shard), state.epoch, (slot) => {
    fillState(slot, facts);
  });
  if (!hasSegments) return;
  await writeSlot(vfs, `${to}/${ANCHOR_NAME}`, anchorIdentity(logId, shard), state.epoch, (slot) => {
    fillAnchor(slot, NO_INSTANCE, end, end);
  });
}

async function writeSlot(
  vfs: Vfs,
  path: string,
  identity: SlotIdentity,
  epoch: number,
  fill: (slot: Uint8Array) => void,
): Promise<void> {
  const file = await SlotFile.open(vfs, path, identity);
  try {
    await file.write(epoch, fill);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function removeSegments(vfs: Vfs, directory: string): Promise<void> {
  for (const { name } of await vfs.list(directory)) {
    if (/\.(log|idx)$/.test(name)) await vfs.remove(`${directory}/${name}`);
  }
}

function noStateError({ shard, directory }: BackupSource): LogError {
  return new LogError(
    "CORRUPT_FILE",
    `Cannot back up shard ${shard}: it has segments and no state; see bimiplog verify and bimiplog repair`,
    { shard, file: `${directory}/${STATE_NAME}` },
  );
}
