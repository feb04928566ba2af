/**
 * What state and anchor say about where data ends, and which of it can be believed.
 *
 * @module
 */
import { type InstanceIds, sameInstance } from "../anchor/anchor.ts";
import type { End } from "../anchor/end.ts";
import { BASE_OFFSET_AT, batchBytesAt, batchFault, CRC_AT, EPOCH_AT, HEADER_BYTES } from "../batch/format.ts";
import { readI32, readI64, readU32 } from "../bytes.ts";
import { logPath } from "../segment/names.ts";
import type { Vfs } from "../vfs.ts";
import type { Inventory } from "./inventory.ts";

/** A place from which a scan can start. */
export interface Start {
  readonly segment: number;
  readonly position: number;
  readonly nextOffset: number;
  /** Epoch of the batch in front of it. */
  readonly epoch: number;
  /** The hint itself; `undefined` where there was none to believe. */
  readonly end: End | undefined;
}

/** What the hints come to. */
export interface Hints {
  readonly start: Start;
  /** Records before this offset were acknowledged for good: not finding them is not a torn tail. */
  readonly required: number;
  /** The files end before the end that requires them: nothing there is wrong, it is only gone. */
  readonly isShort: boolean;
  /** Ends of the state's own epoch with another batch where theirs should be: damage, or another file. */
  readonly misplaced: readonly End[];
}

/** What a file says about a hint. */
export type Found =
  | { readonly kind: "found"; readonly epoch: number }
  | { readonly kind: "short" | "damaged" | "other" };

/**
 * Looks whether an end's last batch stands where the end says.
 *
 * `found`: it does, intact. `short`: the file, or the whole segment, ends before it. `damaged`: its header is there and its
 * records are not what they were. `other`: something else is there.
 */
export async function lookForEnd(vfs: Vfs, inventory: Inventory, end: End): Promise<Found> {
  const segment = inventory.segments.find((file) => file.base === end.segment);
  if (segment === undefined) {
    // Older segments than those that are here were dropped on purpose; newer ones are missing.
    const first = inventory.segments[0];
    const dropped = first !== undefined && end.nextOffset <= first.base;
    return { kind: dropped ? "other" : end.last === undefined ? "other" : "short" };
  }
  if (end.last === undefined) return end.position === 0 ? { kind: "found", epoch: 0 } : { kind: "other" };
  if (segment.bytes < end.position) return { kind: "short" };
  if (end.last.position + HEADER_BYTES > end.position) return { kind: "other" };
  const batch = new Uint8Array(end.position - end.last.position);
  let found: Found = { kind: "other" };
  const file = await vfs.open(logPath(inventory.directory, end.segment), "read");
  try {
    // A read may flip a bit once: nothing is called damaged before it was read a second time.
    for (let left = 2; left > 0 && found.kind !== "found"; left--) {
      if (await file.read(batch, end.last.position) < batch.length) return { kind: "short" };
      found = judgeBatch(batch, end.last);
    }
  } finally {
    await file.close();
  }
  return found;
}

/** Whether these bytes are the batch that an end names. */
function judgeBatch(batch: Uint8Array, last: NonNullable<End["last"]>): Found {
  const same = readI64(batch, BASE_OFFSET_AT) === last.baseOffset && readU32(batch, CRC_AT) === last.crc &&
    batchBytesAt(batch, 0) === batch.length;
  if (!same) return { kind: "other" };
  if (batchFault(batch, 0, batch.length) !== undefined) return { kind: "damaged" };
  return { kind: "found", epoch: readI32(batch, EPOCH_AT) };
}

/** Gathers the hints of a shard that has segments. */
export async function gatherHints(vfs: Vfs, inventory: Inventory, instance: InstanceIds): Promise<Hints> {
  const { anchor, state, segments } = inventory;
  const ends: { readonly end: End; readonly isCurrent: boolean }[] = [];
  if (state?.clean !== undefined) ends.push({ end: state.clean, isCurrent: true });
  if (anchor !== undefined) {
    // Nothing that an anchor says to be synced is ever cut, nor what it says to be written in the same instance. So an end of
    // the state's own epoch that is not there is damage. An anchor of an older epoch may come from a backup, and from
    // before a loss that was accepted: it is only ignored.
    const isCurrent = anchor.epoch >= (state?.epoch ?? 0);
    if (sameInstance(anchor.instance, instance)) ends.push({ end: anchor.written, isCurrent });
    ends.push({ end: anchor.synced, isCurrent });
  }
  // Without a hint: all but the last two segments are known to be synced (at most one finished one is not).
  const first = segments[Math.max(0, segments.length - 2)];
  let start: Start = { segment: first.base, position: 0, nextOffset: first.base, epoch: 0, end: undefined };
  let required = 0;
  let isShort = false;
  const misplaced: End[] = [];
  for (const { end, isCurrent } of ends) {
    const found = await lookForEnd(vfs, inventory, end);
    if (found.kind === "other" && !(isCurrent && end.last !== undefined)) continue;
    if (end.nextOffset >= required) isShort = found.kind === "short";
    required = Math.max(required, end.nextOffset);
    if (found.kind === "other" && end.nextOffset > segments[0].base) misplaced.push(end);
    if (found.kind === "found" && (start.end === undefined || end.nextOffset > start.nextOffset)) {
      start = { segment: end.segment, position: end.position, nextOffset: end.nextOffset, epoch: found.epoch, end };
    }
  }
  return { start, required, isShort, misplaced };
}
