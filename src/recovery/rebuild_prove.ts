/**
 * Gathers what there is to prove a damaged header with, strongest first: the index row, an end in state or anchor, the offsets
 * on both sides.
 *
 * @module
 */
import { BASE_OFFSET_AT, CRC_AT, HEADER_BYTES, readHeader } from "../batch/format.ts";
import { readI64, readU32 } from "../bytes.ts";
import { findBatch } from "../segment/search.ts";
import type { VfsFile } from "../vfs.ts";
import {
  baseBitsApart,
  epochsFrom,
  headerChanges,
  offsetDelta,
  proveByChecksum,
  proveByEnd,
  proveByRow,
  type ProvenHeader,
} from "./rebuild_header.ts";
import type { SegmentProbe } from "./rebuild_probe.ts";
import type { IndexRows } from "./rebuild_rows.ts";
import type { Draft, ExamineTask } from "./rebuild_types.ts";

/** A damaged header and what must come there. */
export interface DamagedPlace {
  readonly draft: Draft;
  readonly position: number;
  /** The header as it stands. */
  readonly raw: Uint8Array;
  /** Base offset it must have. */
  readonly expected: number;
  /** Epoch of the batch before it. */
  readonly epoch: number;
}

/** The header that belongs there, where something proves it and it is not what stands there. */
export async function proveHeader(
  task: ExamineTask,
  probe: SegmentProbe,
  rows: IndexRows,
  place: DamagedPlace,
): Promise<ProvenHeader | undefined> {
  const { draft, position, raw, expected } = place;
  const { file, bounds } = probe;
  const epochs = epochsFrom(place.epoch, task.rules.maxEpoch);
  let proven: ProvenHeader | undefined;
  const row = await rows.rowAt(position);
  // A row that speaks of this batch and does not agree is not overruled: another batch may have been written here.
  if (row?.baseOffset === expected) proven = await proveByRow(file, raw, row, bounds.limit, epochs);
  else {
    const end = task.ends.find(({ segment, last }) =>
      segment === draft.base && last?.position === position && last.baseOffset === expected
    );
    if (end !== undefined) proven = await proveByEnd(file, raw, end, bounds.limit, epochs);
    proven ??= await proveByOffsets(task, probe, place);
  }
  // Nothing to restore: it is something else that is wrong with this batch.
  if (proven === undefined || headerChanges(raw, proven.header) === "") return undefined;
  return bounds.nextBase !== undefined && proven.lastOffset >= bounds.nextBase ? undefined : proven;
}

/** By the batch's own checksum, and offsets that go on behind it. */
async function proveByOffsets(
  task: ExamineTask,
  probe: SegmentProbe,
  place: DamagedPlace,
): Promise<ProvenHeader | undefined> {
  const { position, raw, expected, epoch } = place;
  const { limit, nextBase } = probe.bounds;
  const delta = offsetDelta(raw);
  const next = expected + delta + 1;
  const isFlipped = readI64(raw, BASE_OFFSET_AT) !== expected;
  if (delta < 0 || !Number.isSafeInteger(next) || (nextBase !== undefined && next > nextBase)) return undefined;
  // One bit only: a base offset that is quite another one is that of another batch, in the wrong place.
  if (isFlipped && baseBitsApart(raw, expected) !== 1) return undefined;
  for (const size of await possibleSizes(probe, position, raw, next)) {
    const to = position + size;
    if (size < HEADER_BYTES || to > limit) continue;
    if (isFlipped && !probe.isUnknownEnd(to) && !await probe.continuesAt(to, next)) continue;
    const high = await probe.epochAt(to, next) ?? task.rules.maxEpoch ?? epoch;
    const epochs = { low: epoch, high: Math.max(epoch, high) };
    const proven = await proveByChecksum(probe.file, position, raw, expected, size, epochs);
    if (proven === undefined) continue;
    return isFlipped && await standsElsewhere(task, place) ? undefined : proven;
  }
  return undefined;
}

/** What the header says, and up to where the next batch, or the end, is. */
async function possibleSizes(
  { file, bounds }: SegmentProbe,
  position: number,
  raw: Uint8Array,
  next: number,
): Promise<Set<number>> {
  const sizes = new Set([readHeader(raw, 0).bytes]);
  const follower = await findBatch(file, position + HEADER_BYTES, bounds.limit, next, next);
  if (follower !== undefined) sizes.add(follower.position - position);
  else if (bounds.nextBase === undefined || bounds.nextBase === next) sizes.add(bounds.limit - position);
  return sizes;
}

/** True where the same batch stands where its offset belongs: then this one was written to the wrong place. */
async function standsElsewhere({ vfs, drafts }: ExamineTask, { draft, position, raw }: DamagedPlace): Promise<boolean> {
  const baseOffset = readI64(raw, BASE_OFFSET_AT);
  const home = drafts.findLast((other) => other.base <= baseOffset && other.source !== undefined);
  if (home === undefined) return false;
  const file = await vfs.open(home.source!.path, "read");
  try {
    for (let from = 0;;) {
      const found = await findBatch(file, from, home.source!.bytes, baseOffset, baseOffset);
      if (found === undefined) return false;
      if (home !== draft || found.position !== position) return await hasChecksum(file, found.position, raw);
      from = found.position + 1;
    }
  } finally {
    await file.close();
  }
}

/** True where the batch at `position` has the checksum of this header. */
async function hasChecksum(file: VfsFile, position: number, raw: Uint8Array): Promise<boolean> {
  const other = new Uint8Array(HEADER_BYTES);
  return await file.read(other, position) === HEADER_BYTES && readU32(other, CRC_AT) === readU32(raw, CRC_AT);
}
