/**
 * Tests the tests: plants one bug after the other in a copy of the source and lets the ordinary tests look for it. They know
 * nothing of the bugs. Fails where one survives, where the unchanged copy does not pass, or where a bug cannot be planted
 * any more.
 *
 *     node scripts/seeded_bugs.ts [FILTER …] [--only NAME …] [--jobs 2] [--minutes 15] [--limit 300] [--list] [--verbose]
 *
 * With filters only those test files look for the bugs. `--only` takes the bugs whose name contains NAME. `--minutes` is what
 * everything may take, `--limit` how many seconds one run of the tests may: a bug that is not found by then has survived.
 */
import { cpSync, readdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { type Bug, editFault, plant, unplant } from "./seeded_bugs/bug.ts";
import { copyTree, makeWorkplace } from "./seeded_bugs/copies.ts";
import { APPENDING } from "./seeded_bugs/appending.ts";
import { CONSUMING } from "./seeded_bugs/consuming.ts";
import { DECODING } from "./seeded_bugs/decoding.ts";
import { INSIDE } from "./seeded_bugs/inside.ts";
import { OPENING } from "./seeded_bugs/opening.ts";
import { PRODUCING } from "./seeded_bugs/producing.ts";
import { READING } from "./seeded_bugs/reading.ts";
import { RECOVERING } from "./seeded_bugs/recovering.ts";
import { SYNCING } from "./seeded_bugs/syncing.ts";
import { endRuns, runSuite } from "./seeded_bugs/suite.ts";

const BUGS: readonly Bug[] = [
  ...SYNCING,
  ...APPENDING,
  ...OPENING,
  ...RECOVERING,
  ...DECODING,
  ...READING,
  ...CONSUMING,
  ...PRODUCING,
  ...INSIDE,
];
/** Fewer than the ordinary run has: enough to find a mistake. The same ones each time: a bug is not found by luck. */
const SETTINGS = [
  "SIMULATION_SCHEDULES=1000",
  "SEED=1",
  "FAULT_KILLS=4",
  "FAULT_CUTS=2",
  "FAULT_POINTS=2",
  "FAULT_BITS=1",
];
/** A file that a bug makes hang; the runner ends one sooner that was quick before. */
const FILE_LIMIT_SECONDS = 60;
/** They start whole programs or need other ones, and a bug that only they would find counts as one that nobody found. */
const LEFT_OUT = ["bench", "cli", "deno", "kafka", "runtimes", "start"];
/** Tests that come right after those that mirror the source of a bug. */
const EARLY = ["test/simulation/crash_test"];
interface Finding {
  readonly bug: Bug;
  readonly verdict: string;
  readonly isFound: boolean;
}

function readSettings() {
  const { values, positionals: filters } = parseArgs({
    allowPositionals: true,
    options: {
      only: { type: "string", multiple: true, default: [] },
      jobs: { type: "string", default: String(availableParallelism()) },
      minutes: { type: "string", default: "15" },
      limit: { type: "string", default: "300" },
      list: { type: "boolean", default: false },
      verbose: { type: "boolean", default: false },
    },
  });
  const jobs = Number(values.jobs);
  const minutes = Number(values.minutes);
  const limitSeconds = Number(values.limit);
  if (!Number.isSafeInteger(jobs) || jobs < 1) throw new TypeError(`Cannot use --jobs ${values.jobs}: give a number`);
  if (!(minutes > 0)) throw new TypeError(`Cannot use --minutes ${values.minutes}: give a number above 0`);
  if (!(limitSeconds > 0)) throw new TypeError(`Cannot use --limit ${values.limit}: give a number above 0`);
  const { only } = values;
  const bugs = BUGS.filter(({ name }) => only.length === 0 || only.some((part) => name.includes(part)));
  return { ...values, filters, bugs, jobs, minutes, limitSeconds };
}

/** The directories of tests that look for the bugs. */
function testDirectories(root: string): string[] {
  const entries = readdirSync(join(root, "test"), { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory() && !LEFT_OUT.includes(entry.name)).map(({ name }) =>
    `test/${name}/`
  );
}

/** The tests that come first: those of the directory that has the mistake, as for whoever works there. */
function firstTests({ edits }: Bug): string[] {
  const mirrored = edits.map(({ file }) => file.replace(/^src\//, "").replace(/[^/]*$/, ""));
  return [...new Set([...mirrored.map((directory) => `test/${directory}`), ...EARLY])];
}

/** Everything that keeps the list from being what it says. */
function listFaults(root: string): string[] {
  const faults: string[] = [];
  const names = new Set<string>();
  for (const { name, edits } of BUGS) {
    if (names.has(name)) faults.push(`${name}: there are two bugs of this name`);
    names.add(name);
    for (const edit of edits) {
      const fault = editFault(root, edit);
      if (fault !== undefined) faults.push(`${name}: ${fault}`);
    }
  }
  return faults;
}

async function main(): Promise<number> {
  const { filters, bugs, jobs, minutes, limitSeconds, list, verbose } = readSettings();
  if (list) {
    for (const { name, what } of bugs) console.log(`${name.padEnd(36)} ${what}`);
    return 0;
  }
  const root = join(import.meta.dirname, "..");
  const packages = join(root, "node_modules");
  const workplace = makeWorkplace();
  const deadline = performance.now() + minutes * 60_000;
  const left = (): number => Math.min(limitSeconds * 1000, deadline - performance.now());
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    process.once(signal, () => {
      endRuns();
      workplace.remove();
      process.exit(code);
    });
  }
  try {
    // Every copy is made of this one: the tree may change while the bugs are looked for.
    const unchanged = join(workplace.path, "unchanged");
    copyTree(root, unchanged, packages);
    const faults = listFaults(unchanged);
    for (const fault of faults) console.log(`FAIL ${fault}`);
    if (faults.length > 0) return 1;

    const looking = filters.length > 0 ? filters : testDirectories(unchanged);
    const timesFile = join(workplace.path, "times.json");
    const compiled = join(workplace.path, "compiled");
    const first = await runSuite(
      unchanged,
      ["--jobs", String(jobs), ...SETTINGS, ...looking],
      timesFile,
      left(),
      compiled,
    );
    console.log(`the unchanged copy ${first.verdict} in ${first.seconds.toFixed(0)} s`);
    if (first.verdict !== "passed") {
      console.log(first.output.split("\n").filter((line) => !line.startsWith("ok ")).join("\n"));
      return 1;
    }

    const findings: Finding[] = [];
    const queue = bugs.values();
    const worker = async (number: number): Promise<void> => {
      // One copy for all bugs, so that what was compiled of it counts for the next one.
      const copy = join(workplace.path, `copy-${number}`);
      copyTree(unchanged, copy, packages);
      const times = `${copy}.json`;
      for (const bug of queue) {
        plant(copy, bug);
        cpSync(timesFile, times);
        const order = firstTests(bug).flatMap((part) => ["--first", part]);
        const args = ["--jobs", "1", "--time-limit", String(FILE_LIMIT_SECONDS), ...order, ...SETTINGS, ...looking];
        const result = await runSuite(copy, args, times, left(), `${copy}-compiled`);
        unplant(copy, bug, unchanged);
        const isFound = result.verdict === "failed" && result.file !== undefined;
        const verdict = isFound
          ? `found by ${result.file} after ${result.seconds.toFixed(1)} s: ${result.test ?? "the file as a whole"}`
          : `SURVIVED (${result.verdict} after ${result.seconds.toFixed(1)} s)`;
        findings.push({ bug, verdict, isFound });
        console.log(`${String(findings.length).padStart(3)}/${bugs.length} ${bug.name.padEnd(36)} ${verdict}`);
        if (verbose || (!isFound && result.verdict === "failed")) {
          console.log(result.output.replace(/^ok .*\n/gm, "").slice(0, 4000));
        }
      }
    };
    await Promise.all(Array.from({ length: jobs }, (_, i) => worker(i)));
    const survivors = findings.filter(({ isFound }) => !isFound);
    for (const { bug } of survivors) console.log(`SURVIVED ${bug.name}: ${bug.what}`);
    console.log(`${findings.length - survivors.length} of ${findings.length} seeded bugs found`);
    return survivors.length === 0 ? 0 : 1;
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
