/**
 * Real power cuts: a writer works on an ext4 file system whose device stops taking anything from one moment to the next.
 * After a new mount everything acknowledged on `disk` is there, and of the rest a prefix.
 */
import assert from "node:assert/strict";
import { closeSync, fsyncSync, openSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { SeededRandom } from "../../adapters/memory/random.ts";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { whySkipped } from "../conformance/processes.ts";
import { announceSeed } from "../fixtures/seed.ts";
import { reopen } from "../helpers.ts";
import { type Child, type Children, CURRENT, useChildren } from "./children.ts";
import { type Image, type ShutdownKind, useImage, whyNoPowerCuts } from "./image.ts";
import { Ledger } from "./ledger.ts";
import { CUTS, Tally } from "./settings.ts";

const seed = announceSeed("power cuts");
const skip = whySkipped(CURRENT) || whyNoPowerCuts();
const IMAGE_BYTES = 64 * 1024 * 1024;
/** Cuts that one log lives through. */
const CUTS_A_LOG = 8;
const MAX_LIFE_MS = 80;
const LIVES_A_PROGRAM = 1000;
/** How the file system orders data and its own notes. */
const MOUNTS = ["defaults", "nodelalloc", "data=writeback,nodelalloc", "data=journal", "commit=1"];

/** One log and the file system it lives on. */
class Trial {
  readonly #image: Image;
  readonly #directory: string;
  readonly #shards: number;
  readonly #random: SeededRandom;
  readonly #ledger: Ledger;
  readonly #tally: Tally;

  constructor(image: Image, name: string, random: SeededRandom, tally: Tally) {
    this.#image = image;
    this.#directory = join(image.point, name);
    this.#random = random;
    this.#tally = tally;
    this.#shards = 1 + random.below(3);
    this.#ledger = new Ledger(this.#shards);
  }

  /** A writer, or one that is killed and another, at work when the power goes. */
  async cut(next: () => Promise<Child>, life: number): Promise<void> {
    const random = this.#random;
    if (random.chance(0.3)) {
      const killed = await this.#write(await next(), life + LIVES_A_PROGRAM / 2);
      await killed.kill();
      this.#note(killed);
      this.#tally.add("SIGKILL before");
    }
    const writer = await this.#write(await next(), life + LIVES_A_PROGRAM * 0.75);
    if (random.chance(0.5)) this.#syncSomething();
    const before = await runtimeVfs().instance(this.#image.point);
    this.#image.shutDown(random.pick<ShutdownKind>(["cut", "cut", "cut after the journal"]));
    await writer.kill();
    this.#note(writer);
    this.#image.unmount();
    this.#ledger.powerLost();
    this.#tally.add("cuts");

    this.#image.mount(random.pick(MOUNTS));
    const after = await runtimeVfs().instance(this.#image.point);
    assert.ok(before.mountId !== "" && after.mountId !== "" && before.mountId !== after.mountId, "the same instance");
    await this.#look();
  }

  async #write(writer: Child, life: number): Promise<Child> {
    const random = this.#random;
    const request = { directory: this.#directory, shards: this.#shards, life, seed: random.nextU32() };
    writer.ask({ do: "write", ...request, disk: random.pick([0, 0.1, 0.5]), options: { topic: "log" } });
    if (random.chance(0.8)) {
      await writer.line(["open"]);
      await writer.saidLines(random.below(80), MAX_LIFE_MS);
      await sleep(random.below(4));
    } else await sleep(random.below(25));
    return writer;
  }

  #note(writer: Child): void {
    const early = writer.lines.filter((line) => /^(failed|poisoned|lost|wrong)/.test(line));
    for (const line of early) assert.match(line, /^(failed|poisoned \d+|lost \d+) (IO|POISONED)/);
    this.#ledger.take(writer.lines);
  }

  /** Somebody else's sync: one file of many reaches the device, and the others do not. */
  #syncSomething(): void {
    const { chance, pick } = {
      chance: this.#random.chance.bind(this.#random),
      pick: this.#random.pick.bind(this.#random),
    };
    for (const name of filesBelow(this.#directory)) {
      if (!chance(0.3)) continue;
      syncIfThere(name);
    }
    this.#tally.add(pick(["foreign syncs"]));
  }

  /** Whoever comes next finds what the cut left, or what this program made of it. */
  async #look(): Promise<void> {
    const way = this.#random.below(4);
    if (way === 0) return;
    // Where not even the manifest got to the disk there is no log, and a writer makes one.
    if (way === 1 && !hasLog(this.#directory)) return;
    const options = way === 1 ? { readOnly: true } : { shards: this.#shards, topic: "log" };
    this.#tally.add(way === 1 ? "looked at" : "recovered here");
    await reopen(this.#directory, options, (log) => this.#ledger.check(log));
  }

  async end(): Promise<void> {
    this.#ledger.forgetVerified();
    await reopen(this.#directory, { shards: this.#shards, topic: "log" }, (log) => this.#ledger.check(log));
    const { acknowledgements, records, verdicts } = this.#ledger;
    this.#tally.add("acknowledgements", acknowledgements);
    this.#tally.add("records compared", records);
    for (const [verdict, count] of verdicts) this.#tally.add(`verdicts ${verdict}`, count);
  }
}

/** Files of the log; those that a writer creates or removes meanwhile may be missing. */
function filesBelow(directory: string): string[] {
  try {
    const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile() && entry.name !== "lock").map((entry) =>
      join(entry.parentPath, entry.name)
    );
  } catch {
    return [];
  }
}

/** The writer at work may remove a file at any moment. */
function syncIfThere(path: string): void {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  fsyncSync(fd);
  closeSync(fd);
}

function hasLog(directory: string): boolean {
  return filesBelow(directory).some((path) => path.endsWith(".json"));
}

describe(`power cuts on ${CURRENT}`, () => {
  it(
    `${CUTS} cuts lose nothing that was acknowledged on disk [faults 14, 42: Linux, root]`,
    { skip },
    () =>
      useImage((image) =>
        useChildren(async (children) => {
          await children.warmUp(CURRENT);
          const random = new SeededRandom(seed);
          const tally = new Tally();
          const next = ahead(children);
          image.make(IMAGE_BYTES);
          image.mount();
          const started = performance.now();
          for (let done = 0, number = 0; done < CUTS; number++) {
            try {
              const trial = new Trial(image, `log-${number}`, random, tally);
              for (let i = 0; i < CUTS_A_LOG && done < CUTS; i++, done++) {
                await trial.cut(next, (done + 1) * LIVES_A_PROGRAM);
              }
              await trial.end();
            } catch (error) {
              throw new Error(`SEED=${seed}, log ${number}, cut ${done + 1}`, { cause: error });
            }
            image.unmount();
            image.make(IMAGE_BYTES);
            image.mount();
          }
          console.log(
            `power cuts on ${CURRENT}: ${tally}; ${((performance.now() - started) / CUTS).toFixed(0)} ms each`,
          );
        })
      ),
  );
});

/** Answers a writer that is up, and starts the one after it. */
function ahead(children: Children): () => Promise<Child> {
  let following = children.start(CURRENT);
  return async () => {
    const child = following;
    following = children.start(CURRENT);
    await child.line(["ready"]);
    return child;
  };
}
