/**
 * Appends records at a certain rate for a certain time: the value of each is its offset, in 16 bytes. Says `open`, begins when it is
 * told to, says where it ended, and closes when it is told to.
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { BACKPRESSURE, openLog } from "../../mod.ts";

const { directory, shards, seconds, rate, segmentBytes } = JSON.parse(process.argv[2]) as {
  directory: string;
  shards: number;
  seconds: number;
  rate: number;
  segmentBytes: number;
};

const log = await openLog(directory, { topic: "log", shards, segmentBytes });
const orders = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
console.log("open");
await orders.next();
const value = new Uint8Array(16);
const view = new DataView(value.buffer);
const started = performance.now();
let appended = 0;
for (let elapsed = 0; elapsed < seconds; elapsed = (performance.now() - started) / 1000) {
  for (const due = Math.min(elapsed + 0.005, seconds) * rate; appended < due; appended++) {
    const shard = log.shards[appended % shards];
    view.setFloat64(0, shard.nextOffset);
    while (shard.tryAppend({ value }) === BACKPRESSURE) await shard.writable();
  }
  await new Promise((resolve) => setTimeout(resolve, 4));
}
await log.flush();
const { rolls } = log.stats().total;
console.log(`ended ${JSON.stringify({ ends: log.shards.map((shard) => shard.written), rolls })}`);
await orders.next();
await log.close();
process.exit(0);
