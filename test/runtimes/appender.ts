/**
 * Appends until it is killed. What is acknowledged stands in a file of its own, a line an acknowledgement, written before
 * anything else happens: the page cache outlives the process.
 */
import { openSync, writeSync } from "node:fs";
import process from "node:process";
import { openLog, type OpenOptions } from "../../mod.ts";
import { takeNext, verifyAll } from "./records.ts";

const { directory, acks, seed, options } = JSON.parse(process.argv[2]) as {
  directory: string;
  acks: string;
  seed: number;
  options: OpenOptions;
};

const log = await openLog(directory, options);
const found = await verifyAll(log, seed);
const file = openSync(acks, "a");
console.log(`open ${JSON.stringify({ found, recovery: log.recovery })}`);

let outstanding = 0;
for (let i = 0;; i++) {
  const shard = log.shards[i % log.shards.length];
  const last = takeNext(shard, seed);
  outstanding++;
  void shard.acknowledged(last).then(() => {
    outstanding--;
    writeSync(file, `${shard.id} ${last}\n`);
  });
  if (outstanding >= 500) await shard.acknowledged(last);
  else if (i % 37 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
}
