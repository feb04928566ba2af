/**
 * A process whose memory is measured from outside. Arguments: `idle`; or `loaded`, `write` or `shards`, a directory, a number.
 * Everything is imported late, so that an idle process is the runtime and nothing else. Prints its resident memory in MiB,
 * now and at its peak, as the runtime knows them.
 *
 * @module
 */
import process from "node:process";

const [mode, directory, count] = process.argv.slice(2);

async function load(): Promise<typeof import("../mod.ts")> {
  const { library } = await import("./library.ts");
  return await library();
}

async function write(messages: number): Promise<unknown> {
  const { BACKPRESSURE, openLog } = await load();
  const { makeValue } = await import("./figure.ts");
  const log = await openLog(directory, { topic: "log" });
  const shard = log.shard(0);
  const record = { value: makeValue() };
  for (let i = 0; i < messages; i++) {
    while (shard.tryAppend(record) === BACKPRESSURE) await shard.writable();
  }
  await shard.flush("os");
  return log;
}

async function shards(count: number): Promise<unknown> {
  const { openLog } = await load();
  const log = await openLog(directory, { topic: "log", shards: count });
  // Each has been written to once: a shard without any record has not even files.
  for (const shard of log.shards) shard.tryAppend({ value: "one" });
  await log.flush("os");
  return log;
}

let held: unknown;
if (mode === "loaded") held = await load();
else if (mode === "write") held = await write(Number(count));
else if (mode === "shards") held = await shards(Number(count));
else if (mode !== "idle") throw new Error(`no such mode: ${mode}`);
await new Promise((resolve) => setTimeout(resolve, 200));
console.log(`${process.memoryUsage().rss / 2 ** 20} ${process.resourceUsage().maxRSS / 1024}`);
// The log stays reachable for as long as the process lives.
setTimeout(() => process.exit(held === undefined ? 1 : 2), 600_000);
