/**
 * Counts the records of every user of a shard, and keeps those with the most.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import { ShardCursor } from "../read/shard_cursor.ts";
import type { MaybePromise } from "../vfs.ts";
import type { TableFile, UserEntry } from "./table_file.ts";
import type { TableRange } from "./table_format.ts";
import { TableScan } from "./table_scan.ts";
import { isIndexFault, type UserTables } from "./user_tables.ts";

/** A user and how many records it has. */
export interface UserCount {
  readonly key: Uint8Array;
  readonly count: number;
}

/** How far a count has come. */
export type CountProgress = (doneOffsets: number, allOffsets: number) => void;

/** Records of a user that no table has. */
interface Scanned {
  readonly high: number;
  readonly low: number;
  readonly key: Uint8Array;
  count: number;
}

/** Where the key of a user can be read. */
interface Found {
  readonly count: number;
  readonly offset: number;
  readonly key: Uint8Array | undefined;
}

/**
 * The users of a shard with the most records, the most first; equal ones in no order. Users are told apart by their hashes. What no
 * table covers is scanned, and its users are held in memory meanwhile.
 *
 * @param top How many are wanted.
 */
export async function countUsers(
  tables: UserTables,
  codecs: Codecs,
  top: number,
  progress: CountProgress,
  signal?: AbortSignal,
): Promise<UserCount[]> {
  const { view } = tables;
  await view.publication.refresh();
  const { earliest, end } = view.publication;
  const files: TableFile[] = [];
  try {
    for (const range of await tables.list()) {
      const file = range.next > earliest ? await tables.open(range) : undefined;
      if (file !== undefined) files.push(file);
    }
    const covered: TableRange[] = files.map((file) => file.identity);
    const users = await scanRest(tables, codecs, covered, progress, signal);
    const best = new Best(top);
    await mergeCounts(tables, files, users, best, signal);
    progress(end.nextOffset - earliest, end.nextOffset - earliest);
    const counts: UserCount[] = [];
    for (const { key, offset, count } of best.sorted()) {
      counts.push({ key: key ?? await keyAt(tables, codecs, offset), count });
    }
    return counts;
  } catch (error) {
    if (files.length === 0 || !isIndexFault(error)) throw error;
    // A table is wrong: without it, what it covers is scanned.
    for (const file of files) tables.distrust(file.identity);
    return await countUsers(tables, codecs, top, progress, signal);
  } finally {
    for (const file of files) await file.close();
  }
}

/** The users of what no table covers, in the order of their hashes. */
async function scanRest(
  { view, hasher }: UserTables,
  codecs: Codecs,
  covered: readonly TableRange[],
  progress: CountProgress,
  signal: AbortSignal | undefined,
): Promise<Scanned[]> {
  const { earliest, end } = view.publication;
  const users = new Map<number, Scanned[]>();
  let from = earliest;
  for (const { first, next } of [...covered, { first: end.nextOffset, next: end.nextOffset }]) {
    if (from >= first) {
      from = Math.max(from, next);
      continue;
    }
    const cursor = new ShardCursor(view, { from, floats: true, codecs, onGap: undefined });
    try {
      for (let steps = 0; cursor.nextOffset < first; steps++) {
        const step = cursor.next();
        if (!(step instanceof Promise ? await step : step) || cursor.decoder.offset >= first) break;
        if (steps % 65_536 === 0) {
          signal?.throwIfAborted();
          progress(cursor.decoder.offset - earliest, end.nextOffset - earliest);
        }
        const { bytes, keyStart, keyBytes } = cursor.decoder;
        if (keyBytes < 0) continue;
        hasher.hash(bytes, keyStart, keyBytes);
        const { high, low } = hasher;
        let same = users.get(low);
        if (same === undefined) users.set(low, same = []);
        const known = same.find((user) => user.high === high);
        if (known !== undefined) known.count++;
        else same.push({ high, low, key: bytes.slice(keyStart, keyStart + keyBytes), count: 1 });
      }
    } finally {
      await cursor.close();
    }
    from = next;
  }
  return [...users.values()].flat().sort((a, b) => a.high - b.high || a.low - b.low);
}

