/**
 * The newest records of several shards, or of those that meet a condition: counted from the end.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import { BackwardCursor } from "./backward_cursor.ts";
import type { Predicate } from "./filter.ts";
import { Merge } from "./merge.ts";
import type { GapEvent } from "./shard_batches.ts";
import type { ShardView } from "./shard_view.ts";

/** How to count. */
export interface NewestOptions {
  readonly codecs: Codecs;
  readonly matches: Predicate | undefined;
  readonly isGivenUp: () => boolean;
  /** Damage is passed over. Else it ends its shard: whoever reads forwards from there comes across it. */
  readonly skips: boolean;
}

/**
 * Goes back `wanted` records in merged order.
 *
 * @param froms By shard, the first offset.
 * @param ends By shard, the exclusive end; `Infinity` for what is published now.
 * @returns By shard, the offset of the oldest of these records; the end where there is none.
 */
export async function findNewest(
  views: readonly ShardView[],
  froms: readonly number[],
  ends: readonly number[],
  wanted: number,
  options: NewestOptions,
): Promise<number[]> {
  const { codecs, matches, isGivenUp, skips } = options;
  const befores = views.map((view, i) => Math.min(ends[i], view.publication.end.nextOffset));
  const oldest = new Map(views.map(({ id }, i) => [id, befores[i]]));
  const floors = new Map<number, number>();
  const onGap = ({ shard, to }: GapEvent): void => {
    if (!skips && !floors.has(shard)) floors.set(shard, to);
  };
  const cursors = views.map((view, i) => {
    const before = befores[i];
    return new BackwardCursor(view, { from: froms[i], before, codecs, onGap, matches, isGivenUp });
  });
  const merge = new Merge(() => cursors, { reverse: true, follow: false });
  try {
    for (let count = 0; count < wanted; count++) {
      const cursor = await merge.next();
      if (cursor === undefined) {
        // Fewer than wanted can be read: whoever reads them has to hear of the damage, too.
        for (const [id, floor] of floors) oldest.set(id, floor);
        break;
      }
      const { id } = cursor.view;
      const { offset } = cursor.decoder;
      const floor = floors.get(id);
      if (floor !== undefined && offset <= floor) {
        // The turn of the damage: nothing older can be counted, and reading begins with it.
        oldest.set(id, floor);
        break;
      }
      oldest.set(id, offset);
    }
  } finally {
    for (const cursor of cursors) await cursor.close();
  }
  return views.map(({ id }) => oldest.get(id)!);
}
