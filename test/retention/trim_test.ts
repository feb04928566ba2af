/** `trimBefore` on real files: the log start, the files, readers of all kinds. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type Log, openLog } from "../../mod.ts";
import { collect, fails, namesIn, reopen, take, useDirectory, useLog } from "../helpers.ts";

const OPTIONS = { topic: "log", segmentBytes: 1024, flushIntervalMs: Infinity, batchBytes: 200 };

/** Appends records 0 … count - 1 of about 100 bytes, each flush a batch. */
async function fill(log: Log, count: number): Promise<void> {
  const shard = log.shard(0);
  for (let left = count; left > 0; left--) {
    take(shard, { key: "k", value: `${shard.nextOffset}`.padEnd(100, ".") });
    await shard.flush("os");
  }
}

const offsets = async (log: Log, options = {}): Promise<number[]> =>
  (await collect(log.read({ shard: 0, ...options }))).map((record) => record.offset);
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

describe("trimBefore", () => {
  it("moves the log start exactly there, removes whole segments, and survives reopening", () =>
    useDirectory(async (directory) => {
      const bases = await reopen(directory, OPTIONS, async (log) => {
        await fill(log, 50);
        const before = namesIn(`${directory}/log-0`, ".log").map((name) => parseInt(name));
        assert.ok(before.length > 4);
        const offset = before[2] + 2;
        assert.equal(await log.shard(0).trimBefore(offset), offset);
        assert.equal(log.shard(0).earliest, offset);
        assert.deepEqual(await offsets(log), range(offset, 50));
        const left = namesIn(`${directory}/log-0`, ".log").map((name) => parseInt(name));
        assert.deepEqual(left, before.slice(2));
        assert.deepEqual(namesIn(`${directory}/log-0`, ".idx").map((name) => parseInt(name)), before.slice(2));
        return { before, offset };
      });
      await reopen(directory, OPTIONS, async (log) => {
        assert.equal(log.recovery[0].verdict, "clean");
        assert.equal(log.shard(0).earliest, bases.offset);
        assert.deepEqual(await offsets(log), range(bases.offset, 50));
        assert.equal(await log.shard(0).trimBefore(3), bases.offset);
        await fill(log, 1);
        assert.deepEqual(await offsets(log), range(bases.offset, 51));
      });
    }));

  it("takes everything up to the end, also what is not flushed, and appending goes on", () =>
    useDirectory(async (directory) => {
      await reopen(directory, OPTIONS, async (log) => {
        await fill(log, 20);
        take(log.shard(0), { value: "in memory" });
        assert.equal(await log.shard(0).trimBefore(21), 21);
        assert.deepEqual(await offsets(log), []);
        assert.equal(namesIn(`${directory}/log-0`, ".log").length, 1);
        await fill(log, 3);
        assert.deepEqual(await offsets(log), [21, 22, 23]);
        assert.equal(await log.shard(0).trimBefore(24), 24);
      });
      await reopen(directory, OPTIONS, async (log) => {
        assert.deepEqual([log.shard(0).earliest, log.shard(0).nextOffset], [24, 24]);
        assert.deepEqual(await offsets(log), []);
      });
    }));

  it("refuses what is no offset of the shard", () =>
    useLog(OPTIONS, async (log) => {
      await fill(log, 3);
      for (const offset of [4, -1, 1.5, NaN, "1" as unknown as number]) {
        await assert.rejects(() => log.shard(0).trimBefore(offset), RangeError);
      }
      assert.equal(await log.shard(0).trimBefore(0), 0);
    }));

  it("names the first offset to whoever reads below it", () =>
    useLog(OPTIONS, async (log) => {
      await fill(log, 30);
      await log.shard(0).trimBefore(17);
      const error = await fails("OFFSET_OUT_OF_RANGE", () => collect(log.read({ shard: 0, from: 16 })));
      assert.match(error.message, /valid offsets are 17 to 30/);
      assert.deepEqual(error.range, [17, 30]);
      await fails("OFFSET_OUT_OF_RANGE", () => log.get({ shard: 0, offset: 3 }));
      assert.equal((await log.get({ shard: 0, offset: 17 }))?.offset, 17);
      assert.deepEqual(await offsets(log, { from: new Date(0) }), range(17, 30));
      assert.deepEqual(await offsets(log, { last: 100 }), range(17, 30));
      assert.equal(await log.user("k").count(), 13);
      const batches = [];
      for await (const batch of log.batches({ shard: 0 })) {
        const cursor = batch.records();
        while (cursor.next()) batches.push(cursor.offset);
      }
      assert.deepEqual(batches, range(17, 30));
    }));

  it("leaves a reader the file it is in, then names the first offset [fault 55]", () =>
    useLog(OPTIONS, async (log, directory) => {
      await fill(log, 60);
      const bases = namesIn(`${directory}/log-0`, ".log").map((name) => parseInt(name));
      const records = log.read({ shard: 0, from: 1 });
      const batches = log.batches({ shard: 0, from: 1 });
      assert.equal((await records.next()).value.offset, 1);
      assert.equal((await batches.next()).value.baseOffset, 1);
      await log.shard(0).trimBefore(bases[4]);
      let last = 1;
      const error = await fails("OFFSET_OUT_OF_RANGE", async () => {
        for await (const record of records) assert.equal(record.offset, ++last);
      });
      assert.equal(last, bases[1] - 1);
      assert.match(error.message, new RegExp(`valid offsets are ${bases[4]} to`));
      await fails("OFFSET_OUT_OF_RANGE", async () => {
        for await (const _ of batches);
      });
    }));

  it("moves a reader of the earliest record along that has not begun [fault 55]", () =>
    useLog(OPTIONS, async (log, directory) => {
      await fill(log, 60);
      const bases = namesIn(`${directory}/log-0`, ".log").map((name) => parseInt(name));
      const reader = log.read({ shard: 0 });
      const first = reader.next();
      const trimmed = log.shard(0).trimBefore(bases[3]);
      const { value } = await first;
      assert.ok(value.offset === 0 || value.offset === bases[3]);
      await trimmed;
      await reader.return!();
      assert.equal((await log.read({ shard: 0 }).next()).value.offset, bases[3]);
    }));

  it("is seen by a second opening beside the writer, of logs that read only and follow [fault 55]", () =>
    useLog(OPTIONS, async (log, directory) => {
      await fill(log, 60);
      const beside = await openLog(directory, { readOnly: true });
      try {
        const bases = namesIn(`${directory}/log-0`, ".log").map((name) => parseInt(name));
        const reader = beside.read({ shard: 0, from: 2 });
        assert.equal((await reader.next()).value.offset, 2);
        const follower = beside.read({ shard: 0, from: "latest", follow: true });
        const next = follower.next();
        await log.shard(0).trimBefore(bases[5] + 1);
        assert.deepEqual(await offsets(beside), range(bases[5] + 1, 60));
        assert.equal(beside.shard(0).earliest, bases[5] + 1);
        await fails("OFFSET_OUT_OF_RANGE", () => collect(beside.read({ shard: 0, from: 2 })));
        const error = await fails("OFFSET_OUT_OF_RANGE", async () => {
          for await (const _ of reader);
        });
        assert.match(error.message, new RegExp(`valid offsets are ${bases[5] + 1} to 60`));
        await fill(log, 30);
        assert.equal((await next).value.offset, 60);
        await follower.return!();
        await fails("READ_ONLY", () => beside.shard(0).trimBefore(70));
      } finally {
        await beside.close();
      }
    }));

  it("never removes a file that is not the log's [fault 34]", () =>
    useLog(OPTIONS, async (log, directory) => {
      await fill(log, 40);
      const foreign = [
        "0.log",
        "note.txt",
        "00000000000000000001.log.bak",
        "quarantine-0-0-0",
        "0000000000000000000.idx",
      ];
      for (const name of foreign) writeFileSync(join(directory, "log-0", name), "mine");
      await log.shard(0).trimBefore(40);
      for (const name of foreign) assert.ok(namesIn(`${directory}/log-0`).includes(name), name);
    }));

  it("goes on with what an interrupted trim has left", () =>
    useDirectory(async (directory) => {
      const names = await reopen(directory, OPTIONS, async (log) => {
        await fill(log, 40);
        const names = namesIn(`${directory}/log-0`, ".log");
        await log.shard(0).trimBefore(parseInt(names[3]));
        return names;
      });
      // As after a power loss that brought two of the removed names back.
      for (const name of [names[0], names[2]]) {
        writeFileSync(join(directory, "log-0", name), "old");
        writeFileSync(join(directory, "log-0", name.replace("log", "idx")), "old");
      }
      const beside = await openLog(directory, { readOnly: true });
      assert.equal((await beside.read({ shard: 0 }).next()).value.offset, parseInt(names[3]));
      await beside.close();
      await reopen(directory, OPTIONS, async (log) => {
        assert.equal(log.recovery[0].verdict, "clean");
        assert.deepEqual(await offsets(log), range(parseInt(names[3]), 40));
      });
      assert.deepEqual(namesIn(`${directory}/log-0`, ".log"), names.slice(3));
      assert.deepEqual(namesIn(`${directory}/log-0`, ".idx").length, names.length - 3);
    }));

  it("answers CLOSED after close", () =>
    useLog(OPTIONS, async (log) => {
      await fill(log, 3);
      await log.close();
      await fails("CLOSED", () => log.shard(0).trimBefore(2));
    }));
});