/** Goes through all tables and the scanned users at once, in the order of hashes. */
async function mergeCounts(
  tables: UserTables,
  files: readonly TableFile[],
  scanned: readonly Scanned[],
  best: Best,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { earliest } = tables.view.publication;
  const standing: TableScan[] = [];
  for (const file of files) {
    const scan = new TableScan(file, file.identity.first < earliest);
    const isStanding = await scan.next();
    await tables.check(file);
    if (isStanding) standing.push(scan);
  }
  let next = 0;
  for (let steps = 0; standing.length > 0 || next < scanned.length; steps++) {
    if (steps % 4096 === 0) signal?.throwIfAborted();
    let { high, low }: { high: number; low: number } = scanned[next] ?? { high: Infinity, low: Infinity };
    for (const { entry } of standing) {
      if (entry!.high > high || (entry!.high === high && entry!.low >= low)) continue;
      ({ high, low } = entry!);
    }
    let count = 0;
    let newest: { file: TableFile; entry: UserEntry } | undefined;
    for (let i = 0; i < standing.length; i++) {
      const { file, entry } = standing[i];
      if (entry!.high !== high || entry!.low !== low) continue;
      count += file.identity.first < earliest ? await countFrom(file, entry!, earliest) : entry!.count;
      newest = { file, entry: entry! };
      const step: MaybePromise<boolean> = standing[i].next();
      if (!(step instanceof Promise ? await step : step)) standing.splice(i--, 1);
    }
    let key: Uint8Array | undefined;
    if (scanned[next]?.high === high && scanned[next].low === low) {
      key = scanned[next].key;
      count += scanned[next++].count;
    }
    if (count === 0 || !best.wants(count)) continue;
    best.add({ count, key, offset: key === undefined ? await lastOffset(newest!.file, newest!.entry) : -1 });
  }
}

async function countFrom(file: TableFile, entry: UserEntry, earliest: number): Promise<number> {
  let count = 0;
  for await (const { offsets } of file.chunks(entry, false)) {
    for (const offset of offsets) if (offset >= earliest) count++;
  }
  return count;
}

/** The newest record of a user in a table; its postings are read again, as only counts were asked for. */
async function lastOffset(file: TableFile, { high, low }: UserEntry): Promise<number> {
  const entry = await file.find(high, low);
  if (entry === undefined) throw file.damage("a user is gone");
  for await (const { offsets } of file.chunks(entry, true)) return offsets[offsets.length - 1];
  throw file.damage("a user has no postings");
}

async function keyAt({ view }: UserTables, codecs: Codecs, offset: number): Promise<Uint8Array> {
  const cursor = new ShardCursor(view, { from: offset, codecs, onGap: undefined });
  try {
    if (!await cursor.next()) return new Uint8Array(0);
    const { bytes, keyStart, keyBytes } = cursor.decoder;
    return bytes.slice(keyStart, keyStart + Math.max(0, keyBytes));
  } finally {
    await cursor.close();
  }
}

/** The largest of what was added: a heap with the smallest one in front. */
class Best {
  readonly #size: number;
  readonly #heap: Found[] = [];

  constructor(size: number) {
    this.#size = size;
  }

  wants(count: number): boolean {
    return this.#heap.length < this.#size || (this.#size > 0 && count > this.#heap[0].count);
  }

  add(found: Found): void {
    const heap = this.#heap;
    if (heap.length < this.#size) {
      let at = heap.push(found) - 1;
      for (let up = (at - 1) >> 1; at > 0 && heap[up].count > found.count; up = (at - 1) >> 1) {
        heap[at] = heap[up];
        at = up;
      }
      heap[at] = found;
      return;
    }
    let at = 0;
    for (let down = 1; down < heap.length; down = 2 * at + 1) {
      if (down + 1 < heap.length && heap[down + 1].count < heap[down].count) down++;
      if (heap[down].count >= found.count) break;
      heap[at] = heap[down];
      at = down;
    }
    heap[at] = found;
  }

  sorted(): Found[] {
    return [...this.#heap].sort((a, b) => b.count - a.count);
  }
}
