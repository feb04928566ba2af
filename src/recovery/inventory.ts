/**
 * What a shard's directory holds, before anybody judges it.
 *
 * @module
 */
import { type Anchor, ANCHOR_NAME, anchorIdentity, readAnchor } from "../anchor/anchor.ts";
import { newestSlot, readSlotFile } from "../anchor/slot_file.ts";
import { readState, type State, STATE_NAME, stateIdentity } from "../anchor/state.ts";
import { logPath, segmentBases, snapshotBases } from "../segment/names.ts";
import { type DirectoryEntry, type Vfs, VfsError } from "../vfs.ts";
import { INTENT_NAME } from "./rebuild_intent.ts";
import { readSmall, slotFileFault } from "./rebuild_slots.ts";

/** One `.log` file. */
export interface SegmentFile {
  readonly base: number;
  /** Size; -1 where it was not asked for. */
  readonly bytes: number;
}

/** The files of a shard. */
export interface Inventory {
  readonly directory: string;
  /** The log that the directory should belong to. */
  readonly logId: Uint8Array;
  readonly shard: number;
  /** In the order of their offsets. */
  readonly segments: readonly SegmentFile[];
  /** `undefined`: no file, or no valid slot. */
  readonly state: State | undefined;
  readonly anchor: Anchor | undefined;
  /** A slot of the state is damaged: the other one may be the older one. */
  readonly isStateSuspect: boolean;
  /** An explicit repair was interrupted: files are half the old ones and half the new ones. */
  readonly isRepairing: boolean;
  /** What producers have written is noted in snapshots: the shard once had producers. */
  readonly hasSnapshots: boolean;
}

/**
 * Reads state, anchor, names and sizes. A missing directory is an empty shard. Beside a live writer the order matters: what
 * an anchor speaks of is in the files before the anchor is written.
 *
 * @param sizes `recent`: of those segments only that an opening may look into, the last two and whatever state and anchor speak of.
 * Asking for those of a thousand old ones takes as long as everything else together.
 */
export async function takeInventory(
  vfs: Vfs,
  directory: string,
  logId: Uint8Array,
  shard: number,
  sizes: "all" | "recent" = "all",
): Promise<Inventory> {
  const stateSlots = await readSmall(vfs, `${directory}/${STATE_NAME}`) ?? new Uint8Array(0);
  const stateSlot = newestSlot(stateSlots, stateIdentity(logId, shard))?.slot;
  const state = stateSlot && readState(stateSlot);
  const anchorSlot = await readSlotFile(vfs, `${directory}/${ANCHOR_NAME}`, anchorIdentity(logId, shard));
  const anchor = anchorSlot && readAnchor(anchorSlot);
  const segments: SegmentFile[] = [];
  const entries = await listEntries(vfs, directory);
  const bases = segmentBases(entries);
  const ends = [state?.clean, anchor?.written, anchor?.synced].filter((end) => end !== undefined);
  const recent = Math.min(bases[Math.max(0, bases.length - 2)], ...ends.map((end) => end.segment));
  for (const base of bases) {
    if (sizes === "recent" && base < recent) {
      segments.push({ base, bytes: -1 });
      continue;
    }
    const file = await vfs.open(logPath(directory, base), "read");
    try {
      segments.push({ base, bytes: await file.size() });
    } finally {
      await file.close();
    }
  }
  return {
    directory,
    logId,
    shard,
    segments,
    state,
    anchor,
    isStateSuspect: state !== undefined && slotFileFault(stateSlots, stateIdentity(logId, shard)) !== undefined,
    isRepairing: entries.some((entry) => entry.name === INTENT_NAME),
    hasSnapshots: snapshotBases(entries, true).length > 0,
  };
}

/** Base offsets of the segments in a shard's directory; none where there is no directory. */
export async function listBases(vfs: Vfs, directory: string): Promise<number[]> {
  return segmentBases(await listEntries(vfs, directory));
}

async function listEntries(vfs: Vfs, directory: string): Promise<DirectoryEntry[]> {
  try {
    return await vfs.list(directory);
  } catch (error) {
    if (error instanceof VfsError && error.code === "NOT_FOUND") return [];
    throw error;
  }
}
