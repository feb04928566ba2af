/**
 * Where a read begins: by offset, from either end, by time, or so many records before the end.
 *
 * @module
 */
import { CONTROL, readHeader } from "../batch/format.ts";
import { logPath } from "../segment/names.ts";
import { walkBatches } from "../segment/walk.ts";
import { besideDrops, outOfRangeError } from "./retained.ts";
import type { ShardView } from "./shard_view.ts";

/**
 * Where to start: an offset (of one shard), the first record, behind the last one, the first record with at least this
 * time, or next offsets by shard.
 */
export type Start = number | "earliest" | "latest" | Date | readonly number[];

/** Where a cursor starts. */
export interface CursorStart {
  readonly from: number;
  readonly fromTime?: number;
  /** It is not an offset that the reader named: where it is dropped before the first step, the new first offset does as well. */
  readonly floats?: boolean;
}

/**
 * Finds the first offset for one shard.
 *
 * @throws {LogError} `OFFSET_OUT_OF_RANGE`; the message names the valid range.
 * @throws {TypeError} where `start` is none of the forms.
 */
export async function resolveStart(view: ShardView, start: Start): Promise<CursorStart> {
  const { earliest, end } = view.publication;
  if (start === "earliest") return { from: earliest, floats: true };
  if (start === "latest") return { from: end.nextOffset, floats: true };
  if (start instanceof Date) return await besideDrops(view, () => resolveTime(view, start.getTime()));
  const offset = typeof start === "number" ? start : Array.isArray(start) ? (start as number[])[view.id] : undefined;
  if (offset === undefined || !Number.isSafeInteger(offset) || offset < 0) {
    throw new TypeError(
      `Cannot read shard ${view.id} from ${String(start)}: give an offset, "earliest", "latest" or a Date`,
    );
  }
  if (offset < earliest || offset > end.nextOffset) throw outOfRangeError(view, offset);
  return { from: offset };
}

/**
 * Finds the first record with at least this time.
 *
 * @throws {TypeError} where it is no time.
 */
export async function resolveTime(view: ShardView, time: number): Promise<CursorStart> {
  if (!Number.isFinite(time)) throw new TypeError("Cannot read from a time: the Date is invalid");
  // What is published while the segments are looked through comes behind this end.
  const { nextOffset } = view.publication.end;
  for (const base of await view.bases()) {
    const { samples, position } = await view.index(base);
    // What stands behind damage is in no sample where there are no rows of it: it may be late enough.
    const isWhole = position >= await view.limit(base);
    if (isWhole && (samples.length === 0 || samples.maxTimestamp < time)) continue;
    const sample = samples.length === 0 ? { baseOffset: base } : samples.sample(Math.max(0, samples.findTime(time)));
    return { from: Math.max(sample.baseOffset, view.publication.earliest), fromTime: time, floats: true };
  }
  return { from: nextOffset, fromTime: time, floats: true };
}

/** A start with at least `wanted` records between it and the end, where there are so many. */
export interface LastStart {
  readonly from: number;
  /** Records from there to the end. */
  readonly count: number;
}

/** Counts records backwards from the end: offsets alone do not tell, where batches without records lie between. */
export function resolveLast(view: ShardView, wanted: number): Promise<LastStart> {
  return besideDrops(view, () => countBack(view, wanted));
}

async function countBack(view: ShardView, wanted: number): Promise<LastStart> {
  // The end moves on meanwhile: what comes behind the one of now is not counted.
  const { end } = view.publication;
  const bases = (await view.bases()).filter((base) => base <= end.segment).reverse();
  let count = 0;
  let from = end.nextOffset;
  for (const base of bases) {
    const { samples } = await view.index(base);
    let limit = base === end.segment ? end.position : await view.limit(base);
    for (let i = samples.length - 1; i >= 0 && count < wanted; i--) {
      const sample = samples.sample(i);
      const batches: { base: number; last: number; count: number }[] = [];
      await walkBatches(view.vfs, logPath(view.directory, base), sample.position, limit, (bytes, at) => {
        const header = readHeader(bytes, at);
        const visible = (header.attributes & CONTROL) === 0 ? header.count : 0;
        batches.push({ base: header.baseOffset, last: header.lastOffset, count: visible });
      });
      for (const batch of batches.reverse()) {
        if (count >= wanted || batch.last < view.publication.earliest) break;
        const consecutive = batch.count === batch.last - batch.base + 1;
        const first = Math.max(batch.base, view.publication.earliest);
        const usable = consecutive ? batch.last - first + 1 : batch.count;
        const taken = consecutive ? Math.min(usable, wanted - count) : usable;
        from = consecutive ? batch.last - taken + 1 : first;
        count += taken;
      }
      limit = Math.min(limit, sample.position);
    }
    if (count >= wanted || base <= view.publication.earliest) break;
  }
  return { from, count };
}
