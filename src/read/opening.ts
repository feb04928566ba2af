/**
 * Where a reader's cursors start, one for each shard.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import type { MaybePromise } from "../vfs.ts";
import type { ReadOptions } from "./read_options.ts";
import { ShardCursor } from "./shard_cursor.ts";
import type { ShardView } from "./shard_view.ts";
import { type CursorStart, resolveLast, resolveStart } from "./start.ts";

/** What opening a reader finds out. */
export interface Opening {
  /** By shard. */
  readonly starts: readonly CursorStart[];
  /** More than `last` asks for: that many are to be passed over first. */
  readonly surplus: number;
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

/**
 * Finds the starts.
 *
 * @param found First offsets that are known already, by shard; the others come from the options.
 */
export async function findStarts(
  views: readonly ShardView[],
  options: ReadOptions,
  codecs: Codecs,
  found: (i: number) => MaybePromise<number | undefined>,
): Promise<Opening> {
  const { from, last, onCorrupt } = options;
  const starts: CursorStart[] = [];
  let surplus = -(last ?? 0);
  for (const [i, view] of views.entries()) {
    await view.publication.refresh();
    const known = await found(i);
    let start: CursorStart = known === undefined
      ? await resolveStart(view, from ?? "earliest")
      : { from: known, floats: true };
    if (last !== undefined) {
      if (start.fromTime !== undefined) {
        start = { from: await firstOffset(view, start, codecs, onCorrupt === "skip"), floats: true };
      }
      const counted = await resolveLast(view, last);
      if (counted.from >= start.from) {
        start = { from: counted.from, floats: true };
        surplus += counted.count;
      } else surplus += view.publication.end.nextOffset - start.from;
    }
    starts.push(start);
  }
  return { starts, surplus: Math.max(0, surplus) };
}

/** The offset of the first record at or behind `start`; the end where there is none. */
async function firstOffset(view: ShardView, start: CursorStart, codecs: Codecs, skips: boolean): Promise<number> {
  const cursor = new ShardCursor(view, { ...start, codecs, onGap: skips ? () => {} : undefined });
  try {
    return await cursor.next() ? cursor.decoder.offset : cursor.nextOffset;
  } finally {
    await cursor.close();
  }
}
