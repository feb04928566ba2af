/**
 * Carries out a planned repair. First everything new is written beside what is there, and made durable; then a note says what
 * will be done; then it is done. A crash before the note leaves the shard as it was, one after it is made up for from the note.
 *
 * @module
 */
import { emptyEnd, type End } from "../anchor/end.ts";
import { HEADER_BYTES, sealHeader } from "../batch/format.ts";
import { LogError } from "../errors.ts";
import { openIfThere } from "../if_there.ts";
import { logPath } from "../segment/names.ts";
import type { Vfs, VfsFile } from "../vfs.ts";
import { rebuiltBases, rebuiltPath, writeIntent } from "./rebuild_intent.ts";
import { removeIfThere } from "./whole_file.ts";
import type { ShardPlan } from "./rebuild_plan.ts";
import type { Draft, Piece } from "./rebuild_types.ts";
import { type ScanRules, scanSegment } from "./scan.ts";

const COPY_BYTES: number = 1024 * 1024;

/** Writes the new segments and the copies, and then the note. Nothing that was there is changed. */
export async function prepare(vfs: Vfs, plan: ShardPlan): Promise<void> {
  const { directory } = plan.place;
  const names = (await vfs.list(directory)).map((entry) => entry.name);
  // Left behind by a repair that never came to its note: everything they hold is still where it was.
  for (const base of rebuiltBases(names)) await vfs.remove(rebuiltPath(directory, base));
  for (const draft of plan.drafts) await writeSegment(vfs, plan, draft);
  for (const { from, position, to } of plan.copies) {
    await copyFrom(vfs, `${directory}/${from}`, position, `${directory}/${to}`);
  }
  await vfs.syncDirectory(directory);
  await writeIntent(vfs, directory, plan.intent);
}

/** Writes a drafted segment and reads it again: it takes the old one's place only where every batch follows the one before. */
async function writeSegment(vfs: Vfs, { place, intent }: ShardPlan, draft: Draft): Promise<void> {
  const path = rebuiltPath(place.directory, draft.base);
  const file = await vfs.open(path, "create");
  try {
    const source = draft.source === undefined ? undefined : await vfs.open(draft.source.path, "read");
    try {
      let position = 0;
      for (const piece of draft.pieces) position = await writePiece(file, position, source, piece);
      await file.sync();
      // Where a segment is written anew, state and anchor are as well.
      await check(file, path, draft, position, intent.facts!.holes);
    } finally {
      await source?.close();
    }
  } finally {
    await file.close();
  }
}

async function writePiece(into: VfsFile, position: number, source: VfsFile | undefined, piece: Piece): Promise<number> {
  switch (piece.kind) {
    case "void": {
      const batch = voidBatch(piece.baseOffset, piece.nextOffset, piece.epoch);
      await into.write(batch, position);
      return position + batch.length;
    }
    case "copy":
      return await copyRange(source!, piece.from, piece.to, into, position);
    case "batch": {
      await into.write(piece.header, position);
      return await copyRange(source!, piece.from + HEADER_BYTES, piece.to, into, position + HEADER_BYTES);
    }
  }
}

/** A batch without records: Kafka's own cleaner leaves such batches. */
export function voidBatch(baseOffset: number, nextOffset: number, epoch: number): Uint8Array {
  const batch = new Uint8Array(HEADER_BYTES);
  sealHeader(batch, 0, {
    bytes: HEADER_BYTES,
    epoch,
    baseOffset,
    lastOffsetDelta: nextOffset - baseOffset - 1,
    baseTimestamp: -1,
    maxTimestamp: -1,
    count: 0,
  });
  return batch;
}

async function copyRange(from: VfsFile, start: number, end: number, into: VfsFile, position: number): Promise<number> {
  const buffer = new Uint8Array(Math.min(COPY_BYTES, end - start));
  for (let at = start; at < end;) {
    const piece = buffer.subarray(0, Math.min(buffer.length, end - at));
    const read = await from.read(piece, at);
    if (read < piece.length) {
      throw new LogError("IO", `Cannot copy bytes ${start} to ${end}: the file ends at ${at + read}`);
    }
    await into.write(piece, position);
    at += piece.length;
    position += piece.length;
  }
  return position;
}

async function check(file: VfsFile, path: string, draft: Draft, bytes: number, holes: boolean): Promise<void> {
  const rules: ScanRules = { holes, maxEpoch: undefined, began: undefined };
  const { end, fault } = await scanSegment(file, bytes, emptyEnd(draft.base), 0, rules);
  if (fault === undefined && end.nextOffset === draft.nextOffset && end.position === bytes) return;
  throw new LogError(
    "IO",
    `Cannot repair a segment: what was written to ${path} is not what was planned (${
      fault ?? `it ends at ${end.nextOffset}`
    }); ` +
      "nothing was changed, try again",
    { file: path, position: end.position },
  );
}

/** A copy of a file from a position on. One that is there from an earlier try is written again. */
async function copyFrom(vfs: Vfs, from: string, position: number, to: string): Promise<void> {
  await removeIfThere(vfs, to);
  const source = await vfs.open(from, "read");
  let copy: VfsFile | undefined;
  try {
    copy = await vfs.open(to, "create");
    await copyRange(source, position, await source.size(), copy, 0);
    await copy.sync();
  } finally {
    await source.close();
    await copy?.close();
  }
}

/** The end of a segment as it is now; `undefined` where it is not there. */
export async function endOfSegment(vfs: Vfs, directory: string, base: number): Promise<End | undefined> {
  const file = await openIfThere(vfs, logPath(directory, base), "read");
  if (file === undefined) return undefined;
  try {
    const rules: ScanRules = { holes: true, maxEpoch: undefined, began: undefined };
    return (await scanSegment(file, await file.size(), emptyEnd(base), 0, rules)).end;
  } finally {
    await file.close();
  }
}
