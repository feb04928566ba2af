/**
 * Runs the tests on Node, Bun and Deno.
 *
 *     npm test -- [FILTER …] [NAME=VALUE …] [--runtime node,bun,deno] [--jobs N] [--time-limit S] [--verbose]
 *                 [--all] [--apart] [--bail] [--times FILE] [--first PART …] [--coverage DIRECTORY]
 *
 * Without a filter, tests that take long and are of code that is the same everywhere run on Node only; `--all`, and `CI` in
 * the environment, run them on all three.
 *
 * A filter is a part of a path, `node:PART` one for that runtime alone; `NAME=VALUE` is set in the environment of the tests. Files run in processes of their own, or
 * share one with others of their directory, with a time limit for each process; with `--apart` none is shared. The last line
 * is `N passed, N failed, N skipped`, over all runtimes.
 *
 * `--jobs` is one more than there are cores where nobody says otherwise: many files wait for a disk, a timer or a child.
 *
 * `--bail` starts no further file after the first that failed. `--times` keeps how long each file took: with the times of
 * an earlier run the quickest files come first, and what takes far longer than it did counts as hanging.
 * Before all others come the files whose path contains what `--first` says.
 *
 * `--coverage`: on Node, V8 counts in there which branches those tests take that `npm run coverage` is about.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { CATALOGUE } from "../test/faults/catalogue.ts";
import { killGroups } from "./process_groups.ts";
import { summarizeRun } from "./reliability/coverage.ts";
import type { Outcome, RunSettings } from "./test_runner/run_unit.ts";
import { runUnit } from "./test_runner/run_unit.ts";
import type { Runtime } from "./test_runner/runtimes.ts";
import { makePackage, needsPackage } from "./test_runner/built_package.ts";
import { makePrograms } from "./test_runner/programs.ts";
import { installedRuntimes, isDenoOnly } from "./test_runner/runtimes.ts";
import { standardLibraryMap } from "./test_runner/standard_library.ts";
import { apart, isBulk, isChosen, listTests, together, type Unit } from "./test_runner/units.ts";

const root = join(import.meta.dirname, "..");
const RUNTIME_NAMES = ["node", "bun", "deno"];
/** What the runtimes print of a test that passed: left out of the output of a file that failed. */
const PASSED_LINE = /^\s*(✔|\(pass\)) | \.\.\. ok \(/;

interface Settings {
  filters: string[];
  environment: Record<string, string>;
  runtimes: string[];
  jobs: number;
  timeLimitMs: number;
  verbose: boolean;
  all: boolean;
  apart: boolean;
  bail: boolean;
  timesFile: string | undefined;
  first: string[];
  coverage: string | undefined;
}

function readSettings(): Settings {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      runtime: { type: "string", multiple: true, default: [RUNTIME_NAMES.join(",")] },
      jobs: { type: "string", default: String(availableParallelism() + 1) },
      "time-limit": { type: "string", default: "300" },
      verbose: { type: "boolean", default: false },
      all: { type: "boolean", default: process.env.CI !== undefined },
      apart: { type: "boolean", default: false },
      bail: { type: "boolean", default: false },
      times: { type: "string" },
      first: { type: "string", multiple: true, default: [] },
      coverage: { type: "string" },
    },
  });
  const assignments = positionals.filter((argument) => /^\w+=/.test(argument));
  const filters = positionals.filter((argument) => !assignments.includes(argument)).map((path) =>
    path.replace(/^\.\//, "")
  );
  const runtimes = values.runtime.flatMap((names) => names.split(","));
  const unknown = runtimes.find((name) => !RUNTIME_NAMES.includes(name));
  if (unknown !== undefined) throw new TypeError(`Cannot test on "${unknown}": the runtimes are ${RUNTIME_NAMES}`);
  const positive = (name: "jobs" | "time-limit") => {
    const value = Number(values[name]);
    if (!(value > 0)) throw new TypeError(`Cannot use --${name} ${values[name]}: it must be a number above 0`);
    return value;
  };
  return {
    filters,
    environment: Object.fromEntries(assignments.map((text) => text.split(/=(.*)/s).slice(0, 2))),
    runtimes,
    jobs: Math.ceil(positive("jobs")),
    timeLimitMs: positive("time-limit") * 1000,
    verbose: values.verbose,
    all: values.all || filters.length > 0,
    apart: values.apart,
    bail: values.bail,
    timesFile: values.times,
    first: values.first,
    coverage: values.coverage === undefined ? undefined : resolve(values.coverage),
  };
}

