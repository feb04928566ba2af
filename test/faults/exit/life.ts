/** Appends, says what was acknowledged, and ends in the way it is told, without closing the log. */
import process from "node:process";
import { openLog } from "../../../mod.ts";
import { say } from "../writer/say.ts";

const [directory, ending] = process.argv.slice(2);
const log = await openLog(directory, { shards: 2, flushIntervalMs: 60_000 });
for (const { id } of log.shards) {
  for (let i = 0; i < 100; i++) log.shard(id).tryAppend({ value: `${id}:${i}` });
  await log.shard(id).flush(id === 0 ? "os" : "disk");
  say(`ack ${id} ${log.shard(id).written}`);
  // Nobody was told that these are safe.
  for (let i = 100; i < 150; i++) log.shard(id).tryAppend({ value: `${id}:${i}` });
}
say("ready");
if (ending === "exit") process.exit(3);
if (ending === "throw") setTimeout(() => JSON.parse("no JSON"), 0);
if (ending === "reject") void Promise.reject(new Error("nobody catches this"));
if (ending === "top-level throw") throw new Error("at the top level");
// The others are ended from outside.
