/**
 * Runs one schedule of the crash simulation again and prints what happens in it:
 *
 *     node scripts/replay_simulation.ts SEED
 */
import process from "node:process";
import { formatRows } from "../test/simulation/rows.ts";
import { runSchedule } from "../test/simulation/schedule.ts";

const seed = Number(process.argv[2]);
if (process.argv.length !== 3 || !Number.isSafeInteger(seed)) {
  console.error("Usage: node scripts/replay_simulation.ts SEED");
  process.exitCode = 2;
} else {
  const { tally, failure } = await runSchedule(seed, { trace: (line) => console.log(line) });
  console.log(`\n${formatRows(tally)}\n`);
  console.log(failure ?? `seed ${seed}: nothing wrong`);
  process.exitCode = failure === undefined ? 0 : 1;
}
