/**
 * The log under crashes: many short lives of a log, each from one seed, in simulated time on a simulated disk.
 *
 * `SIMULATION_SEED` is the first seed, `SIMULATION_SCHEDULES` how many follow. A failure names its seed and how to see it again.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import { runSchedules } from "./schedule.ts";

const isNode = !("Bun" in globalThis) && !("Deno" in globalThis);
const start = Number(process.env.SIMULATION_SEED ?? 1);
const count = Number(process.env.SIMULATION_SCHEDULES ?? (isNode ? 5000 : 1000));

/** What any run of some length must have met; otherwise it proves less than it says. */
const MUST_HAPPEN: readonly string[] = [
  ...["clean", "torn", "loss"].map((verdict) => `verdict after power: ${verdict}`),
  ...["clean", "torn"].map((verdict) => `verdict after process: ${verdict}`),
  "verdict after close: clean",
  ...["creation", "recovery", "opening", "idleness", "close", "append", "tryAppend", "tryAppendBatch", "flush", "flushAll"]
    .flatMap((phase) => [`crash in ${phase}: process`, `crash in ${phase}: power`]),
  "crash: with operations in flight",
  ...["errorBefore", "errorAfter", "shortWrite", "delay"].map((fault) => `fault: ${fault}`),
  ...["IO", "DISK_FULL", "POISONED"].map((code) => `error: ${code}`),
  ...["landed", "lost", "prefix"].map((what) => `in flight at a crash: ${what}`),
  ...["kept", "dropped", "torn", "sectors", "blocks", "zeros", "garbage", "stale"]
    .map((choice) => `power loss writes: ${choice}`),
  ...["kept", "undone"].map((what) => `power loss truncates: ${what}`),
  ...["kept", "dropped"].map((what) => `power loss entries: ${what}`),
  "power loss: sizesBehind",
  ...["crash states", "variants", "recovered twice"].map((what) => `invariant: ${what}`),
  "life: closed",
  "operation: backpressure",
  "reading: records followed",
  "reading: records beside the writer",
  "recovery: interrupted by a crash",
  "recovery: records lost that nobody was promised",
  ...["0", "1", "2", "3 or more"].map((segments) => `recovery: shards with ${segments} segments`),
];

describe("a log under crashes", () => {
  it(`keeps its promises in ${count} schedules from seed ${start}`, async () => {
    assert.ok(Number.isSafeInteger(start), "SIMULATION_SEED must be a whole number");
    assert.ok(Number.isSafeInteger(count) && count > 0, "SIMULATION_SCHEDULES must be a whole number from 1");
    const { tally, failures, msPerSchedule } = await runSchedules(start, count);
    console.log(`${tally}\n${msPerSchedule.toFixed(2)} ms a schedule`);
    assert.deepEqual(failures, [], `\n${failures.join("\n")}`);
    if (count < 500) return;
    assert.deepEqual(MUST_HAPPEN.filter((name) => tally.get(name) === 0), [], "these never happened");
  });
});
