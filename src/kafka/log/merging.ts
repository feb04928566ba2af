/**
 * The records of several partitions as one sequence, as an embedded log merges its shards.
 *
 * @module
 */
import type { LogRecord } from "../../read/stored_record.ts";

/** Hands out the records of one partition; `undefined` behind the last one. */
export type NextRecord = () => Promise<LogRecord | undefined>;

/** Merges by (timestamp, shard), or the other way round. */
export async function* merge(sources: readonly NextRecord[], reverse: boolean): AsyncGenerator<LogRecord> {
  const standing: { next: NextRecord; record: LogRecord }[] = [];
  const step = async (next: NextRecord): Promise<void> => {
    const record = await next();
    if (record !== undefined) standing.push({ next, record });
  };
  await Promise.all(sources.map(step));
  while (standing.length > 0) {
    let first = 0;
    for (let i = 1; i < standing.length; i++) {
      const difference = compare(standing[i].record, standing[first].record);
      if (reverse ? difference > 0 : difference < 0) first = i;
    }
    const [{ next, record }] = standing.splice(first, 1);
    yield record;
    await step(next);
  }
}

function compare(a: LogRecord, b: LogRecord): number {
  return a.timestamp - b.timestamp || a.shard - b.shard;
}
