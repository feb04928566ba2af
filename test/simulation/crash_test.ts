/**
 * The log under crashes: many short lives of a log, each from one seed, in simulated time on a simulated disk.
 *
 * `SIMULATION_SEED` is the first seed, `SIMULATION_SCHEDULES` how many follow. A failure names its seed and how to see it again.
 * `scripts/simulate.ts` runs the bulk.
 */
import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import { FEWEST_OPERATIONS, FEWEST_SHARDS, formatRows, INTERRUPTED_SHARE, rareRows } from "./rows.ts";
import { runApart } from "./run_apart.ts";

const first = Number(process.env.SIMULATION_SEED ?? 1);
const count = Number(process.env.SIMULATION_SCHEDULES ?? 1000);
/** Processes that share the schedules; none ends for the failure of another one. Each has to compile everything. */
const PROCESSES = Number(process.env.SIMULATION_PROCESSES ?? 1);
/** From so many schedules on, what is expected once in 300 has happened. */
const MANY = 3000;

describe("a log under crashes", () => {
  it(`keeps its promises in ${count} schedules from seed ${first} [faults 1, 3, 4, 12, 14, 16, 21, 22, 29c, 37, 39, 40, 54]`, async () => {
    assert.ok(Number.isSafeInteger(first), "SIMULATION_SEED must be a whole number");
    assert.ok(Number.isSafeInteger(count) && count > 0, "SIMULATION_SCHEDULES must be a whole number from 1");
    const result = await runApart({ first, count, processes: Math.min(PROCESSES, count) });
    console.log(formatRows(result.tally));
    console.log(`${(result.cpuMs / count).toFixed(2)} ms a schedule`);
    assert.deepEqual(result.failures, [], `\n${result.failures.join("\n")}`);
    assert.equal(result.schedules, count);
    assert.ok(result.fewestOperations >= FEWEST_OPERATIONS, `a schedule had ${result.fewestOperations} operations`);
    assert.ok(result.fewestShards >= FEWEST_SHARDS, `a schedule had ${result.fewestShards} shards`);
    if (count < MANY) return;
    const interrupted = result.tally.get("schedule: with a crash inside recovery");
    assert.ok(interrupted >= count * INTERRUPTED_SHARE, `only ${interrupted} schedules crashed inside recovery`);
    assert.deepEqual(rareRows(result.tally, 1), [], "these never happened");
  });
});
