/** kill -9 at random moments on each runtime: the page cache lives, so nothing acknowledged may be lost at all. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { OpenOptions } from "../../mod.ts";
import { announceSeed, makeRandom } from "../fixtures/seed.ts";
import { reopen, until, useDirectory } from "../helpers.ts";
import { RUNTIMES, start, whySkipped } from "./children.ts";
import { verifyAll } from "./records.ts";

const ROUNDS = 10;
const SHARDS = 2;
const MAX_LIFE_MS = 60;
const SLOWEST_MS = 20_000;
const OPTIONS: OpenOptions = { topic: "log", shards: SHARDS, segmentBytes: 200_000, flushIntervalMs: 2, stride: 50 };
const seed = announceSeed("kill");

/** Exclusive ends of what was acknowledged, by shard. */
function acknowledgedEnds(acks: string): number[] {
  const ends = Array<number>(SHARDS).fill(0);
  if (!existsSync(acks)) return ends;
  const lines = readFileSync(acks, "utf8").split("\n").slice(0, -1);
  for (const line of lines) {
    const [shard, last] = line.split(" ").map(Number);
    ends[shard] = Math.max(ends[shard], last + 1);
  }
  return ends;
}

function assertReached(counts: readonly number[], ends: readonly number[]): void {
  for (const [shard, end] of ends.entries()) {
    assert.ok(counts[shard] >= end, `shard ${shard}: ${end} records were acknowledged, ${counts[shard]} are there`);
  }
}

describe("a writer that is killed at any moment", () => {
  for (const runtime of RUNTIMES) {
    it(
      `loses nothing acknowledged, keeps the order, doubles nothing: ${runtime} [fault 41: started from Node]`,
      { skip: whySkipped() },
      () =>
        useDirectory(async (parent) => {
          const directory = join(parent, "log");
          const acks = join(parent, "acks");
          const random = makeRandom(seed + runtime.length * 1000);
          let ends = acknowledgedEnds(acks);
          for (let round = 0; round < ROUNDS; round++) {
            const child = start("appender.ts", { directory, acks, seed, options: OPTIONS }, runtime);
            const opened = JSON.parse((await child.line("open")).slice(5));
            assertReached(opened.found, ends);
            await new Promise((resolve) => setTimeout(resolve, random(MAX_LIFE_MS)));
            // The last one gets to something on a slow machine, too.
            const isSomething = (): boolean => acknowledgedEnds(acks).every((end) => end > 0);
            if (round === ROUNDS - 1) await until(isSomething, "an acknowledgement from each shard", SLOWEST_MS);
            assert.equal((await child.kill()).signal, "SIGKILL");
            ends = acknowledgedEnds(acks);
            // Now and then this program repairs the log, else the next writer does, on its own runtime.
            const counts = await reopen(directory, { readOnly: random(3) > 0 }, (log) => {
              for (const { verdict } of log.recovery) assert.ok(verdict === "clean" || verdict === "torn", verdict);
              return verifyAll(log, seed);
            });
            assertReached(counts, ends);
          }
        }),
    );
  }
});
