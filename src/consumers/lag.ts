/**
 * How far a consumer is behind.
 *
 * @module
 */
import type { ShardView } from "../read/shard_view.ts";
import type { ConsumerLag, ShardLag } from "./types.ts";

/** Compares next offsets with what is published now. */
export async function lagOf(views: readonly ShardView[], committed: readonly number[]): Promise<ConsumerLag> {
  const shards: ShardLag[] = [];
  let total = 0;
  for (const { id, publication } of views) {
    await publication.refresh();
    const end = publication.end.nextOffset;
    const lag = Math.max(0, end - Math.max(committed[id], publication.earliest));
    total += lag;
    shards.push({ shard: id, committed: committed[id], end, lag });
  }
  return { total, shards };
}
