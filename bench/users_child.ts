/**
 * A process with one log and the index of its users, whose memory counts. Arguments: `append` or `read`, a directory, a number of
 * messages or of reads, the stride of users. Prints one line of JSON.
 *
 * @module
 */
import process from "node:process";
import { BACKPRESSURE, openLog } from "../mod.ts";
import { makeValue } from "./figure.ts";

const USERS = 1_000_000;
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
  // Drawn before the clock starts: both strides pay for the same keys.
  const users = new Uint32Array(1 << 20).map(zipf);
  const record = { key: "", value: makeValue() };
  const log = await openLog(directory, { topic: "log", userStride: Number(strideText) });
  const shard = log.shard(0);
  const before = memory();
  const started = performance.now();
  for (let i = 0; i < count; i++) {
    record.key = keyOf(users[i & (users.length - 1)]);
    while (shard.tryAppend(record) === BACKPRESSURE) await shard.writable();
  }
  await shard.flush("os");
  const seconds = (performance.now() - started) / 1000;
  const mib = memory() - before;
  await log.close();
  return { seconds, mib };
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
