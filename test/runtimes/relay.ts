/**
 * For each of `counts`: opens a log, compares all its records, goes on with so many more on each shard, closes. Prints what each
 * opening found and where it ended.
 */
import process from "node:process";
import { openLog, type OpenOptions } from "../../mod.ts";
import { takeNext, verifyAll } from "./records.ts";

const { directory, seed, counts, options } = JSON.parse(process.argv[2]) as {
  directory: string;
  seed: number;
  counts: number[];
  options: OpenOptions;
};

const reports: unknown[] = [];
for (const count of counts) {
  const log = await openLog(directory, { ...options, flushIntervalMs: Infinity });
  const found = await verifyAll(log, seed);
  for (const shard of log.shards) {
    const end = shard.nextOffset + count;
    let flushedAt = shard.nextOffset;
    while (shard.nextOffset < end) {
      takeNext(shard, seed);
      // Keeps the buffer below its limit, at offsets that are the same for everybody.
      if (shard.nextOffset - flushedAt >= 500) {
        flushedAt = shard.nextOffset;
        await shard.flush();
      }
    }
  }
  const ends = log.shards.map((shard) => shard.nextOffset);
  reports.push({ found, ends, verdicts: log.recovery.map(({ verdict }) => verdict) });
  await log.close();
}
console.log(JSON.stringify(reports));
