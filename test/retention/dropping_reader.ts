/**
 * Follows a shard whose oldest segments are dropped. Where it is told that what it wanted is gone, it goes on at the first record there is.
 * Says `ready`; told the end, it goes on until there and says how much it got, how often it was told, and what was wrong.
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { LogError, openLog } from "../../mod.ts";

const { directory } = JSON.parse(process.argv[2]) as { directory: string };
const log = await openLog(directory, { readOnly: true });
const wrong: string[] = [];
let [next, delivered, told] = [0, 0, 0];
let end = Infinity;
createInterface({ input: process.stdin }).on("line", (line) => end = Number(line));
console.log("ready");
let from: number | "earliest" = "earliest";
const stop = new AbortController();
const timer = setInterval(() => {
  if (next >= end) stop.abort();
}, 5);
while (!stop.signal.aborted) {
  try {
    for await (const record of log.read({ shard: 0, from, follow: true, signal: stop.signal })) {
      const isNext = record.offset === next || (from === "earliest" && delivered === 0);
      if (!isNext) wrong.push(`${record.offset} came where ${next} was next`);
      if (record.text()?.trimEnd() !== `${record.offset}`) wrong.push(`${record.offset} holds ${record.text()}`);
      next = record.offset + 1;
      delivered++;
      // At times it is too slow.
      if (delivered % 200 === 0) await new Promise((resolve) => setTimeout(resolve, 100));
    }
  } catch (error) {
    if (stop.signal.aborted) break;
    const { range } = error as LogError;
    if (
      !(error instanceof LogError) || error.code !== "OFFSET_OUT_OF_RANGE" || range === undefined || range[0] <= next
    ) {
      wrong.push(String(error));
      break;
    }
    told++;
    next = from = range[0];
  }
}
clearInterval(timer);
await log.close();
console.log(`seen ${JSON.stringify({ next, delivered, told, wrong: wrong.slice(0, 5) })}`);
process.exit(0);
