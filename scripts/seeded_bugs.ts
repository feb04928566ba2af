/**
 * Tests the tests: plants one bug after the other in a copy of the source and lets the ordinary tests look for it. They know
 * nothing of the bugs. Fails where one survives, where the unchanged copy does not pass, or where a bug cannot be planted
 * any more.
 *
 *     node scripts/seeded_bugs.ts [FILTER …] [--only NAME …] [--jobs N] [--minutes 15] [--limit 300] [--list] [--verbose]
 *
 * `--jobs` is one more than there are cores where nobody says otherwise: bugs that make a test wait take time, and nothing else.
 *
 * With filters only those test files look for the bugs. `--only` takes the bugs whose name contains NAME. `--minutes` is what
 * everything may take; a bug that was not reached by then fails the run, too. `--limit` is how many seconds the search for one
 * bug may take: a bug that is not found by then has survived.
 */
import { mkdirSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { type Bug, editFault, plant, unplant } from "./seeded_bugs/bug.ts";
import { killGroups } from "./process_groups.ts";
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
import { TestGroups } from "./seeded_bugs/groups.ts";
import { type Place, runGroup } from "./seeded_bugs/run_tests.ts";
import { Baseline, NotPassed } from "./seeded_bugs/baseline.ts";

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
interface Finding {
  readonly bug: Bug;
  readonly isFound: boolean;
  /** Who found it, or why nobody did. */
  readonly how: string;
  readonly output: string;
}

function readSettings() {
  const { values, positionals: filters } = parseArgs({
    allowPositionals: true,
    options: {
      only: { type: "string", multiple: true, default: [] },
      jobs: { type: "string", default: String(availableParallelism() + 1) },
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

/** Lets the tests look for a bug that is planted at `place`, until the first one fails. */
async function look(
  bug: Bug,
  place: Place,
  groups: TestGroups,
  baseline: Baseline,
  leftMs: () => number,
): Promise<Omit<Finding, "bug">> {
  for (const step of groups.steps(bug)) {
    for (const proven of await baseline.prove(step)) {
      let silenceMs = proven.silenceMs;
      for (;;) {
        if (leftMs() <= 0) return { isFound: false, how: "out of time", output: "" };
        const { verdict, failure, output } = await runGroup(proven, place, silenceMs, leftMs());
        if (verdict === "failed") {
          await baseline.confirm(proven);
          return { isFound: true, how: failure, output };
        }
        if (verdict === "outOfTime") return { isFound: false, how: "out of time", output };
        if (verdict === "passed") break;
        // A hang, unless the machine is so busy that the unchanged copy takes as long.
        if (await baseline.passesNow({ ...proven, silenceMs })) return { isFound: true, how: failure, output };
        silenceMs *= 2;
      }
    }
  }
  return { isFound: false, how: "every test passed", output: "" };
}

/** Where the unchanged copy did not pass because the time was over, that says nothing about it. */
function outOfTime(error: unknown): Omit<Finding, "bug"> {
  if (!(error instanceof NotPassed) || error.result.verdict !== "outOfTime") throw error;
  return { isFound: false, how: "out of time", output: "" };
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
  const started = performance.now();
  let deadline = started + minutes * 60_000;
  const seconds = (since: number): string => ((performance.now() - since) / 1000).toFixed(1);
  for (const [signal, code] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
    process.once(signal, () => {
      killGroups();
      workplace.remove();
      process.exit(code);
    });
  }
  /** A copy of the tree `from`, and what its tests need beside it. */
  const makePlace = (name: string, from: string): Place => {
    const path = (what: string): string => join(workplace.path, `${name}${what}`);
    copyTree(from, path(""), packages);
    mkdirSync(path("-temporary"));
    return { root: path(""), temporary: path("-temporary"), compiled: path("-compiled") };
  };
  try {
    // Every copy is made of this one: the tree may change while the bugs are looked for.
    const unchanged = makePlace("unchanged", root);
    const faults = listFaults(unchanged.root);
    for (const fault of faults) console.log(`FAIL ${fault}`);
    if (faults.length > 0) return 1;

    const groups = new TestGroups(unchanged.root, filters);
    const baseline = new Baseline(unchanged, () => deadline - performance.now());
    const findings: Finding[] = [];
    const queue = [...bugs];
    const worker = async (number: number): Promise<void> => {
      // One copy for all bugs, so that what was compiled of it counts for the next one.
      const place = makePlace(`copy-${number}`, unchanged.root);
      // From both ends of the list: bugs beside each other wait for the same tests to pass in the unchanged copy.
      const next = (): Bug | undefined => number % 2 === 0 ? queue.shift() : queue.pop();
      for (let bug = next(); bug !== undefined; bug = next()) {
        if (performance.now() >= deadline) return;
        const began = performance.now();
        const leftMs = (): number => Math.min(began + limitSeconds * 1000, deadline) - performance.now();
        plant(place.root, bug);
        const finding = { bug, ...await look(bug, place, groups, baseline, leftMs).catch(outOfTime) };
        unplant(place.root, bug, unchanged.root);
        if (!finding.isFound && performance.now() >= deadline) return;
        findings.push(finding);
        const { isFound, how, output } = finding;
        const verdict = `${isFound ? "found" : "SURVIVED"} after ${seconds(began)} s: ${how}`;
        console.log(`${String(findings.length).padStart(3)}/${bugs.length} ${bug.name.padEnd(36)} ${verdict}`);
        if (verbose) console.log(output.slice(0, 4000));
      }
    };
    await Promise.all(Array.from({ length: jobs }, (_, i) => worker(i)));
    return conclude(bugs, findings, `${baseline.files} test files pass in the unchanged copy; ${seconds(started)} s`);
  } catch (error) {
    if (!(error instanceof NotPassed)) throw error;
    // The other worker has to stop, too.
    deadline = 0;
    killGroups();
    console.log(`FAIL ${error.message}`);
    console.log(error.result.output);
    return 1;
  } finally {
    workplace.remove();
  }
}

/** Prints what came of the bugs; answers the exit code. */
function conclude(bugs: readonly Bug[], findings: readonly Finding[], facts: string): number {
  const found = findings.filter(({ isFound }) => isFound).length;
  for (const { bug, isFound, how } of findings) if (!isFound) console.log(`SURVIVED ${bug.name} (${how}): ${bug.what}`);
  const reached = new Set(findings.map(({ bug }) => bug));
  for (const bug of bugs) if (!reached.has(bug)) console.log(`NOT REACHED in the time given: ${bug.name}`);
  console.log(facts);
  console.log(`${found} of ${bugs.length} seeded bugs found`);
  return found === bugs.length ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof TypeError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
