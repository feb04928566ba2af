/**
 * The log under crashes: many short lives of a log, each from one seed, in simulated time on a simulated disk.
 *
 * `SIMULATION_SEED` is the first seed, `SIMULATION_SCHEDULES` how many follow. A failure names its seed and how to see it again.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import process from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import type { RunResult } from "./schedule.ts";
import { Tally } from "./tally.ts";

const isNode = !("Bun" in globalThis) && !("Deno" in globalThis);
const start = Number(process.env.SIMULATION_SEED ?? 1);
const count = Number(process.env.SIMULATION_SCHEDULES ?? (isNode ? 5000 : 1000));
/** Processes that share the schedules; a run may take so long for each of them. */
const PROCESSES = 2;
const LIMIT_MS_A_SCHEDULE = 200;

/** What any run of some length must have met; otherwise it proves less than it says. */
const MUST_HAPPEN: readonly string[] = [
  ...["clean", "torn", "loss"].map((verdict) => `verdict after power: ${verdict}`),
  ...["clean", "torn"].map((verdict) => `verdict after process: ${verdict}`),
  "verdict after close: clean",
  ...[
    "creation",
    "recovery",
    "opening",
    "idleness",
    "close",
    "append",
    "tryAppend",
    "tryAppendBatch",
    "flush",
    "flushAll",
  ]
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
  ...["flippedBit", "lostSync", "lostWrite", "lyingSync", "misdirectedWrite"].map((fault) => `fault: ${fault}`),
  ...["weak", "lying"].map((profile) => `schedule: ${profile}`),
  "verdict on a lying disk: corrupt",
  "verdict on a lying disk: loss",
  "verdict on a weak disk: torn",
  ...["crash states", "variants", "recovered twice"].map((what) => `invariant: ${what}`),
  "life: closed",
  "operation: backpressure",
  "reading: records followed",
  "reading: records beside the writer",
  "recovery: interrupted by a crash",
  "recovery: records lost that nobody was promised",
  ...["0", "1", "2", "3 or more"].map((segments) => `recovery: shards with ${segments} segments`),
];

/** Runs schedules in a process of its own, without the hooks of the test runner. */
async function runApart(first: number, schedules: number): Promise<RunResult> {
  const script = fileURLToPath(new URL("./run_schedules.ts", import.meta.url));
  const args = "Deno" in globalThis ? ["run", "-A", "--quiet", "--no-check"] : [];
  const child = spawn(process.execPath, [...args, script, String(first), String(schedules)], {
    stdio: ["ignore", "pipe", "inherit"],
    timeout: 30_000 + schedules * LIMIT_MS_A_SCHEDULE,
    killSignal: "SIGKILL",
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => output += text);
  const exit = await new Promise<number | string | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(code ?? signal));
  });
  assert.equal(exit, 0, `schedules from seed ${first} ended with ${exit}`);
  const { counts, failures, msPerSchedule } = JSON.parse(output) as {
    counts: [string, number][];
    failures: string[];
    msPerSchedule: number;
  };
  const tally = new Tally();
  for (const [name, times] of counts) tally.add(name, times);
  return { tally, failures, msPerSchedule };
}

describe("a log under crashes", () => {
  it(`keeps its promises in ${count} schedules from seed ${start}`, async () => {
    assert.ok(Number.isSafeInteger(start), "SIMULATION_SEED must be a whole number");
    assert.ok(Number.isSafeInteger(count) && count > 0, "SIMULATION_SCHEDULES must be a whole number from 1");
    const share = Math.ceil(count / PROCESSES);
    const runs: Promise<RunResult>[] = [];
    for (let first = 0; first < count; first += share) {
      runs.push(runApart(start + first, Math.min(share, count - first)));
    }
    const tally = new Tally();
    const failures: string[] = [];
    for (const run of await Promise.all(runs)) {
      tally.merge(run.tally);
      failures.push(...run.failures);
      console.log(`${run.msPerSchedule.toFixed(2)} ms a schedule`);
    }
    console.log(String(tally));
    assert.deepEqual(failures, [], `\n${failures.join("\n")}`);
    if (count < 500) return;
    assert.deepEqual(MUST_HAPPEN.filter((name) => tally.get(name) === 0), [], "these never happened");
  });
});
