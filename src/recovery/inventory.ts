/**
 * What a shard's directory holds, before anybody judges it.
 *
 * @module
 */
import { type Anchor, ANCHOR_NAME, anchorIdentity, readAnchor } from "../anchor/anchor.ts";
import { bothSlots, newerOf, readSlotFile, type Slot } from "../anchor/slot_file.ts";
import { readState, type State, STATE_NAME, stateIdentity } from "../anchor/state.ts";
import { TRIMS_NAME } from "../anchor/trims_file.ts";
import { isMissing, sizeIfThere } from "../if_there.ts";
import { firstKept } from "../segment/log_start.ts";
import { indexBases, logPath, segmentBases, snapshotBases } from "../segment/names.ts";
import type { DirectoryEntry, Vfs } from "../vfs.ts";
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
  /** In the order of their offsets, without those that lie wholly below the log start. */
  /** Everything in its directory, sorted by name. */
  readonly entries: readonly DirectoryEntry[];
  readonly segments: readonly SegmentFile[];
  /** Segments, or only their indexes, that a trim or retention was about to remove when the process ended. */
  readonly dropped: readonly number[];
  /** `undefined`: no file, or no valid slot. */
  readonly state: State | undefined;
  readonly anchor: Anchor | undefined;
  /** False where a power loss may bring an earlier log start back. */
  readonly isStartDurable: boolean;
  /** A slot of the state is damaged: the other one may be the older one. */
  readonly isStateSuspect: boolean;
  /** An explicit repair was interrupted: files are half the old ones and half the new ones. */
  readonly isRepairing: boolean;
  /** What producers have written is noted in snapshots: the shard once had producers. */
  readonly hasSnapshots: boolean;
  /** Records of some users are hidden. */
  readonly hasTrims: boolean;
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
  const identity = stateIdentity(logId, shard);
  const slots = bothSlots(stateSlots, identity);
  const stateSlot = newerOf(slots)?.slot;
  const state = stateSlot && readState(stateSlot);
  const anchorSlot = await readSlotFile(vfs, `${directory}/${ANCHOR_NAME}`, anchorIdentity(logId, shard));
  const anchor = anchorSlot && readAnchor(anchorSlot);
  const segments: SegmentFile[] = [];
  const entries = await listEntries(vfs, directory);
  const all = segmentBases(entries);
  const bases = all.slice(firstKept(all, state?.logStart ?? 0));
  const indexes = indexBases(entries).filter((base) => base < (bases[0] ?? 0));
  const dropped = [...new Set([...all.slice(0, all.length - bases.length), ...indexes])];
  const ends = [state?.clean, anchor?.written, anchor?.synced].filter((end) => end !== undefined);
  const recent = Math.min(bases[Math.max(0, bases.length - 2)], ...ends.map((end) => end.segment));
  for (const base of bases) {
    if (sizes === "recent" && base < recent) {
      segments.push({ base, bytes: -1 });
      continue;
    }
    const bytes = await sizeIfThere(vfs, logPath(directory, base));
    // A segment that its writer drops at this moment is none any more.
    if (bytes !== undefined) segments.push({ base, bytes });
  }
  return {
    directory,
    logId,
    shard,
    entries,
    segments,
    dropped,
    state,
    anchor,
    isStartDurable: isStartDurable(slots, state?.logStart ?? 0),
    isStateSuspect: state !== undefined && slotFileFault(stateSlots, identity, slots) !== undefined,
    hasTrims: entries.some((entry) => entry.name === TRIMS_NAME),
    isRepairing: entries.some((entry) => entry.name === INTENT_NAME),
    hasSnapshots: snapshotBases(entries, true).length > 0,
  };
}

/** A move of the log start writes the second slot once the first one is synced: what both of them say is durable. */
function isStartDurable(slots: readonly (Slot | undefined)[], start: number): boolean {
  return start === 0 || slots.every((slot) => slot !== undefined && readState(slot).logStart === start);
}

/** Base offsets of the segments in a shard's directory; none where there is no directory. */
export async function listBases(vfs: Vfs, directory: string): Promise<number[]> {
  return segmentBases(await listEntries(vfs, directory));
}

async function listEntries(vfs: Vfs, directory: string): Promise<DirectoryEntry[]> {
  try {
    return await vfs.list(directory);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}
