/**
 * What the tests do in the unchanged copy. Each group is run there when it is first wanted: tests that nobody needs to find the
 * bugs prove nothing about them.
 *
 * @module
 */
import { splitByTime, type Step } from "./groups.ts";
import { type Group, type GroupResult, type Place, runGroup } from "./run_tests.ts";

/** So many times as long as in the unchanged copy, and some seconds more: a hang, unless the machine has been given other work. */
const HANGING = { factor: 5, milliseconds: 8000 };
/** The longest that a timer can wait: only the time for everything ends such a run. */
const FOR_EVER_MS = 2 ** 31 - 1;
/** What a process needs before its first test. */
const START_MS = 1000;

/** Tests that pass together in the unchanged copy. */
export interface Proven extends Group {
  /** For so long no test may end before it counts as a hang. */
  readonly silenceMs: number;
}

/** A group that does not pass although nothing was planted. */
export class NotPassed extends Error {
  override readonly name = "NotPassed";
  readonly result: GroupResult;

  constructor(result: GroupResult) {
    super(`the unchanged copy does not pass: ${result.failure || result.verdict}`);
    this.result = result;
  }
}

/** Runs groups in the unchanged copy, each once. */
export class Baseline {
  /** Files that have passed so far. */
  files = 0;
  readonly #place: Place;
  readonly #leftMs: () => number;
  readonly #confirmed = new Map<Proven, Promise<GroupResult>>();
  readonly #proven = new Map<Group, Promise<{ quick: Proven[]; slow: Proven[] }>>();

  /** @param leftMs How much time is left for everything. */
  constructor(place: Place, leftMs: () => number) {
    this.#place = place;
    this.#leftMs = leftMs;
  }

  /** What is to be run for a step. Rejects with `NotPassed`. */
  async prove({ group, part }: Step): Promise<readonly Proven[]> {
    let proven = this.#proven.get(group);
    if (proven === undefined) this.#proven.set(group, proven = this.#prove(group));
    const { quick, slow } = await proven;
    return part === "all" ? [...quick, ...slow] : part === "quick" ? quick : slow;
  }

  /** A finding counts where the same files pass in the same order and process without the bug. Rejects with `NotPassed`. */
  async confirm(proven: Proven): Promise<void> {
    let confirmed = this.#confirmed.get(proven);
    if (confirmed === undefined) {
      confirmed = runGroup(proven, this.#place, FOR_EVER_MS, this.#leftMs());
      this.#confirmed.set(proven, confirmed);
    }
    const result = await confirmed;
    if (result.verdict !== "passed") throw new NotPassed(result);
  }

  /** Whether the tests pass in the unchanged copy now, in the time that they were given elsewhere. */
  async passesNow(proven: Proven): Promise<boolean> {
    return (await runGroup(proven, this.#place, proven.silenceMs, this.#leftMs())).verdict === "passed";
  }

  async #prove(group: Group): Promise<{ quick: Proven[]; slow: Proven[] }> {
    const run = (one: Group): Promise<GroupResult> => runGroup(one, this.#place, FOR_EVER_MS, this.#leftMs());
    // Tests that never wait for the system keep back how others ended: a pause may be longer than quick files take at all.
    const silenceMs = ({ longestSilenceMs, times }: GroupResult, files: readonly string[]): number => {
      const ms = files.reduce((sum, file) => sum + (times.get(file) ?? Infinity), START_MS);
      return Math.min(longestSilenceMs, ms) * HANGING.factor + HANGING.milliseconds;
    };
    const together = await run(group);
    if (together.verdict === "passed") {
      this.files += group.files.length;
      const { quick, slow } = splitByTime(group.files, together.times);
      const part = (files: string[]): Proven[] =>
        files.length === 0 ? [] : [{ ...group, files, silenceMs: silenceMs(together, files) }];
      return { quick: part(quick), slow: part(slow) };
    }
    if (together.verdict === "outOfTime") throw new NotPassed(together);
    // Some disturb each other in one process.
    const apart: { one: Proven; seconds: number }[] = [];
    for (const file of group.files) {
      const one = { ...group, name: file, files: [file] };
      const result = await run(one);
      if (result.verdict !== "passed") throw new NotPassed(result);
      apart.push({ one: { ...one, silenceMs: silenceMs(result, [file]) }, seconds: result.seconds });
    }
    this.files += group.files.length;
    console.log(`(${group.name}: each file by itself, because together ${together.failure})`);
    const times = new Map(apart.map(({ one, seconds }) => [one.name, seconds]));
    const { quick } = splitByTime(group.files, times);
    return {
      quick: apart.filter(({ one }) => quick.includes(one.name)).map(({ one }) => one),
      slow: apart.filter(({ one }) => !quick.includes(one.name)).map(({ one }) => one),
    };
  }
}
