/** What a read must answer, found without any index: by looking at every record that was appended. */
import type { Log, LogRecord, ReadOptions } from "../../mod.ts";
import { take } from "../helpers.ts";

/** A record as it was appended. */
export interface Appended {
  readonly shard: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly key: string;
}

/** All records of a log, by shard. */
export type Appendeds = readonly (readonly Appended[])[];

/** Appends `count` records to random shards; `timestampOf` gives the time of the i-th. */
export async function fillLog(
  log: Log,
  count: number,
  random: (limit: number) => number,
  timestampOf: (i: number) => number,
): Promise<Appended[][]> {
  const appended: Appended[][] = log.shards.map(() => []);
  for (let i = 0; i < count; i++) {
    const shard = log.shard(random(log.shards.length));
    const record = { shard: shard.id, offset: shard.nextOffset, timestamp: timestampOf(i), key: `user-${random(9)}` };
    take(shard, { key: record.key, value: "x".repeat(random(300)), timestamp: record.timestamp });
    appended[shard.id].push(record);
    if (random(40) === 0) await shard.flush();
  }
  await log.flush();
  return appended;
}

/** Merges sequences: the head with the smallest (timestamp, shard) comes next. */
export function merge(sequences: Appendeds): Appended[] {
  const rest = sequences.map((sequence) => [...sequence]);
  const merged: Appended[] = [];
  for (;;) {
    const heads = rest.filter((sequence) => sequence.length > 0);
    if (heads.length === 0) return merged;
    heads.sort(([a], [b]) => a.timestamp - b.timestamp || a.shard - b.shard);
    merged.push(heads[0].shift()!);
  }
}

/** The records that a read with these options must hand out. */
export function expectedOf(appended: Appendeds, options: ReadOptions): Appended[] {
  const { shard, from = "earliest", last, limit } = options;
  const starts = appended.map((records) => {
    if (from === "earliest") return records;
    if (from === "latest") return [];
    if (from instanceof Date) {
      const first = records.findIndex(({ timestamp }) => timestamp >= from.getTime());
      return first < 0 ? [] : records.slice(first);
    }
    return records.slice(typeof from === "number" ? from : from[records[0]?.shard ?? 0]);
  });
  let merged = merge(shard === undefined ? starts : [starts[shard]]);
  if (last !== undefined) merged = last === 0 ? [] : merged.slice(-last);
  return merged.slice(0, limit);
}

/** A record as far as it is compared. */
export function summary(record: LogRecord): Appended {
  return { shard: record.shard, offset: record.offset, timestamp: record.timestamp, key: record.keyText()! };
}
