/**
 * A process with one log and the index of its users, whose memory counts. Arguments: `append` or `read`, a directory, a number of
 * messages or of reads, the stride of users. Prints one line of JSON.
 *
 * @module
 */
import process from "node:process";
import { BACKPRESSURE, openLog } from "../mod.ts";
import { makeValue } from "./figure.ts";
import { processSeconds } from "./processor_time.ts";

const USERS = 1_000_000;
/** Keys that are drawn beforehand, and taken again and again. */
const DRAWN: number = 1 << 20;
const [mode, directory, countText, strideText] = process.argv.slice(2);
const count = Number(countText);

function keyOf(user: number): string {
  return `user-${user}`;
}

/** Zipf's distribution with exponent 1, nearly: the logarithm of the rank is uniform. */
function zipf(): number {
  return Math.min(USERS - 1, Math.floor(USERS ** Math.random()) - 1);
}

function memory(): number {
  return process.memoryUsage().rss / 2 ** 20;
}

async function append(): Promise<unknown> {
  // Drawn and made before the clock starts: neither is the log's work.
  const keys: string[] = [];
  const made = new Map<number, string>();
  while (keys.length < DRAWN) {
    const user = zipf();
    const key = made.get(user) ?? keyOf(user);
    made.set(user, key);
    keys.push(key);
  }
  made.clear();
  const record = { key: "", value: makeValue() };
  const log = await openLog(directory, { topic: "log", userStride: Number(strideText) });
  const shard = log.shard(0);
  const before = memory();
  const startedProcessor = processSeconds();
  const started = performance.now();
  for (let i = 0; i < count; i++) {
    record.key = keys[i % DRAWN];
    while (shard.tryAppend(record) === BACKPRESSURE) await shard.writable();
  }
  await shard.flush("os");
  const seconds = (performance.now() - started) / 1000;
  const processor = processSeconds() - startedProcessor;
  const mib = memory() - before;
  await log.close();
  return { seconds, processor, mib };
}

async function read(): Promise<unknown> {
  const before = memory();
  const log = await openLog(directory, { topic: "log" });
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const key = keyOf(Math.floor(Math.random() * USERS));
    const started = performance.now();
    for await (const _ of log.user(key).read({ last: 50 }));
    times.push(performance.now() - started);
  }
  const mib = memory() - before;
  await log.close();
  times.sort((a, b) => a - b);
  return { p50: times[Math.floor(count * 0.5)], p99: times[Math.floor(count * 0.99)], mib };
}

console.log(JSON.stringify(mode === "append" ? await append() : await read()));
