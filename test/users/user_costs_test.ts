/** What the index of users costs and saves: reads for a quiet user, at the opening, and what is left of it after the front of a log goes. */
import assert from "node:assert/strict";
import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { BACKPRESSURE, type Log, openLog, type OpenOptions } from "../../mod.ts";
import { collect, copyAsKilled, namesIn, reopen, take, until, useDirectory } from "../helpers.ts";
import { ReadCounter } from "./read_counter.ts";

const VALUE = new Uint8Array(100).fill(120);
const TABLE = /users-\d+-\d+\.idx$/;

function tablesOf(directory: string): string[] {
  return namesIn(join(directory, "log-0"), ".idx").filter((name) => TABLE.test(name));
}

/** Appends so many records of 5,000 users, in turn. */
async function crowd(log: Log, count: number): Promise<void> {
  const shard = log.shards[0];
  for (let i = 0; i < count; i++) {
    const record = { key: `user-${shard.nextOffset % 5000}`, value: VALUE };
    while (shard.tryAppend(record) === BACKPRESSURE) await shard.writable();
    if (i % 4096 === 0) await log.flush();
  }
}

async function offsetsOf(log: Log, key: string, options = {}): Promise<number[]> {
  return (await collect(log.user(key).read(options))).map(({ offset }) => offset);
}

describe("the index of users", () => {
  // One message an hour beside 10,000 a second is one in about four segments of 1 GiB. Here segments are small; buckets of a table are not.
  it("finds the last 50 of a user with one message in four segments in less than 1 MB beside the 50 batches", () =>
    useDirectory(async (directory) => {
      const batchBytes = 16_384;
      const options: OpenOptions = { topic: "log", segmentBytes: 512 * 1024, batchBytes };
      const log = await openLog(directory, options);
      const quiet: number[] = [];
      for (let hour = 0; hour < 55; hour++) {
        quiet.push(take(log.shards[0], { key: "quiet", value: VALUE }));
        await crowd(log, 18_000);
      }
      await log.flush();
      await log.close();
      const segments = namesIn(join(directory, "log-0"), ".log").length;
      assert.ok(segments >= 4 * 50, `${segments} segments`);
      assert.ok(tablesOf(directory).length >= 4 * 50);
      const counter = new ReadCounter();
      const reader = await openLog(directory, { readOnly: true, vfs: counter.vfs });
      counter.reads.length = 0;
      assert.deepEqual(await offsetsOf(reader, "quiet", { last: 50 }), quiet.slice(-50));
      await reader.close();
      const all = counter.of(/./);
      const index = counter.of(TABLE);
      assert.ok(
        all.bytes - 50 * batchBytes < 1_000_000,
        `${all.bytes} bytes read, ${index.bytes} of them of the index`,
      );
      for (const table of tablesOf(directory)) assert.ok(counter.of(table).count <= 3, table);
    }));

  it("costs an opening after a kill no read of a table and none of the log", () =>
    useDirectory(async (directory) => {
      const options: OpenOptions = { topic: "log", segmentBytes: 1 << 20, indexLagBytes: 300_000 };
      const log = await openLog(join(directory, "a"), options);
      await crowd(log, 30_000);
      await log.flush();
      await until(() => tablesOf(join(directory, "a")).length > 1, "tables");
      copyAsKilled(join(directory, "a"), join(directory, "b"));
      await log.close();
      const read = async (userStride: number): Promise<{ tables: number; log: number }> => {
        const counter = new ReadCounter();
        const opened = await openLog(join(directory, "b"), { ...options, userStride, vfs: counter.vfs });
        const found = { tables: counter.of(TABLE).count, log: counter.of(".log").bytes };
        await opened.close();
        return found;
      };
      const without = await read(0);
      const found = await read(64);
      assert.equal(found.tables, 0);
      assert.ok(found.log <= without.log, `${found.log} bytes of the log, ${without.log} without an index`);
    }));

  it("is asked for what is not trimmed of a user only", () =>
    useDirectory(async (directory) => {
      const options: OpenOptions = { topic: "log", segmentBytes: 1 << 20, indexLagBytes: 300_000 };
      await reopen(directory, options, async (log) => {
        await crowd(log, 30_000);
        await log.flush();
        await until(() => tablesOf(directory).length > 2, "tables");
        const all = [0, 5000, 10_000, 15_000, 20_000, 25_000].map((offset) => offset + 7);
        assert.deepEqual(await offsetsOf(log, "user-7"), all);
        for (const [floor, kept] of [[5007, 5], [5008, 4], [25_008, 0], [3, 0]] as const) {
          await log.trimUser("user-7", floor);
          const left = all.slice(6 - kept);
          assert.deepEqual(await offsetsOf(log, "user-7"), left);
          assert.deepEqual(await offsetsOf(log, "user-7", { last: 3, reverse: true }), left.slice(-3).reverse());
          assert.equal(await log.user("user-7").count(), kept);
          assert.equal((await log.user("user-7").head())?.offset, left.at(-1));
        }
        assert.equal(await log.user("user-8").count(), 6);
      });
      await reopen(directory, { readOnly: true }, async (log) => {
        assert.equal(await log.user("user-7").count(), 0);
        assert.equal(await log.user("user-7").head(), undefined);
      });
    }));

  it("goes on where the front of the log is dropped before it was caught up, and drops its tables of it", () =>
    useDirectory(async (directory) => {
      const options: OpenOptions = { topic: "log", segmentBytes: 1 << 20, indexLagBytes: 300_000 };
      await reopen(directory, options, (log) => crowd(log, 60_000));
      const old = tablesOf(directory);
      for (const name of old) rmSync(join(directory, "log-0", name));
      await reopen(directory, options, async (log) => {
        const shard = log.shards[0];
        // Asking begins to read the log from its start; meanwhile most of it goes.
        const asked = log.user("user-7").count();
        const earliest = await shard.trimBefore(50_000);
        assert.ok(earliest > 30_000 && earliest <= 50_000, String(earliest));
        assert.ok(await asked <= 12);
        const expected = (end: number): number[] =>
          Array.from({ length: end / 5000 }, (_, i) => i * 5000 + 7).filter((offset) => offset >= earliest);
        assert.deepEqual(await offsetsOf(log, "user-7"), expected(60_000));
        await crowd(log, 20_000);
        await log.flush();
        assert.deepEqual(await offsetsOf(log, "user-7"), expected(80_000));
        assert.equal(await log.user("user-7").count(), expected(80_000).length);
        await until(() => tablesOf(directory).some((name) => Number(name.slice(6, 26)) > 60_000), "the index to go on");
        const before = tablesOf(directory);
        assert.equal(await shard.trimBefore(75_000) > 60_000, true);
        await crowd(log, 10_000);
        await log.flush();
        const isOver = (name: string): boolean => Number(/-(\d+)\.idx$/.exec(name)![1]) <= shard.earliest;
        assert.ok(before.some(isOver));
        await until(() => !tablesOf(directory).some(isOver), "tables of what is dropped to go");
        assert.deepEqual(await offsetsOf(log, "user-7", { last: 2 }), [80_007, 85_007]);
      });
      const bytes = tablesOf(directory).reduce((sum, name) => sum + statSync(join(directory, "log-0", name)).size, 0);
      assert.ok(bytes < 8 * 30_000, `${bytes} bytes of index`);
    }));
});
