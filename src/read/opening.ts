/**
 * Where a reader's cursors start and end, one for each shard.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import type { MaybePromise } from "../vfs.ts";
import type { Predicate } from "./filter.ts";
import { findNewest } from "./newest.ts";
import type { ReadOptions } from "./read_options.ts";
import { ShardCursor } from "./shard_cursor.ts";
import type { ShardView } from "./shard_view.ts";
import { type CursorStart, resolveLast, resolveStart, resolveTime } from "./start.ts";

/** What opening a reader finds out. */
export interface Opening {
  /** By shard. */
  readonly starts: readonly CursorStart[];
  /** Exclusive ends by shard; `Infinity` where whatever is published meanwhile is wanted, too. */
  readonly ends: readonly number[];
  /** More than `last` asks for: that many are to be passed over first. */
  readonly surplus: number;
}

/** What it is made of. */
export interface OpeningOptions {
  readonly codecs: Codecs;
  /** First offsets that are known already, by shard; the others come from the options. */
  readonly known: (i: number) => MaybePromise<number | undefined>;
  readonly matches: Predicate | undefined;
  /** Looking for a place may take as long as reading the log: true ends it. */
  readonly isGivenUp: () => boolean;
}

/** Where each shard ended when the reader was made: that is what "latest" means, not the moment of its first step. */
export function latestNow(views: readonly ShardView[], options: ReadOptions): MaybePromise<number>[] | undefined {
  return options.from === "latest" ? views.map(publishedNow) : undefined;
}

/** Where a shard ends at the moment of the call, or nearly so where somebody else writes it. */
function publishedNow(view: ShardView): MaybePromise<number> {
  const refreshed = view.publication.refresh();
  const end = (): number => view.publication.end.nextOffset;
  return refreshed instanceof Promise ? refreshed.then(end) : end();
}

/** Finds the starts and the ends. */
export async function findStarts(
  views: readonly ShardView[],
  options: ReadOptions,
  opening: OpeningOptions,
): Promise<Opening> {
  const { from, last, reverse, onCorrupt } = options;
  const skips = onCorrupt === "skip";
  const isExact = last === undefined || reverse === true;
  let starts: CursorStart[] = [];
  const ends: number[] = [];
  for (const [i, view] of views.entries()) {
    await view.publication.refresh();
    const known = await opening.known(i);
    const start: CursorStart = known === undefined
      ? await resolveStart(view, from ?? "earliest")
      : { from: known, floats: true };
    const isOffset = start.fromTime === undefined || (isExact && !reverse && opening.matches === undefined);
    starts.push(isOffset ? start : { from: await firstOffset(view, start, opening, skips), floats: true });
    ends.push(await endOf(view, options, opening));
  }
  if (isExact) return { starts, ends, surplus: 0 };
  if (views.length === 1 && opening.matches === undefined && options.before === undefined) {
    return { ends, ...await lastOf(views[0], starts[0], last) };
  }
  const { codecs, matches, isGivenUp } = opening;
  const newest = await findNewest(views, starts.map(({ from }) => from), ends, last, {
    codecs,
    matches,
    isGivenUp,
    skips,
  });
  starts = newest.map((from) => ({ from, floats: true }));
  return { starts, ends, surplus: 0 };
}

/** The last records of one shard, counted by the headers of its batches alone. */
async function lastOf(view: ShardView, start: CursorStart, last: number): Promise<Pick<Opening, "starts" | "surplus">> {
  const counted = await resolveLast(view, last);
  const isInside = counted.from >= start.from;
  const count = isInside ? counted.count : view.publication.end.nextOffset - start.from;
  return { starts: [isInside ? { from: counted.from, floats: true } : start], surplus: Math.max(0, count - last) };
}

async function endOf(view: ShardView, options: ReadOptions, opening: OpeningOptions): Promise<number> {
  const { before, reverse, onCorrupt } = options;
  const published = view.publication.end.nextOffset;
  if (before === undefined) return reverse ? published : Infinity;
  if (typeof before === "number") return Math.min(before, published);
  if (!(before instanceof Date)) {
    const end = before[view.id];
    if (end === undefined) {
      throw new TypeError(`Cannot read up to offsets by shard: there is none for shard ${view.id}`);
    }
    return Math.min(end, published);
  }
  return await firstOffset(view, await resolveTime(view, before.getTime()), opening, onCorrupt === "skip");
}

/** The offset of the first record at or behind `start`; the end where there is none. */
export async function firstOffset(
  view: ShardView,
  start: CursorStart,
  { codecs, isGivenUp }: Pick<OpeningOptions, "codecs" | "isGivenUp">,
  skips: boolean,
): Promise<number> {
  const cursor = new ShardCursor(view, { ...start, codecs, onGap: skips ? () => {} : undefined, isGivenUp });
  try {
    return await cursor.next() ? cursor.decoder.offset : cursor.nextOffset;
  } finally {
    await cursor.close();
  }
}
