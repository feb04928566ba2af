/**
 * What opening a shard for writing does about the index of users: little, as nothing of it is read before somebody asks.
 *
 * @module
 */
import type { End } from "../anchor/end.ts";
import type { KeyObserver } from "../batch/key_observer.ts";
import type { Engine, Limits } from "../options.ts";
import type { Inventory } from "../recovery/inventory.ts";
import type { ShardView } from "../read/shard_view.ts";
import { parseUserTable } from "../segment/names.ts";
import { AppendedKeys } from "../users/appended_keys.ts";
import { KeyHasher } from "../users/key_hash.ts";
import { disjoint, type TableRange } from "../users/table_format.ts";
import type { ShardPlace } from "./opened_shard.ts";
import { KEYS_PART, UserIndexer } from "../users/user_indexer.ts";
import { VfsError } from "../vfs.ts";

/** The index of a shard, which begins once there is something to read with. */
export interface OpenedUserIndex {
  readonly indexer: UserIndexer | undefined;
  /** Has to be told of the keys that are appended. */
  readonly keys: KeyObserver | undefined;
  begin(view: ShardView): UserIndexer | undefined;
}

/**
 * Looks which tables there are. Those of offsets that are gone, at either end, are removed: where the end was cut, other records will
 * have these offsets. That is durable before the first record, as the shard's directory is synced before it.
 */
export async function openUserIndex(
  { vfs, codecs }: Engine,
  { logId }: Pick<ShardPlace, "logId">,
  { directory, entries }: Pick<Inventory, "directory" | "entries">,
  { userStride, userTableBytes, indexLagBytes }: Limits,
  shards: number,
  { earliest, end }: { readonly earliest: number; readonly end: End },
): Promise<OpenedUserIndex> {
  const kept: TableRange[] = [];
  for (const { name, kind } of entries) {
    const table = kind === "file" ? parseUserTable(name) : undefined;
    if (table === undefined) continue;
    if (!table.isDraft && table.next > earliest && table.next <= end.nextOffset) kept.push(table);
    else await remove(`${directory}/${name}`);
  }
  const whole = withoutHole(disjoint(kept.sort((a, b) => a.first - b.first || b.next - a.next)), earliest);
  const limits = { userStride, indexLagBytes, tableBytes: userTableBytes / shards };
  const keys = userStride > 0 ? new AppendedKeys(new KeyHasher(logId), limits.tableBytes * KEYS_PART) : undefined;
  const opened = {
    keys,
    indexer: undefined as UserIndexer | undefined,
    begin(view: ShardView): UserIndexer | undefined {
      if (keys !== undefined) opened.indexer = new UserIndexer(view, codecs, limits, earliest, whole, keys);
      return opened.indexer;
    },
  };
  return opened;

  async function remove(path: string): Promise<void> {
    try {
      await vfs.remove(path);
    } catch (error) {
      // Readers find out by themselves that its last batch is not in the log.
      if (!(error instanceof VfsError)) throw error;
    }
  }
}

/** Tables up to the first hole: the index goes on there, and those behind it are replaced as it comes to them. */
function withoutHole(tables: readonly TableRange[], earliest: number): TableRange[] {
  const whole: TableRange[] = [];
  let next = earliest;
  for (const table of tables) {
    if (table.first > next) break;
    whole.push({ first: table.first, next: table.next });
    next = table.next;
  }
  return whole;
}