/** So many times as long as before, and some seconds more: nothing but a hang takes that, on a busy machine either. */
const HANGING = { factor: 5, seconds: 8 };

/** A unit, and where it runs. */
type Job = readonly [Runtime, Unit];

/** Seconds by unit. */
type Times = Record<string, number>;

function readTimes(file: string | undefined): Times | undefined {
  return file !== undefined && existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) as Times : undefined;
}

/** What takes long comes first, and the others fill the gaps; behind these whatever shares a process. */
const SLOW = ["simulation", "start", "examples", "runtimes", "bench"];

/**
 * In an order that keeps all cores busy up to the end. With known times the quickest come first; a simulation
 * finds more for its time than any other test, and counts as one of about a second.
 */
function inOrder(jobs: Job[], { first }: Settings, times: Times | undefined): Job[] {
  const isLater = ({ files }: Unit): number => first.some((part) => files.some((file) => file.includes(part))) ? 0 : 1;
  const cost = ({ name, files }: Unit): number => {
    const isSimulation = name.includes("/simulation/");
    if (times === undefined) {
      const rank = SLOW.indexOf(name.split("/")[1]);
      return rank >= 0 ? rank : SLOW.length + (files.length > 1 ? 0 : 1);
    }
    const seconds = times[name] ?? 0;
    return isSimulation ? Math.min(seconds, 1 + seconds / 1000) : seconds;
  };
  const byName = (a: Unit, b: Unit): number => a.name === b.name ? 0 : a.name < b.name ? -1 : 1;
  return jobs.sort(([, a], [, b]) => isLater(a) - isLater(b) || cost(a) - cost(b) || byName(a, b));
}

function version(runtime: Runtime): string {
  return execFileSync(runtime.binary, ["--version"], { encoding: "utf8" }).match(/\d+\.\d+\.\d+\S*/)?.[0] ?? "unknown";
}

function summary({ passed, failed, skipped }: { passed: number; failed: number; skipped: number }): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

function print(outcome: Outcome, verbose: boolean): void {
  const { runtime, name, seconds, failed, problem, output } = outcome;
  const verdict = failed > 0 ? "FAIL" : "ok  ";
  const reason = problem ? ` (${problem})` : "";
  console.log(`${verdict} ${runtime.padEnd(4)} ${name}: ${summary(outcome)}${reason}, ${seconds.toFixed(2)} s`);
  if (failed === 0 && !verbose) return;
  const lines = output.trimEnd().split("\n").filter((line) => verbose || !PASSED_LINE.test(line));
  console.log(lines.map((line) => `    | ${line}`).join("\n"));
}

async function runAll(jobs: Job[], settings: Settings, run: RunSettings): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const times = readTimes(settings.timesFile);
  const queue = jobs.values();
  const bailOut = () => {
    while (!queue.next().done);
  };
  const worker = async () => {
    for (const [runtime, unit] of queue) {
      const before = times?.[unit.name];
      const hangsMs = before === undefined ? Infinity : (before * HANGING.factor + HANGING.seconds) * 1000;
      const outcome = await runUnit(runtime, unit, { ...run, timeLimitMs: Math.min(run.timeLimitMs, hangsMs) });
      outcomes.push(outcome);
      print(outcome, settings.verbose);
      if (settings.bail && outcome.failed > 0) return bailOut();
    }
  };
  await Promise.all(Array.from({ length: settings.jobs }, worker));
  return outcomes;
}

function total(outcomes: Outcome[]): { passed: number; failed: number; skipped: number; seconds: number } {
  const sum = { passed: 0, failed: 0, skipped: 0, seconds: 0 };
  for (const outcome of outcomes) {
    sum.passed += outcome.passed;
    sum.failed += outcome.failed;
    sum.skipped += outcome.skipped;
    sum.seconds += outcome.seconds;
  }
  return sum;
}

/** Prints which faults were held; answers whether a test came to each. A part of the tests says nothing about that. */
function concludeFaults(outcomes: Outcome[]): boolean {
  const { lines, missing } = summarizeRun(CATALOGUE, outcomes.flatMap(({ tagged }) => tagged));
  for (const line of lines) console.log(line);
  if (missing.length > 0) console.log(`FAIL no test held the faults ${missing.join(", ")}`);
  return missing.length === 0;
}

