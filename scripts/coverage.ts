/**
 * Branch coverage of the code that must not fail, taken on Node from what V8 counts in the ordinary tests.
 *
 *     npm run coverage -- [--least PERCENT] [--keep DIRECTORY] [--data DIRECTORY]
 *
 * Prints a row a directory and a file, and every branch that no test took. Fails where a test fails, and where a directory is
 * below the least. `--keep` leaves V8's data in a new directory, `--data` takes them from there and runs no test: from an
 * earlier `--keep`, or from `npm test -- --coverage DIRECTORY`.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { type Branch, branchesOf } from "./coverage/branches.ts";
import { COVERED, COVERING } from "./coverage/covering.ts";
import { type CountAt, readCounts } from "./coverage/v8_counts.ts";

const ROOT = join(import.meta.dirname, "..");
/** Fixed, so that the figure is the same every time. */
const SEEDS = ["SEED=1", "SIMULATION_SEED=1", "SIMULATION_SCHEDULES=600"];

/** Runs the tests; V8 writes a file a process, children included. */
function runTests(data: string): boolean {
  const args = ["scripts/test.ts", "--runtime", "node", "--coverage", data, ...COVERING, ...SEEDS];
  const { stdout, status } = spawnSync(process.execPath, args, {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "inherit"],
    encoding: "utf8",
    maxBuffer: 256 * 1024 * 1024,
  });
  console.log(status === 0 ? `Tests: ${stdout.trimEnd().split("\n").at(-1)}` : stdout);
  return status === 0;
}

function filesOf(directory: string): string[] {
  const names = readdirSync(join(ROOT, directory)).filter((name) => name.endsWith(".ts"));
  return names.sort().map((name) => `${directory}/${name}`);
}

const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");
const sources = (): string => COVERED.flatMap(filesOf).map(read).join();

/** Branches by file. A file that no process loaded counts as well. */
function measure(directory: string, counts: ReadonlyMap<string, CountAt>): Map<string, Branch[]> {
  return new Map(filesOf(directory).map((path) => [path, branchesOf(read(path), counts.get(path) ?? (() => 0))]));
}

const isMissed = (branch: Branch): boolean => !branch.isCovered;

function row(name: string, branches: readonly Branch[]): string {
  const covered = branches.length - branches.filter(isMissed).length;
  // Rounded down: 97.999 is not 98.
  const percent = Math.floor(10_000 * share(branches)) / 100;
  return `${name.padEnd(36)} ${String(branches.length).padStart(8)} ${String(covered).padStart(8)} ${
    percent.toFixed(2).padStart(8)
  }`;
}

function share(branches: readonly Branch[]): number {
  return branches.length === 0 ? 1 : 1 - branches.filter(isMissed).length / branches.length;
}

/** Prints what was measured and answers whether every directory reaches the least share. */
function report(data: string, least: number): boolean {
  const counts = readCounts(data, ROOT);
  const missed: string[] = [];
  const low: string[] = [];
  const totals: string[] = [];
  console.log(`\n${"file".padEnd(36)} branches  covered  percent`);
  for (const directory of COVERED) {
    const files = measure(directory, counts);
    for (const [path, branches] of files) {
      console.log(row(path, branches));
      for (const { line, kind } of branches.filter(isMissed)) missed.push(`${path}:${line} ${kind}`);
    }
    const all = [...files.values()].flat();
    totals.push(row(directory, all));
    if (share(all) < least / 100) low.push(directory);
  }
  console.log(`\n${missed.length} branches that no test took${missed.length > 0 ? ":" : ""}`);
  for (const line of missed) console.log(`  ${line}`);
  console.log(`\n${"directory".padEnd(36)} branches  covered  percent\n${totals.join("\n")}`);
  console.log(
    low.length > 0
      ? `FAIL below ${least} %: ${low.join(", ")}`
      : `All directories have at least ${least} % of branches.`,
  );
  return low.length === 0;
}

function main(): number {
  const { values } = parseArgs({
    options: { least: { type: "string", default: "98" }, keep: { type: "string" }, data: { type: "string" } },
  });
  const least = Number(values.least);
  if (!(least >= 0 && least <= 100)) {
    throw new TypeError(`Cannot use --least ${values.least}: it must be from 0 to 100`);
  }
  if (values.data !== undefined) return report(values.data, least) ? 0 : 1;
  const kept = values.keep;
  if (kept !== undefined) mkdirSync(kept);
  const before = sources();
  const data = kept ?? mkdtempSync(join(tmpdir(), "bimiplog-coverage-"));
  try {
    if (!runTests(data)) return 1;
    // The counts are of places in the files as they were.
    if (sources() !== before) throw new Error("Cannot measure: a source file changed while the tests ran");
    return report(data, least) ? 0 : 1;
  } finally {
    if (kept === undefined) rmSync(data, { recursive: true, force: true });
  }
}

process.exitCode = main();
