/**
 * Runs many schedules of the crash simulation in plain processes and prints what they met:
 *
 *     node scripts/simulate.ts --count N --start S [--jobs J] [--minutes M] [--at-least B]
 *
 * `--at-least`: every row of the tables must have happened so often. `--minutes`: ends then; fewer schedules than `--count` are a
 * failure. Exit code 0 where every promise was kept and every bound met, 1 otherwise, 2 for wrong arguments.
 */
import { availableParallelism } from "node:os";
import process from "node:process";
import { parseArgs } from "node:util";
import { FEWEST_OPERATIONS, FEWEST_SHARDS, formatRows, INTERRUPTED_SHARE, rareRows } from "../test/simulation/rows.ts";
import { runApart } from "../test/simulation/run_apart.ts";
import type { RunResult } from "../test/simulation/schedule.ts";

const PROGRESS_MS = 10_000;
const USAGE =
  "Usage: node scripts/simulate.ts [--count N] [--start SEED] [--jobs J] [--minutes M] [--at-least B]; without --count until --minutes";

interface Options {
  readonly first: number;
  readonly count: number;
  readonly processes: number;
  readonly seconds: number;
  readonly atLeast: number;
}

function readOptions(): Options | undefined {
  const text = { type: "string" } as const;
  try {
    const { values } = parseArgs({
      options: { count: text, start: text, jobs: text, minutes: text, "at-least": text },
    });
    const { count, start = 1, jobs = availableParallelism(), minutes = Infinity, "at-least": atLeast = 0 } = values;
    if (count === undefined && values.minutes === undefined) return undefined;
    const options: Options = {
      first: Number(start),
      count: Number(count ?? Infinity),
      processes: Math.min(Number(jobs), Number(count ?? Infinity)),
      seconds: Number(minutes) * 60,
      atLeast: Number(atLeast),
    };
    const isWhole = [options.first, options.processes, options.atLeast].every(Number.isSafeInteger);
    const isCount = options.count === Infinity || Number.isSafeInteger(options.count);
    return isWhole && isCount && options.count > 0 && options.processes > 0 && options.seconds > 0
      ? options
      : undefined;
  } catch {
    return undefined;
  }
}

/** What the run lacks. */
function shortcomings(result: RunResult, { count, atLeast }: Options): string[] {
  const { schedules, fewestOperations, fewestShards, tally, failures } = result;
  const interrupted = tally.get("schedule: with a crash inside recovery");
  return [
    ...failures,
    ...(count !== Infinity && schedules < count ? [`only ${schedules} of ${count} schedules were run`] : []),
    ...(fewestOperations < FEWEST_OPERATIONS ? [`a schedule had only ${fewestOperations} operations`] : []),
    ...(fewestShards < FEWEST_SHARDS ? [`a schedule had only ${fewestShards} shards`] : []),
    ...(interrupted < schedules * INTERRUPTED_SHARE ? [`only ${interrupted} schedules crashed inside recovery`] : []),
    ...rareRows(tally, atLeast).map((row) => `fewer than ${atLeast}: ${row}`),
  ];
}

function print(result: RunResult, { first, processes }: Options, seconds: number): void {
  const { schedules, tally, fewestOperations, fewestShards, cpuMs } = result;
  const share = 100 * tally.get("schedule: with a crash inside recovery") / schedules;
  console.log(formatRows(tally));
  console.log(`
${schedules} schedules, seeds from ${first}, in ${seconds.toFixed(0)} s on ${processes} processes
${(cpuMs / schedules).toFixed(2)} ms of processor time a schedule
at least ${fewestOperations} operations a schedule, on at least ${fewestShards} shards
${(tally.get("schedule: lives") / schedules).toFixed(2)} lives a schedule
${share.toFixed(1)} % of the schedules with a crash inside recovery
${result.failures.length} violations`);
}

async function main(): Promise<number> {
  const options = readOptions();
  if (options === undefined) {
    console.error(USAGE);
    return 2;
  }
  const began = performance.now();
  const elapsed = (): number => (performance.now() - began) / 1000;
  const abort = new AbortController();
  let interruption: NodeJS.Signals | undefined;
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    process.once(name, () => {
      interruption = name;
      abort.abort();
    });
  }
  let told = 0;
  const onProgress = (done: number): void => {
    if (elapsed() * 1000 - told < PROGRESS_MS) return;
    told = elapsed() * 1000;
    const of = options.count === Infinity ? "" : ` of ${options.count}`;
    console.error(`${done}${of} schedules after ${elapsed().toFixed(0)} s`);
  };
  try {
    const result = await runApart({ ...options, onProgress, signal: abort.signal });
    print(result, options, elapsed());
    const lacking = shortcomings(result, options);
    for (const line of lacking) console.error(line);
    return lacking.length === 0 ? 0 : 1;
  } catch (error) {
    if (interruption !== undefined) return interruption === "SIGINT" ? 130 : 143;
    throw error;
  }
}

process.exitCode = await main();