/** Prints a row a runtime and the closing line; answers whether all is well. */
function conclude(runtimes: Runtime[], versions: Map<string, string>, outcomes: Outcome[]): boolean {
  console.log();
  let good = true;
  const cells = (...row: (string | number)[]) =>
    row.map((cell, column) => column === 0 ? String(cell).padEnd(16) : String(cell).padStart(8)).join(" ");
  console.log(cells("runtime", "files", "passed", "failed", "skipped", "seconds"));
  for (const { name } of runtimes) {
    const own = outcomes.filter(({ runtime }) => runtime === name);
    const { passed, failed, skipped, seconds } = total(own);
    const files = own.reduce((sum, outcome) => sum + outcome.files, 0);
    console.log(cells(`${name} ${versions.get(name)}`, files, passed, failed, skipped, seconds.toFixed(1)));
    if (passed + failed === 0) {
      console.log(`FAIL ${name} ran no test`);
      good = false;
    }
  }
  const sum = total(outcomes);
  for (const { runtime, name, failed } of outcomes) if (failed > 0) console.log(`FAIL ${runtime} ${name}`);
  console.log(summary(sum));
  return good && sum.failed === 0;
}

/** Where a run stopped early, the times of the other files stay. */
function writeTimes(file: string, outcomes: Outcome[]): void {
  const times = { ...readTimes(file), ...Object.fromEntries(outcomes.map(({ name, seconds }) => [name, seconds])) };
  writeFileSync(file, JSON.stringify(times, undefined, 2));
}

async function main(): Promise<number> {
  const settings = readSettings();
  const { filters } = settings;
  const files = listTests(root).filter((file) => settings.runtimes.some((name) => isChosen(file, name, filters)));
  if (files.length === 0) {
    console.log(`No test file matches ${settings.filters.join(" ") || "test/**/*_test.ts"}.`);
    console.log(summary({ passed: 0, failed: 0, skipped: 0 }));
    return 1;
  }
  const usesStandardLibrary = settings.runtimes.includes("deno") && files.some(isDenoOnly);
  const importMap = usesStandardLibrary ? standardLibraryMap(root) : undefined;
  let runtimes = installedRuntimes(root, importMap).filter(({ name }) => settings.runtimes.includes(name));
  const withBrokers = (settings.environment.KAFKA ?? process.env.KAFKA) === "full";
  const unitsOn = ({ name }: Runtime): Unit[] => {
    const own = files.filter((file) =>
      isChosen(file, name, filters) && (name === "deno" || !isDenoOnly(file)) &&
      (name === "node" || settings.all || !isBulk(file))
    );
    return settings.apart ? apart(own) : together(own, withBrokers);
  };
  const jobs = inOrder(
    runtimes.flatMap((runtime) => unitsOn(runtime).map((unit): Job => [runtime, unit])),
    settings,
    readTimes(settings.timesFile),
  );
  // A filter may leave a runtime without a file of its own; without one every runtime has to run some.
  if (settings.filters.length > 0) runtimes = runtimes.filter((runtime) => jobs.some(([other]) => other === runtime));
  const versions = new Map(runtimes.map((runtime) => [runtime.name, version(runtime)]));
  console.log(`${files.length} test files on ${[...versions].map((pair) => pair.join(" ")).join(", ")}`);
  const left = settings.all || !jobs.some(([{ name }]) => name !== "node") ? 0 : files.filter(isBulk).length;
  if (left > 0) {
    console.log(
      `notice: ${left} of them take long where the runtime makes no difference, and run on Node only; --all runs them everywhere`,
    );
  }

  const reportDirectory = mkdtempSync(join(tmpdir(), "bimiplog-tests-"));
  const clean = () => {
    killGroups();
    rmSync(reportDirectory, { recursive: true, force: true });
  };
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    process.once(signal, () => {
      clean();
      process.exit(code);
    });
  }
  try {
    const { timeLimitMs, coverage } = settings;
    const made = await Promise.all([makePrograms(root), files.some(needsPackage) ? makePackage(root) : {}]);
    const environment = { ...made[0], ...made[1], ...settings.environment };
    const outcomes = await runAll(jobs, settings, { root, reportDirectory, timeLimitMs, environment, coverage });
    if (settings.timesFile !== undefined) writeTimes(settings.timesFile, outcomes);
    const isWhole = settings.filters.length === 0 && outcomes.length === jobs.length;
    const areFaultsHeld = !isWhole || concludeFaults(outcomes);
    return conclude(runtimes, versions, outcomes) && areFaultsHeld ? 0 : 1;
  } finally {
    clean();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof TypeError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
