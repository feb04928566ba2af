import assert from "node:assert/strict";
import { existsSync, readdirSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type Log, openLog, type OpenOptions } from "../../mod.ts";
import { collect, fails, reopen, take, useDirectory } from "../helpers.ts";
import { batchesOf, flip, logFiles } from "../recovery/damage.ts";

const DESCRIPTORS = "/proc/self/fd";
const skip = existsSync(DESCRIPTORS) ? false : "needs /proc";
const OPTIONS: OpenOptions = {
  topic: "log",
  shards: 2,
  batchBytes: 500,
  segmentBytes: 3000,
  flushIntervalMs: Infinity,
};

/** How many files below `directory` this process has open. */
function openFiles(directory: string): number {
  return readdirSync(DESCRIPTORS).filter((name) => {
    try {
      return readlinkSync(join(DESCRIPTORS, name)).startsWith(directory);
    } catch {
      return false;
    }
  }).length;
}

async function fill(log: Log, count: number): Promise<void> {
  for (let i = 0; i < count; i++) take(log.shard(i % 2), { key: "k", value: `${i}`.padEnd(100), timestamp: i });
  await log.flush();
}

describe("open files", () => {
  const uses: readonly (readonly [what: string, use: (log: Log) => Promise<unknown>])[] = [
    ["a read to the end", (log) => collect(log.read())],
    ["a read with a limit", (log) => collect(log.read({ limit: 3 }))],
    ["the last records", (log) => collect(log.read({ last: 3 }))],
    ["a read from a time, with a last", (log) => collect(log.read({ from: new Date(50), last: 3 }))],
    ["a loop that is left", async (log) => {
      for await (const record of log.read({ from: [20, 20] })) if (record.offset === 30) break;
    }],
    ["a loop that throws", async (log) => {
      await assert.rejects(async () => {
        for await (const _ of log.read()) throw new Error("enough");
      });
    }],
    ["a follower that is aborted", async (log) => {
      const controller = new AbortController();
      const records = log.read({ follow: true, signal: controller.signal });
      for (let i = 0; i < 5; i++) await records.next();
      controller.abort(new Error("enough"));
      await assert.rejects(async () => {
        for (;;) await records.next();
      }, /enough/);
    }],
    ["a follower that is returned while it waits", async (log) => {
      const records = log.read({ from: [99, 99], follow: true });
      const step = [records.next(), records.next(), records.next()];
      await step[1];
      await records.return!();
      await step[2];
    }],
    ["a reader that is disposed of", async (log) => {
      const records = log.read() as AsyncIterableIterator<unknown> & AsyncDisposable;
      await records.next();
      await records[Symbol.asyncDispose]();
    }],
    ["a refused start", (log) => fails("OFFSET_OUT_OF_RANGE", () => collect(log.read({ from: [0, 1000] })))],
    ["a user's records", async (log) => {
      await collect(log.user("k").read({ last: 2 }));
      await log.user("k").head();
      for await (const _ of log.user("k").read({ follow: true })) break;
    }],
  ];
  for (const [what, use] of uses) {
    it(`are closed after ${what}`, { skip }, () =>
      useDirectory(async (directory) => {
        await reopen(directory, OPTIONS, async (log) => {
          await fill(log, 200);
          await log.flush("disk");
          const before = openFiles(directory);
          for (let i = 0; i < 10; i++) await use(log);
          assert.equal(openFiles(directory), before);
        });
        assert.equal(openFiles(directory), 0);
      }));
  }

  it("are closed after a read that met damage", { skip }, () =>
    useDirectory(async (directory) => {
      await reopen(directory, { ...OPTIONS, shards: 1 }, async (log) => {
        for (let i = 0; i < 100; i++) take(log.shard(0), { value: `${i}`.padEnd(100) });
        await log.flush();
      });
      const file = logFiles(directory)[1];
      flip(file, batchesOf(file)[1].position + 70);
      await reopen(directory, {}, async (log) => {
        const before = openFiles(directory);
        await fails("CORRUPT_BATCH", () => collect(log.read()));
        await collect(log.read({ onCorrupt: "skip" }));
        assert.equal(openFiles(directory), before);
      });
    }));

  it(
    "are as many as a log needs for writing, however many segments it has",
    { skip },
    () =>
      useDirectory(async (directory) => {
        const log = await openLog(directory, { ...OPTIONS, shards: 1 });
        const counts: number[] = [];
        for (let i = 0; i < 20; i++) {
          for (let k = 0; k < 50; k++) take(log.shard(0), { value: "x".repeat(100) });
          await log.flush("disk");
          counts.push(openFiles(directory));
        }
        // lock, state, anchor, .log, .idx, and on Deno a second handle for large writes.
        assert.ok(Math.max(...counts) <= 8, String(counts));
        await log.close();
        assert.equal(openFiles(directory), 0);
      }),
  );

  it("are closed after openings that fail", { skip }, () =>
    useDirectory(async (directory) => {
      await reopen(directory, OPTIONS, (log) => fill(log, 20));
      for (let i = 0; i < 5; i++) await fails("CONFLICT", () => openLog(directory, { shards: 3 }));
      assert.equal(openFiles(directory), 0);
    }));
});
