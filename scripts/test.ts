/**
 * Runs the tests on Node, Bun and Deno.
 *
 *     npm test -- [FILTER …] [NAME=VALUE …] [--runtime node,bun,deno] [--jobs N] [--time-limit S] [--verbose]
 *
 * A filter is a part of a path; `NAME=VALUE` is set in the environment of the tests. Every file runs in a
 * process of its own with a time limit. The last line is `N passed, N failed, N skipped`, over all runtimes.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import type { Outcome, RunSettings } from "./test_runner/run_file.ts";
import { killRunning, runFile } from "./test_runner/run_file.ts";
import type { Runtime } from "./test_runner/runtimes.ts";
import { installedRuntimes, isDenoOnly } from "./test_runner/runtimes.ts";
import { standardLibraryMap } from "./test_runner/standard_library.ts";

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
}

function readSettings(): Settings {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      runtime: { type: "string", multiple: true, default: [RUNTIME_NAMES.join(",")] },
      jobs: { type: "string", default: String(availableParallelism()) },
      "time-limit": { type: "string", default: "300" },
      verbose: { type: "boolean", default: false },
    },
  });
  const assignments = positionals.filter((argument) => /^\w+=/.test(argument));
  const runtimes = values.runtime.flatMap((names) => names.split(","));
  const unknown = runtimes.find((name) => !RUNTIME_NAMES.includes(name));
  if (unknown !== undefined) throw new TypeError(`Cannot test on "${unknown}": the runtimes are ${RUNTIME_NAMES}`);
  const positive = (name: "jobs" | "time-limit") => {
    const value = Number(values[name]);
    if (!(value > 0)) throw new TypeError(`Cannot use --${name} ${values[name]}: it must be a number above 0`);
    return value;
  };
  return {
    filters: positionals.filter((argument) => !assignments.includes(argument)).map((path) => path.replace(/^\.\//, "")),
    environment: Object.fromEntries(assignments.map((text) => text.split(/=(.*)/s).slice(0, 2))),
    runtimes,
    jobs: Math.ceil(positive("jobs")),
    timeLimitMs: positive("time-limit") * 1000,
    verbose: values.verbose,
  };
}

/** Every `*_test.ts` below `test/`, simulations first: they may be long, and the others fill the gaps. */
function listTests(filters: string[]): string[] {
  return readdirSync(join(root, "test"), { recursive: true })
    .map((path) => `test/${String(path).replaceAll("\\", "/")}`)
    .filter((path) => path.endsWith("_test.ts"))
    .filter((path) => filters.length === 0 || filters.some((filter) => path.includes(filter)))
    .sort((a, b) => Number(b.includes("/simulation/")) - Number(a.includes("/simulation/")) || (a < b ? -1 : 1));
}

function version(runtime: Runtime): string {
  return execFileSync(runtime.binary, ["--version"], { encoding: "utf8" }).match(/\d+\.\d+\.\d+\S*/)?.[0] ?? "unknown";
}

function summary({ passed, failed, skipped }: { passed: number; failed: number; skipped: number }): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

function print(outcome: Outcome, verbose: boolean): void {
  const { runtime, file, seconds, failed, problem, output } = outcome;
  const verdict = failed > 0 ? "FAIL" : "ok  ";
  const reason = problem ? ` (${problem})` : "";
  console.log(`${verdict} ${runtime.padEnd(4)} ${file}: ${summary(outcome)}${reason}, ${seconds.toFixed(2)} s`);
  if (failed === 0 && !verbose) return;
  const lines = output.trimEnd().split("\n").filter((line) => verbose || !PASSED_LINE.test(line));
  console.log(lines.map((line) => `    | ${line}`).join("\n"));
}

async function runAll(jobs: [Runtime, string][], settings: Settings, run: RunSettings): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const queue = jobs.values();
  const worker = async () => {
    for (const [runtime, file] of queue) {
      const outcome = await runFile(runtime, file, run);
      outcomes.push(outcome);
      print(outcome, settings.verbose);
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
    console.log(cells(`${name} ${versions.get(name)}`, own.length, passed, failed, skipped, seconds.toFixed(1)));
    if (passed + failed === 0) {
      console.log(`FAIL ${name} ran no test`);
      good = false;
    }
  }
  const sum = total(outcomes);
  for (const { runtime, file, failed } of outcomes) if (failed > 0) console.log(`FAIL ${runtime} ${file}`);
  console.log(summary(sum));
  return good && sum.failed === 0;
}

async function main(): Promise<number> {
  const settings = readSettings();
  const files = listTests(settings.filters);
  if (files.length === 0) {
    console.log(`No test file matches ${settings.filters.join(" ") || "test/**/*_test.ts"}.`);
    console.log(summary({ passed: 0, failed: 0, skipped: 0 }));
    return 1;
  }
  const usesStandardLibrary = settings.runtimes.includes("deno") && files.some(isDenoOnly);
  const importMap = usesStandardLibrary ? standardLibraryMap(root) : undefined;
  let runtimes = installedRuntimes(root, importMap).filter(({ name }) => settings.runtimes.includes(name));
  const jobs = files.flatMap((file) =>
    runtimes.filter(({ name }) => name === "deno" || !isDenoOnly(file)).map((
      runtime,
    ): [Runtime, string] => [runtime, file])
  );
  // A filter may leave a runtime without a file of its own; without one every runtime has to run some.
  if (settings.filters.length > 0) runtimes = runtimes.filter((runtime) => jobs.some(([other]) => other === runtime));
  const versions = new Map(runtimes.map((runtime) => [runtime.name, version(runtime)]));
  console.log(`${files.length} test files on ${[...versions].map((pair) => pair.join(" ")).join(", ")}`);

  const reportDirectory = mkdtempSync(join(tmpdir(), "bimiplog-tests-"));
  const clean = () => {
    killRunning();
    rmSync(reportDirectory, { recursive: true, force: true });
  };
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    process.once(signal, () => {
      clean();
      process.exit(code);
    });
  }
  try {
    const { timeLimitMs, environment } = settings;
    const outcomes = await runAll(jobs, settings, { root, reportDirectory, timeLimitMs, environment });
    return conclude(runtimes, versions, outcomes) ? 0 : 1;
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
