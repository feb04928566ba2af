/**
 * SIGKILL at random moments. Writers of this runtime are killed one after the other in the same directories; a program on
 * another runtime follows. What was acknowledged or seen must be there, in order, once, whoever opens the log next.
 */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { SeededRandom } from "../../adapters/memory/random.ts";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { openLog } from "../../mod.ts";
import { programOf, whySkipped } from "../conformance/processes.ts";
import { announceSeed } from "../fixtures/seed.ts";
import { reopen } from "../helpers.ts";
import { type Child, type Children, CURRENT, RUNTIMES, useChildren } from "./children.ts";
import { Ledger } from "./ledger.ts";
import { momentOf } from "./moment.ts";
import { KILLS, Tally } from "./settings.ts";

const seed = announceSeed("kill");
/** Kills in one directory: it fills with segments, quarantined tails and epochs. */
const KILLS_A_DIRECTORY = 6;
/** Nobody waits longer until a writer has done enough. */
const MAX_LIFE_MS = 80;
/** Where there is a file system in memory, every other directory is there: much more happens in a millisecond. */
const IN_MEMORY = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
/** Lives are numbered; a killed program may have had many. */
const LIVES_A_PROGRAM = 1000;

/** Writers to be killed: the next one is already up when one dies. */
class Victims {
  readonly #children: Children;
  #next: Child;

  constructor(children: Children) {
    this.#children = children;
    this.#next = children.start(CURRENT);
  }

  async take(): Promise<Child> {
    const child = this.#next;
    this.#next = this.#children.start(CURRENT);
    await child.line(["ready"]);
    return child;
  }
}

/** One directory's kills. */
class Round {
  readonly #directory: string;
  readonly #shards: number;
  readonly #random: SeededRandom;
  readonly #ledger: Ledger;
  readonly #tally: Tally;
  readonly #follower: Child;
  #isFollowing = false;
  #followerRead = 0;

  constructor(directory: string, random: SeededRandom, follower: Child, tally: Tally) {
    this.#directory = directory;
    this.#random = random;
    this.#follower = follower;
    this.#tally = tally;
    this.#shards = 1 + random.below(4);
    this.#ledger = new Ledger(this.#shards);
  }

  async kill(victims: Victims, life: number): Promise<void> {
    const random = this.#random;
    const victim = await victims.take();
    const writeSeed = random.nextU32();
    victim.ask({ do: "write", directory: this.#directory, shards: this.#shards, life, seed: writeSeed });
    if (random.chance(0.85)) {
      await victim.line(["open"]);
      // By what it did rather than by the clock: how much happens in a millisecond depends on the machine.
      await victim.saidLines(random.below(80), MAX_LIFE_MS);
      await sleep(random.below(4));
    } else await sleep(random.below(25));
    const { signal, stderr } = await victim.kill();
    assert.equal(signal, "SIGKILL", stderr);
    assert.ok(!victim.lines.some((line) => /^(failed|lost|poisoned)/.test(line)), victim.lines.join("\n"));
    this.#ledger.take(victim.lines);
    this.#tally.add("kills");
    this.#tally.add(await momentOf(runtimeVfs(), this.#directory));
    await this.#hearFollower();
    if (victim.lines.some((line) => line.startsWith("open"))) await this.#look();
  }

  /** The next writer finds what the killed one left, or what this program made of it, having repaired it or not. */
  async #look(): Promise<void> {
    const way = this.#random.below(4);
    if (way === 0) return;
    const readOnly = way === 1;
    this.#tally.add(readOnly ? "looked at" : "recovered here");
    await reopen(this.#directory, { readOnly }, (log) => this.#ledger.check(log));
  }

  async #hearFollower(): Promise<void> {
    const follower = this.#follower;
    if (!this.#isFollowing) {
      if ((await reopen(this.#directory, { readOnly: true }, () => true).catch(() => false)) === false) return;
      follower.ask({ do: "follow", directory: this.#directory });
      await follower.line(["following"]);
      this.#isFollowing = true;
    }
    follower.ask({ do: "report" });
    await follower.line(["reported"], this.#followerRead);
    const end = follower.lines.indexOf("reported", this.#followerRead) + 1;
    this.#ledger.takeSeen(follower.lines.slice(this.#followerRead, end));
    this.#followerRead = end;
  }

  /** Everything once more, from the first record to the last. */
  async end(): Promise<void> {
    await this.#hearFollower();
    this.#ledger.forgetVerified();
    const log = await openLog(this.#directory);
    await this.#ledger.check(log);
    await log.close();
    const { acknowledgements, records, followed, verdicts } = this.#ledger;
    this.#tally.add("acknowledgements", acknowledgements);
    this.#tally.add("records compared", records);
    this.#tally.add("records followed", followed);
    for (const [verdict, count] of verdicts) this.#tally.add(`verdicts ${verdict}`, count);
    assert.ok(!verdicts.has("loss"), "the page cache lives, and yet something was lost");
  }
}

/** Runs `body` with a directory on disk and one in memory. */
async function useDirectories(body: (directories: string[]) => Promise<void>): Promise<void> {
  const directories = [tmpdir(), IN_MEMORY].map((parent) => mkdtempSync(join(parent, "bimip-log-")));
  try {
    await body(directories);
  } finally {
    for (const directory of directories) rmSync(directory, { recursive: true, force: true });
  }
}

describe(`SIGKILL at random moments on ${CURRENT}`, () => {
  it(
    `${KILLS} kills lose nothing that was acknowledged or seen [faults 41, 54]`,
    { skip: whySkipped(CURRENT) },
    () =>
      useDirectories(([directory, memory]) =>
        useChildren(async (children) => {
          const tally = new Tally();
          const random = new SeededRandom(seed);
          await children.warmUp(CURRENT);
          const victims = new Victims(children);
          const others = RUNTIMES.filter((runtime) => programOf(runtime) !== undefined);
          const started = performance.now();
          for (let killed = 0, round = 0; killed < KILLS; round++) {
            const follower = children.start(others[round % others.length]);
            const path = join(round % 2 === 0 ? directory : memory, `log-${round}`);
            const logs = new Round(path, random, follower, tally);
            try {
              for (let i = 0; i < KILLS_A_DIRECTORY && killed < KILLS; i++, killed++) {
                await logs.kill(victims, (killed + 1) * LIVES_A_PROGRAM);
              }
              await logs.end();
            } catch (error) {
              throw new Error(`SEED=${seed}, directory ${round}, kill ${killed + 1}`, { cause: error });
            }
            await follower.kill();
          }
          console.log(`kills on ${CURRENT}: ${tally}; ${((performance.now() - started) / KILLS).toFixed(0)} ms each`);
        })
      ),
  );
});
