/**
 * Runs schedules in a process of its own and prints what came of them as JSON: the test runner follows every promise,
 * which costs more than the schedules themselves. Arguments: first seed, count.
 */
import process from "node:process";
import { runSchedules } from "./schedule.ts";

const [start, count] = process.argv.slice(2).map(Number);
const { tally, failures, msPerSchedule } = await runSchedules(start, count);
process.stdout.write(JSON.stringify({ counts: [...tally.counts], failures, msPerSchedule }));
