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
}

/** What a file says about a hint. */
export type Found = { readonly kind: "found"; readonly epoch: number } | { readonly kind: "short" | "other" };

/**
 * Looks whether an end's last batch stands where the end says.
 *
 * `found`: it does. `short`: the file, or the whole segment, ends before it. `other`: something else is there, so the end
 * belongs to another life of this log and is ignored.
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
  const header = new Uint8Array(HEADER_BYTES);
  const file = await vfs.open(logPath(inventory.directory, end.segment), "read");
  try {
    if (await file.read(header, end.last.position) < HEADER_BYTES) return { kind: "short" };
  } finally {
    await file.close();
  }
  const same = readI64(header, BASE_OFFSET_AT) === end.last.baseOffset && readU32(header, CRC_AT) === end.last.crc &&
    end.last.position + batchBytesAt(header, 0) === end.position;
  return same ? { kind: "found", epoch: readI32(header, EPOCH_AT) } : { kind: "other" };
}

/** True where the last batch in front of an end that was found is intact. */
export async function isLastBatchIntact(vfs: Vfs, directory: string, end: End): Promise<boolean> {
  if (end.last === undefined) return true;
  const batch = new Uint8Array(end.position - end.last.position);
  const file = await vfs.open(logPath(directory, end.segment), "read");
  try {
    const read = await file.read(batch, end.last.position);
    return batchFault(batch, 0, read) === undefined;
  } finally {
    await file.close();
  }
}

/** Gathers the hints of a shard that has segments. */
export async function gatherHints(vfs: Vfs, inventory: Inventory, instance: InstanceIds): Promise<Hints> {
  const { anchor, state, segments } = inventory;
  const ends: End[] = [];
  if (state?.clean !== undefined) ends.push(state.clean);
  if (anchor !== undefined) {
    if (sameInstance(anchor.instance, instance)) ends.push(anchor.written);
    ends.push(anchor.synced);
  }
  // Without a hint: all but the last two segments are known to be synced (at most one finished one is not).
  const first = segments[Math.max(0, segments.length - 2)];
  let start: Start = { segment: first.base, position: 0, nextOffset: first.base, epoch: 0, end: undefined };
  let required = 0;
  for (const end of ends) {
    const found = await lookForEnd(vfs, inventory, end);
    if (found.kind === "other") continue;
    required = Math.max(required, end.nextOffset);
    if (found.kind === "found" && (start.end === undefined || end.nextOffset > start.nextOffset)) {
      start = { segment: end.segment, position: end.position, nextOffset: end.nextOffset, epoch: found.epoch, end };
    }
  }
  return { start, required };
}
