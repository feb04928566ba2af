/** Opens a log, compares all its records, goes on with `count` more on each shard, closes, and prints what it found. */
import process from "node:process";
import { openLog, type OpenOptions } from "../../mod.ts";
import { takeNext, verifyAll } from "./records.ts";

const { directory, seed, count, options } = JSON.parse(process.argv[2]) as {
  directory: string;
  seed: number;
  count: number;
  options: OpenOptions;
};

const log = await openLog(directory, { ...options, flushIntervalMs: Infinity });
const found = await verifyAll(log, seed);
for (const shard of log.shards) {
  const end = shard.nextOffset + count;
  const stride = options.stride ?? 1000;
  let sinceWait = 0;
  while (shard.nextOffset < end) {
    const before = shard.nextOffset;
    const last = takeNext(shard, seed);
    sinceWait += last + 1 - before;
    // The stride has flushed what came so far; to wait for it keeps the buffer small and changes no byte.
    if (sinceWait >= stride) {
      sinceWait = 0;
      await shard.acknowledged(last);
    }
  }
}
const ends = log.shards.map((shard) => shard.nextOffset);
const verdicts = log.recovery.map(({ verdict }) => verdict);
await log.close();
console.log(JSON.stringify({ found, ends, verdicts }));
