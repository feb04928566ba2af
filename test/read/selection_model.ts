/** What a read selects, found by looking at every record in plain arrays. */
import type { BytesInput, ReadOptions } from "../../mod.ts";

/** A record as it was appended. */
export interface Kept {
  readonly shard: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly key: string | null;
  readonly headers: readonly (readonly [string, string | null])[];
}

/** Merges sequences by their heads: the smallest (timestamp, shard) comes next, or the largest. */
export function mergeHeads(sequences: readonly (readonly Kept[])[], sign: 1 | -1): Kept[] {
  const at = sequences.map(() => 0);
  const merged: Kept[] = [];
  for (;;) {
    let best = -1;
    for (let i = 0; i < sequences.length; i++) {
      if (at[i] >= sequences[i].length) continue;
      const a = sequences[i][at[i]];
      const b = best < 0 ? undefined : sequences[best][at[best]];
      if (b === undefined || sign * (a.timestamp - b.timestamp || a.shard - b.shard) < 0) best = i;
    }
    if (best < 0) return merged;
    merged.push(sequences[best][at[best]++]);
  }
}

function indexOfTime(records: readonly Kept[], time: number): number {
  const first = records.findIndex(({ timestamp }) => timestamp >= time);
  return first < 0 ? records.length : first;
}

function placeOf(records: readonly Kept[], shard: number, place: ReadOptions["from"] | ReadOptions["before"]): number {
  if (place === "earliest") return 0;
  if (place === "latest") return records.length;
  if (place instanceof Date) return indexOfTime(records, place.getTime());
  return Math.min(records.length, typeof place === "number" ? place : (place as readonly number[])[shard]);
}

function isWanted({ key, headers }: Kept, where: ReadOptions["where"]): boolean {
  if (where === undefined) return true;
  if (where.key !== undefined && where.key !== key) return false;
  return Object.entries(where.headers ?? {}).every(([name, wanted]: [string, BytesInput | null | true]) =>
    headers.some((header) => header[0] === name && (wanted === true || header[1] === wanted))
  );
}

/** By shard, what is wanted, oldest first. */
function wanted(log: readonly (readonly Kept[])[], options: ReadOptions): Kept[][] {
  const { shard, from = "earliest", before, where } = options;
  return log.filter((_, id) => shard === undefined || shard === id).map((records) => {
    const id = records[0]?.shard ?? 0;
    const start = placeOf(records, id, from);
    const end = before === undefined ? records.length : placeOf(records, id, before);
    return records.slice(start, Math.max(start, end)).filter((record) => isWanted(record, where));
  });
}

/** What `log.read` must hand out. */
export function selected(log: readonly (readonly Kept[])[], options: ReadOptions): Kept[] {
  const { last, limit, reverse } = options;
  const sequences = wanted(log, options);
  const newest = mergeHeads(sequences.map((records) => records.toReversed()), -1).slice(0, last);
  if (reverse) return newest.slice(0, limit);
  const kept = new Set(newest);
  return mergeHeads(sequences.map((records) => records.filter((record) => kept.has(record))), 1).slice(0, limit);
}

/** What the cursors of `log.batches` must visit. */
export function selectedBatches(log: readonly (readonly Kept[])[], options: ReadOptions): Kept[] {
  const { last, limit } = options;
  const all = wanted(log, options).flat();
  return (last === undefined ? all : last === 0 ? [] : all.slice(-last)).slice(0, limit);
}
