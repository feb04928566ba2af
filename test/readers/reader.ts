/**
 * Follows a log that another process writes, through its batches. Says `ready`; told where the writer ended, it goes on until there,
 * and says what it has seen: on each shard every offset once, in order, with the value that belongs to it, or what was wrong.
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { openLog } from "../../mod.ts";

const { directory } = JSON.parse(process.argv[2]) as { directory: string };
const log = await openLog(directory, { readOnly: true });
const next = log.shards.map(() => 0);
const wrong: string[] = [];
let ends: readonly number[] | undefined;
let isDone: () => void = () => {};
const done = new Promise<void>((resolve) => isDone = resolve);
const look = (): void => {
  if (ends?.every((end, shard) => next[shard] >= end)) isDone();
};

async function follow(shard: number): Promise<void> {
  for await (const batch of log.batches({ shard, follow: true })) {
    const cursor = batch.records();
    while (cursor.next()) {
      const { value } = cursor;
      const expected = next[shard]++;
      const said = value === null ? NaN : new DataView(value.buffer, value.byteOffset).getFloat64(0);
      if (cursor.offset === expected && said === expected) continue;
      if (wrong.length < 5) wrong.push(`shard ${shard}: ${cursor.offset} with ${said} where ${expected} belongs`);
    }
    look();
  }
}

createInterface({ input: process.stdin }).on("line", (line) => {
  ends = JSON.parse(line) as number[];
  look();
});
const following = log.shards.map((shard) => follow(shard.id));
console.log("ready");
await Promise.race([done, ...following]);
// Whatever comes twice comes now.
await new Promise((resolve) => setTimeout(resolve, 100));
await log.close();
await Promise.all(following);
console.log(`seen ${JSON.stringify({ next, wrong })}`);
process.exit(0);
