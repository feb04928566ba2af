/**
 * A writer that is killed. Arguments: directory, messages, options of the log as JSON. It opens the log, appends, flushes to the
 * operating system, prints how many milliseconds opening took and which offset comes next, and waits for its end.
 *
 * @module
 */
import process from "node:process";
import type { OpenOptions } from "../mod.ts";
import { waitToBeKilled } from "./child.ts";
import { makeValue } from "./figure.ts";
import { library } from "./library.ts";

const [directory, messages, options] = process.argv.slice(2);
const { BACKPRESSURE, openLog } = await library();
const started = performance.now();
const log = await openLog(directory, JSON.parse(options) as OpenOptions);
const openMs = performance.now() - started;
const shard = log.shard(0);
const record = { value: makeValue() };
for (let i = 0; i < Number(messages); i++) {
  while (shard.tryAppend(record) === BACKPRESSURE) await shard.writable();
}
await shard.flush("os");
console.log(`${openMs} ${shard.nextOffset}`);
waitToBeKilled();
