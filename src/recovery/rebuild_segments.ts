/**
 * Which `.log` file is which segment: a file whose batches belong to other offsets than its name says was renamed or copied.
 *
 * @module
 */
import { readHeader } from "../batch/format.ts";
import { logPath } from "../segment/names.ts";
import { findBatch } from "../segment/search.ts";
import type { Vfs } from "../vfs.ts";
import type { SegmentFile } from "./inventory.ts";
import { baseBitsApart } from "./rebuild_header.ts";
import { boundsAlone, SegmentProbe } from "./rebuild_probe.ts";
import { type Draft, newDraft } from "./rebuild_types.ts";

/** A file under a name that is not its own. */
export interface Misnamed {
  /** What its name says. */
  readonly base: number;
  readonly bytes: number;
  /** What its content says. */
  readonly trueBase: number;
  /** Another segment has its first batch: this one is a copy, or the batch was written to the wrong place. */
  readonly isSpare: boolean;
}

/** Segments in the order of their offsets, under their right names, and what has to be renamed or set aside for that. */
export interface SegmentOrder {
  readonly drafts: Draft[];
  readonly misnamed: Misnamed[];
}

/** Puts the files of a shard in order. With holes a name may be below the first batch, so names are believed. */
export async function orderSegments(
  vfs: Vfs,
  directory: string,
  files: readonly SegmentFile[],
  holes: boolean,
): Promise<SegmentOrder> {
  const drafts: Draft[] = [];
  const strangers: { readonly file: SegmentFile; readonly trueBase: number }[] = [];
  for (const [i, file] of files.entries()) {
    const trueBase = holes ? file.base : await baseByContent(vfs, directory, file, files[i + 1]?.base);
    if (trueBase === file.base) drafts.push(draftOf(directory, file, file.base));
    else strangers.push({ file, trueBase });
  }
  const misnamed: Misnamed[] = [];
  for (const { file, trueBase } of strangers) {
    const isSpare = await isHeld(vfs, drafts, trueBase);
    misnamed.push({ ...file, trueBase, isSpare });
    if (!isSpare) drafts.push(draftOf(directory, file, trueBase));
  }
  return { drafts: drafts.sort((a, b) => a.base - b.base), misnamed };
}

/** True where a segment under its right name has this offset, or goes on behind it. */
async function isHeld(vfs: Vfs, drafts: readonly Draft[], baseOffset: number): Promise<boolean> {
  const holder = drafts.filter((draft) => draft.base <= baseOffset).sort((a, b) => b.base - a.base)[0];
  if (holder === undefined || holder.base === baseOffset) return holder !== undefined;
  const file = await vfs.open(holder.source!.path, "read");
  try {
    return await findBatch(file, 0, holder.source!.bytes, baseOffset, Number.MAX_SAFE_INTEGER) !== undefined;
  } finally {
    await file.close();
  }
}

function draftOf(directory: string, file: SegmentFile, base: number): Draft {
  return newDraft(base, { path: logPath(directory, file.base), bytes: file.bytes });
}

/** The base offset a file should have in its name. A single flipped bit in its first batch makes no other segment of it. */
async function baseByContent(
  vfs: Vfs,
  directory: string,
  { base, bytes: limit }: SegmentFile,
  nextBase: number | undefined,
): Promise<number> {
  const file = await vfs.open(logPath(directory, base), "read");
  try {
    const probe = new SegmentProbe(file, boundsAlone(limit));
    const first = await probe.intactAt(0);
    if (first === undefined || first.baseOffset === base) return base;
    const second = await probe.header(first.bytes);
    // The batch behind it decides: does it follow the first one, or the name?
    if (second !== undefined) {
      return readHeader(second, 0).baseOffset === first.lastOffset + 1 ? first.baseOffset : base;
    }
    const offsets = first.lastOffset - first.baseOffset + 1;
    const isWhole = first.bytes === limit && nextBase !== base + offsets;
    return isWhole && baseBitsApart((await probe.header(0))!, base) > 1 ? first.baseOffset : base;
  } finally {
    await file.close();
  }
}
