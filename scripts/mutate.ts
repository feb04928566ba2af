/**
 * Changes the source in one small place at a time and looks whether a test notices: a negated condition, a boundary moved by
 * one, `+` for `-`, a call left out, 0 for 1, `&&` for `||`. Prints the changes that no test noticed.
 *
 *     node scripts/mutate.ts [PATH …] [--sample N] [--seed S] [--jobs 1] [--minutes M] [--list] [--verbose]
 *
 * Paths are files or directories below `src/`; without one: batch, anchor, index and recovery. A mutant is looked for by the
 * tests of the mirrored directory, by `test/recovery/table_test.ts` and by 100 schedules of the simulation.
 */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { findMutants, type Mutant, mutate } from "./mutate/mutants.ts";
import { copyTree, makeWorkplace } from "./seeded_bugs/copies.ts";
import { endRuns, runSuite } from "./seeded_bugs/suite.ts";

const DEFAULT_PATHS = ["src/batch", "src/anchor", "src/index", "src/recovery"];
const TABLE_TEST = "test/recovery/table_test.ts";
/** The first seed, how many, the step from seed to seed, and after how many seconds to stop. */
const SCHEDULES = ["test/simulation/run_schedules.ts", "1", "100", "1", "30"];
/** Many times what it takes; more is a loop without an end. */
const SCHEDULES_LIMIT_MS = 40_000;
const FILE_LIMIT_SECONDS = 30;
const RUN_LIMIT_MS = 120_000;

type Verdict = "noticed" | "out of time" | "SURVIVED";

function readSettings() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      sample: { type: "string" },
      seed: { type: "string", default: "1" },
      jobs: { type: "string", default: "1" },
      minutes: { type: "string", default: "1000" },
      list: { type: "boolean", default: false },
      verbose: { type: "boolean", default: false },
    },
  });
  const number = (name: "sample" | "seed" | "jobs" | "minutes", text: string | undefined): number => {
    const value = text === undefined ? Infinity : Number(text);
    if (!(value > 0)) throw new TypeError(`Cannot use --${name} ${text}: it must be a number above 0`);
    return value;
  };
  return {
    paths: positionals.length > 0 ? positionals.map((path) => path.replace(/^\.\/|\/$/g, "")) : DEFAULT_PATHS,
    sample: number("sample", values.sample),
    seed: number("seed", values.seed),
    jobs: number("jobs", values.jobs),
    minutes: number("minutes", values.minutes),
    list: values.list,
    verbose: values.verbose,
  };
}

function sourceFiles(root: string, path: string): string[] {
  if (!statSync(join(root, path)).isDirectory()) return [path];
  return readdirSync(join(root, path), { recursive: true })
    .map((name) => `${path}/${String(name).replaceAll("\\", "/")}`)
    .filter((name) => name.endsWith(".ts"))
    .sort();
}

/** The same `count` of them for the same seed. */
function pick<T>(items: readonly T[], count: number, seed: number): T[] {
  const left = [...items];
  let state = seed >>> 0;
  const random = (): number => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return ((z ^ (z >>> 16)) >>> 0) / 2 ** 32;
  };
  const picked: T[] = [];
  while (picked.length < count && left.length > 0) {
    picked.push(...left.splice(Math.floor(random() * left.length), 1));
  }
  return picked;
}

/** What the simulation says; what it does not notice has survived so far. */
async function passesSimulation(root: string): Promise<Verdict> {
  const child = spawn(process.execPath, SCHEDULES, {
    cwd: root,
    stdio: ["ignore", "pipe", "ignore"],
    timeout: SCHEDULES_LIMIT_MS,
    killSignal: "SIGKILL",
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => output += text);
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve([code, signal]));
  });
  if (signal === "SIGKILL") return "out of time";
  if (code !== 0) return "noticed";
  const last = output.trimEnd().split("\n").at(-1)!;
  const { result } = JSON.parse(last) as { result: { failures: string[] } };
  return result.failures.length === 0 ? "SURVIVED" : "noticed";
}

function testsFor(file: string): string[] {
  return [`${dirname(file).replace(/^src/, "test")}/`, TABLE_TEST];
}

async function examine(root: string, tests: readonly string[], timesFile: string): Promise<Verdict> {
  const simulated = await passesSimulation(root);
  if (simulated !== "SURVIVED") return simulated;
  const args = ["--jobs", "1", "--time-limit", String(FILE_LIMIT_SECONDS), ...tests];
  const { verdict } = await runSuite(root, args, timesFile, RUN_LIMIT_MS);
  return verdict === "passed" ? "SURVIVED" : verdict === "failed" ? "noticed" : "out of time";
}

function describe({ file, line, kind, text, replacement }: Mutant, source: string): string {
  return `${file}:${line}: ${kind}: ${text} → ${replacement}   in: ${source.split("\n")[line - 1].trim()}`;
}

async function main(): Promise<number> {
  const { paths, sample, seed, jobs, minutes, list, verbose } = readSettings();
  const root = join(import.meta.dirname, "..");
  const workplace = makeWorkplace();
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    process.once(signal, () => {
      endRuns();
      workplace.remove();
      process.exit(code);
    });
  }
  try {
    const unchanged = join(workplace.path, "unchanged");
    copyTree(root, unchanged, join(root, "node_modules"));
    const all = paths.flatMap((path) => sourceFiles(unchanged, path)).flatMap((file) => findMutants(unchanged, file));
    const mutants = pick(all, Math.min(sample, all.length), seed);
    console.log(`${all.length} mutants, ${mutants.length} of them to be tried (seed ${seed})`);
    if (list) {
      for (const mutant of all) {
        console.log(describe(mutant, readFileSync(join(unchanged, mutant.file), "utf8")));
      }
      return 0;
    }
    const tests = [...new Set(mutants.flatMap(({ file }) => testsFor(file)))];
    const timesFile = join(workplace.path, "times.json");
    const before = await examine(unchanged, tests, timesFile);
    if (before !== "SURVIVED") {
      console.log(`FAIL the unchanged copy does not pass: ${before}`);
      return 1;
    }
    const deadline = performance.now() + minutes * 60_000;
    const counts: Record<Verdict, number> = { noticed: 0, "out of time": 0, SURVIVED: 0 };
    const queue = mutants.values();
    const worker = async (number: number): Promise<void> => {
      const copy = join(workplace.path, `copy-${number}`);
      copyTree(unchanged, copy, join(root, "node_modules"));
      for (const mutant of queue) {
        if (performance.now() > deadline) return;
        const path = join(copy, mutant.file);
        const source = readFileSync(path, "utf8");
        writeFileSync(path, mutate(source, mutant));
        const verdict = await examine(copy, testsFor(mutant.file), timesFile);
        writeFileSync(path, source);
        counts[verdict]++;
        if (verbose || verdict === "SURVIVED") console.log(`${verdict} ${describe(mutant, source)}`);
      }
    };
    await Promise.all(Array.from({ length: jobs }, (_, i) => worker(i)));
    const tried = counts.noticed + counts["out of time"] + counts.SURVIVED;
    console.log(
      `${tried} mutants tried: ${counts.noticed} noticed, ${
        counts["out of time"]
      } never ended, ${counts.SURVIVED} survived`,
    );
    return 0;
  } finally {
    workplace.remove();
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof TypeError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
