/**
 * Writes a log in two lives: the first one is closed, the second one waits to be killed. Copies of the anchor are kept from
 * moments on the way. Offsets: 30 at the end of the first life, 60 synced, 100 written.
 */
import { copyFileSync } from "node:fs";
import process from "node:process";
import { type Log, openLog, type OpenOptions } from "../../mod.ts";
import { take } from "../helpers.ts";

const { directory, anchors, close } = JSON.parse(process.argv[2]) as {
  directory: string;
  anchors: string;
  close: boolean;
};
const options: OpenOptions = { topic: "log", batchBytes: 500, segmentBytes: 4000, flushIntervalMs: Infinity };

async function appendTo(log: Log, end: number): Promise<void> {
  const shard = log.shard(0);
  while (shard.nextOffset < end) {
    const offset = shard.nextOffset;
    take(shard, { value: `${offset} `.padEnd(130, "."), timestamp: 1000 + offset });
    if (offset % 10 === 9) await shard.flush();
  }
  await shard.flush();
  copyFileSync(`${directory}/log-0/anchor`, `${anchors}/${end}`);
}

const first = await openLog(directory, options);
await appendTo(first, 20);
await appendTo(first, 30);
await first.close();

const second = await openLog(directory, options);
await appendTo(second, 45);
await second.flush("disk");
await appendTo(second, 60);
await second.flush("disk");
await appendTo(second, 80);
await appendTo(second, 100);
if (close) await second.close();
console.log("ready");
// The timer keeps the process, and with it the lock, until it is killed.
setInterval(() => {}, 1000);
