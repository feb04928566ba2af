/** The three runtimes write the same files and read each other's. */
import assert from "node:assert/strict";
import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { OpenOptions } from "../../mod.ts";
import { namesIn, reopen, useDirectory } from "../helpers.ts";
import { announceSeed } from "../fixtures/seed.ts";
import { run, RUNTIMES, whySkipped } from "./children.ts";
import { verifyAll } from "./records.ts";

const skip = whySkipped();
const seed = announceSeed("exchange");

interface Report {
  readonly found: number[];
  readonly ends: number[];
  readonly verdicts: string[];
}

/** The shortest sequence in which every order of three stands somewhere. */
const SEQUENCE = [0, 1, 2, 0, 1, 0, 2, 1, 0].map((i) => RUNTIMES[i]);

describe("a log that runtimes hand on in every order", () => {
  it(
    "is whole for each of them, which compares every record and goes on",
    { skip },
    () =>
      useDirectory(async (directory) => {
        const orders = SEQUENCE.slice(2).map((_, i) => SEQUENCE.slice(i, i + 3)).filter((order) =>
          new Set(order).size === 3
        );
        assert.equal(new Set(orders.map(String)).size, 6);
        const options: OpenOptions = { topic: "log", shards: 2, segmentBytes: 100_000, stride: 200 };
        let before = [0, 0];
        for (const runtime of SEQUENCE) {
          const [report] = await run<Report[]>("relay.ts", { directory, seed, counts: [300], options }, runtime);
          assert.deepEqual(report.found, before, runtime);
          assert.deepEqual(report.verdicts, ["clean", "clean"]);
          before = report.ends;
        }
        await reopen(directory, {}, async (log) => assert.deepEqual(await verifyAll(log, seed), before));
        assert.ok(namesIn(join(directory, "log-0"), ".log").length > 2, "several segments");
      }),
  );
});

describe("what runtimes write", () => {
  const cases: readonly (readonly [what: string, count: number, options: OpenOptions])[] = [
    ["small segments", 3000, { segmentBytes: 50_000, stride: 100, batchBytes: 2000 }],
    ["tiny strides", 600, { segmentBytes: 1_000_000, stride: 3 }],
    ["the default sizes", 4000, { stride: 1000 }],
    ["flushes by bytes", 3000, { segmentBytes: 300_000, stride: 2 ** 30, flushBytes: 40_000, batchBytes: 10_000 }],
  ];
  let tables = 0;
  for (const [what, count, sizes] of cases) {
    it(`is equal byte for byte, with ${what}`, { skip }, () =>
      useDirectory(async (parent) => {
        const options: OpenOptions = {
          topic: "log",
          shards: 2,
          maxBufferPerShard: 2 ** 30,
          maxBufferBytes: 2 ** 31,
          ...sizes,
        };
        // One log's beginning for all of them: its id is what users are hashed with, and stands in every index.
        const beginning = join(parent, "beginning");
        await reopen(beginning, options, () => Promise.resolve());
        const contents = await Promise.all(RUNTIMES.map(async (runtime) => {
          const directory = join(parent, runtime);
          cpSync(beginning, directory, { recursive: true });
          // Two openings: the second one begins an epoch of its own.
          await run("relay.ts", { directory, seed, counts: [count, 50], options }, runtime);
          const files: [string, string][] = [];
          for (const shard of ["log-0", "log-1"]) {
            for (const name of namesIn(join(directory, shard)).filter((name) => /\.(log|idx)$/.test(name))) {
              files.push([`${shard}/${name}`, readFileSync(join(directory, shard, name)).toString("hex")]);
            }
          }
          return files;
        }));
        const [first, ...others] = contents;
        assert.ok(first.length >= 4);
        tables += first.filter(([name]) => name.includes("users-")).length;
        for (const other of others) {
          assert.deepEqual(other.map(([name]) => name), first.map(([name]) => name));
          for (const [i, [name, content]] of first.entries()) assert.ok(other[i][1] === content, `${name} differs`);
        }
      }));
  }
  it("includes tables of users", { skip }, () => assert.ok(tables > 2, `${tables} tables`));
});
