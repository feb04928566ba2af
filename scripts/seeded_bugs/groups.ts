/**
 * Which tests look for a bug, and in which order.
 *
 * @module
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Bug } from "./bug.ts";
import type { Group } from "./run_tests.ts";

/** They start whole programs or need other ones, and a bug that only they would find counts as one that nobody found. */
const LEFT_OUT = ["bench", "cli", "deno", "fixtures", "kafka", "runtimes", "start"];
/** The order of the directories behind those that mirror the source of a bug: those that cover much in little time first. */
const FIRST = ["shard", "log", "recovery", "consumers", "conformance", "read"];
/** They kill processes, mount disks or try everything: what nothing else finds. */
const LAST = ["examples", "exhaustive", "faults", "fuzz", "readers", "wishes"];
/** Tests that have something to take back at their end. */
const WHOLE = ["faults"];
/** The system's own files are also held by what all adapters have to fulfil. */
const MIRRORS_TOO: Readonly<Record<string, string>> = { adapters: "conformance" };
const SIMULATION = "test/simulation/crash_test.ts";
/** Schedules of the simulation: soon, and more of them behind what is quick. */
const SCHEDULES = { soon: 150, late: 850 };
/** Of the time that a directory takes, what its quick files may take. */
const QUICK_SHARE = 1 / 6;

/** Fewer than the ordinary run has: enough to find a mistake. The same ones each time: a bug is not found by luck. */
const SETTINGS = {
  SEED: "1",
  CONSUMER_SEED: "1",
  FUZZ_SEED: "1",
  FAULT_KILLS: "4",
  FAULT_CUTS: "2",
  FAULT_POINTS: "2",
  FAULT_BITS: "1",
  SIMULATION_PROCESSES: "1",
  SIMULATION_FAILURES: "1",
};

/** A step in the search for a bug: a whole group, or the quick or slow part of its files. */
export interface Step {
  readonly group: Group;
  readonly part: "all" | "quick" | "slow";
}

/** The tests of the tree at `root` by directory, and the simulation twice. */
export class TestGroups {
  readonly #directories = new Map<string, Group>();
  readonly #named = new Map<string, Group>();
  readonly #simulations: { readonly soon?: Group; readonly late?: Group };

  /** @param filters Parts of paths; without one all tests look. */
  constructor(root: string, filters: readonly string[]) {
    const files = readdirSync(join(root, "test"), { recursive: true })
      .map((path) => `test/${String(path).replaceAll("\\", "/")}`)
      .filter((path) => path.endsWith("_test.ts"))
      .filter((path) => filters.length === 0 || filters.some((filter) => path.includes(filter)))
      .sort();
    const hasSimulation = files.includes(SIMULATION);
    const byDirectory = Map.groupBy(files.filter((file) => file !== SIMULATION), (file) => file.split("/")[1]);
    for (const [name, own] of byDirectory) {
      if (name.endsWith(".ts") || filters.length === 0 && LEFT_OUT.includes(name)) continue;
      const isWhole = WHOLE.includes(name);
      this.#directories.set(name, { name: `test/${name}/`, files: own, environment: SETTINGS, isWhole });
    }
    const simulation = (first: number, schedules: number): Group => ({
      name: SIMULATION,
      files: [SIMULATION],
      environment: { ...SETTINGS, SIMULATION_SEED: String(first), SIMULATION_SCHEDULES: String(schedules) },
    });
    this.#simulations = hasSimulation
      ? { soon: simulation(1, SCHEDULES.soon), late: simulation(1 + SCHEDULES.soon, SCHEDULES.late) }
      : {};
  }

  /** The tests that bear the name of a source or a part of it: `stats_text_test.ts` and `stats_test.ts` for `stats_text.ts`. */
  #namedLike(source: string): Step[] {
    const name = source.split("/").at(-1)!.replace(/\.ts$/, "");
    const words = name.split("_");
    const isLike = (file: string): boolean =>
      file.split("/").at(-1)!.replace(/_test\.ts$/, "").split("_").every((word) => words.includes(word));
    let group = this.#named.get(name);
    if (group === undefined) {
      const directories = [...this.#directories.values()].filter(({ isWhole }) => !isWhole);
      const files = directories.flatMap((one) => one.files.filter(isLike));
      if (files.length === 0) return [];
      this.#named.set(name, group = { name: `tests of ${name}`, files, environment: SETTINGS });
    }
    return [{ group, part: "all" }];
  }

  /**
   * Who looks for a bug, one after the other: the tests with the name of the source, those of the directory that has the
   * mistake, as for whoever works there, and the simulation; then the others.
   */
  steps({ edits }: Bug): Step[] {
    const mirrored = new Set<string>();
    for (const { file } of edits) {
      const name = file.replace(/^src\//, "").split("/")[0];
      for (const one of [name, MIRRORS_TOO[name]]) if (this.#directories.has(one)) mirrored.add(one);
    }
    const others = [...this.#directories.keys()].filter((name) => !mirrored.has(name));
    const rank = (name: string): number => FIRST.includes(name) ? FIRST.indexOf(name) : FIRST.length;
    const middle = others.filter((name) => !LAST.includes(name)).sort((a, b) => rank(a) - rank(b));
    const last = others.filter((name) => LAST.includes(name));
    const steps = (names: Iterable<string>, part: Step["part"]): Step[] =>
      [...names].map((name) => ({ group: this.#directories.get(name)!, part }));
    const simulation = (group: Group | undefined): Step[] => group === undefined ? [] : [{ group, part: "all" }];
    return [
      ...edits.flatMap(({ file }) => this.#namedLike(file)),
      ...steps(mirrored, "quick"),
      ...simulation(this.#simulations.soon),
      ...steps(mirrored, "slow"),
      ...steps(middle, "quick"),
      ...simulation(this.#simulations.late),
      ...steps(middle, "slow"),
      ...steps(last, "all"),
    ];
  }
}

/** The quickest files, which together take a small share of the time of all, and the others. */
export function splitByTime(
  files: readonly string[],
  times: ReadonlyMap<string, number>,
): { quick: string[]; slow: string[] } {
  // The tests of some files stand in a file that they share: how long those take is not known.
  const time = (file: string): number => times.get(file) ?? Infinity;
  const sorted = [...files].sort((a, b) => time(a) - time(b));
  let left = QUICK_SHARE * [...times.values()].reduce((sum, ms) => sum + ms, 0);
  const first = sorted.findIndex((file) => (left -= time(file)) < 0);
  // The quickest one is quick however long it takes.
  const count = first < 0 ? sorted.length : Math.max(1, first);
  return { quick: sorted.slice(0, count), slow: sorted.slice(count) };
}
