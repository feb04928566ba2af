/**
 * Runs schedules in a process of its own: the test runner follows every promise, which costs more than the schedules themselves.
 * Arguments: first seed, count (or `Infinity`), step from seed to seed, seconds. Prints a line of JSON now and then, and one at the end.
 */
import process from "node:process";
import { runSchedules } from "./schedule.ts";

/** How often it says how far it is. */
const REPORT_MS = 1000;

const [first, count, step, seconds] = process.argv.slice(2).map(Number);
// Whoever started this process is gone: nobody waits for the rest.
process.stdout.on("error", () => process.exit(1));
const end = performance.now() + seconds * 1000;
let nextReport = performance.now() + REPORT_MS;
const { tally, ...result } = await runSchedules({ first, count, step }, (done) => {
  const now = performance.now();
  if (now >= nextReport) {
    nextReport = now + REPORT_MS;
    process.stdout.write(`${JSON.stringify({ done })}\n`);
  }
  return now < end;
});
process.stdout.write(`${JSON.stringify({ result: { ...result, counts: [...tally.counts] } })}\n`);
