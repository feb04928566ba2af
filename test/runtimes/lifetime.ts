/** Opens a log, does one thing, and leaves it to the runtime when the process ends. Prints when that is. */
import process from "node:process";
import { openLog } from "../../mod.ts";

const { directory, flushIntervalMs, deed } = JSON.parse(process.argv[2]) as {
  directory: string;
  flushIntervalMs: number | "Infinity";
  deed: "nothing" | "append" | "append and flush" | "append and close" | "leave a follower";
};

const log = await openLog(directory, { flushIntervalMs: Number(flushIntervalMs) });
if (deed.startsWith("append")) log.shard(0).tryAppend({ value: "kept" });
if (deed === "append and flush") await log.flush();
if (deed === "append and close") await log.close();
if (deed === "leave a follower") void log.read({ follow: true }).next();
const done = performance.now();
process.on("exit", () => {
  console.log(JSON.stringify({ aliveMs: performance.now() - done, written: log.shard(0).written }));
});
