/** `append(record, { ifOffset })`: only where nothing came in between. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BACKPRESSURE, LogError, type OpenOptions } from "../../mod.ts";
import { fails, outcomeOf, reopen, useDirectory, useLog } from "../helpers.ts";
import { produced, send } from "../idempotence/batches.ts";
import { readShards, useProducers } from "../producer/expect.ts";

const OPTIONS: OpenOptions = { topic: "log" };

describe("ifOffset", () => {
  it("appends at the next offset, and at no other", () =>
    useLog(OPTIONS, async (log) => {
      assert.deepEqual(await log.append({ value: "a" }, { ifOffset: 0 }), { shard: 0, offset: 0 });
      for (const ifOffset of [0, 2, 100]) {
        const error = await fails("CONFLICT", () => log.append({ value: "b" }, { ifOffset }));
        assert.deepEqual([error.reason, error.expected, error.actual, error.shard], [
          "OFFSET_MISMATCH",
          ifOffset,
          1,
          0,
        ]);
      }
      assert.equal(log.shard(0).nextOffset, 1);
    }));

  it("counts what is taken and not written yet: records, the fast way, blobs", () =>
    useLog({ ...OPTIONS, flushIntervalMs: Infinity }, async (log) => {
      const shard = log.shard(0);
      for (let n = 0; n < 100; n++) shard.tryAppend({ value: new Uint8Array(20) });
      await fails("CONFLICT", () => log.append({ value: "b" }, { ifOffset: 99 }));
      const first = log.append({ value: "b" }, { ifOffset: 100 });
      for (let n = 0; n < 100; n++) shard.tryAppend({ value: new Uint8Array(20) });
      await send(shard, produced(1, 0, 0, 7));
      const second = log.append({ value: "c" }, { ifOffset: 208, durability: "disk" });
      assert.equal(await outcomeOf(second), "pending");
      await log.flush("disk");
      assert.deepEqual([(await first).offset, (await second).offset], [100, 208]);
    }));

  it("is decided in the moment of the call where there is room, else when its turn comes", () =>
    useLog({ ...OPTIONS, maxBufferPerShard: 1024, flushIntervalMs: Infinity }, async (log) => {
      const shard = log.shard(0);
      const won = log.append({ value: "a" }, { ifOffset: 0 });
      shard.tryAppend({ value: "b" });
      while (shard.tryAppend({ value: "x".repeat(200) }) !== BACKPRESSURE);
      const end = shard.nextOffset;
      const waits = log.append({ value: "y".repeat(200) }, { ifOffset: end });
      const behind = log.append({ value: "z".repeat(200) }, { ifOffset: end });
      const [first, second, third] = await Promise.allSettled([won, waits, behind]);
      assert.equal(first.status === "fulfilled" && first.value.offset, 0);
      assert.equal(second.status === "fulfilled" && second.value.offset, end);
      assert.equal(third.status === "rejected" && third.reason.actual, end + 1);
    }));

  it("lets one of two win who expect the same", () =>
    useLog(OPTIONS, async (log) => {
      for (let round = 0; round < 50; round++) {
        const next = log.shard(0).nextOffset;
        const writers = ["a", "b", "c"].map((value) => log.append({ value }, { ifOffset: next }));
        const results = await Promise.allSettled(writers);
        assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
        assert.equal(log.shard(0).nextOffset, next + 1);
      }
    }));

  it("takes the shard from the key; without one the log must have a single shard", () =>
    useDirectory((directory) =>
      reopen(directory, { shards: 3 }, async (log) => {
        const shard = log.shardFor("alice").id;
        assert.deepEqual(await log.append({ key: "alice", value: "a" }, { ifOffset: 0 }), { shard, offset: 0 });
        await assert.rejects(log.append({ value: "a" }, { ifOffset: 0 }), TypeError);
        for (const ifOffset of [-1, 0.5, NaN, "1" as unknown as number]) {
          await assert.rejects(log.append({ key: "alice", value: "a" }, { ifOffset }), RangeError);
        }
      })
    ));

  it("is refused as any append by a log that cannot be written", () =>
    useDirectory(async (directory) => {
      await reopen(directory, OPTIONS, (log) => log.append({ value: "a" }));
      await reopen(directory, { readOnly: true }, (log) =>
        fails("READ_ONLY", () =>
          log.append({ value: "b" }, { ifOffset: 1 })));
    }));

  it("holds beside workers: nobody's record comes between the comparison and the append", () =>
    useProducers({ flushIntervalMs: 1 }, async (log, _directory, start) => {
      const count = 20_000;
      const workers = ["a", "b"].map((name) =>
        start(log.producer({ shard: 0 }), { kind: "append", name, count, bytes: 40 })
      );
      const shard = log.shard(0);
      let ended = false;
      const said = Promise.all(workers.map((worker) => worker.next())).then(() => ended = true);
      const mine: number[] = [];
      let conflicts = 0;
      while (!ended || mine.length < 20) {
        const next = shard.nextOffset;
        if (mine.length % 3 === 0) await Promise.resolve();
        try {
          const { offset } = await log.append({ value: `main:${mine.length}` }, { ifOffset: next });
          assert.equal(offset, next);
          mine.push(offset);
        } catch (error) {
          assert.ok(error instanceof LogError && error.reason === "OFFSET_MISMATCH", String(error));
          assert.ok(error.actual! > next);
          conflicts++;
        }
        if (mine.length % 5 === 0) shard.tryAppend({ value: "plain" });
      }
      await said;
      await log.flush();
      const [records] = await readShards(log);
      assert.equal(records.filter((record) => /^[ab]:/.test(record.text()!)).length, 2 * count);
      for (const [n, offset] of mine.entries()) assert.equal(records[offset].text(), `main:${n}`);
      assert.equal(
        records.filter((record) => record.text()!.startsWith("main:")).length,
        mine.length,
        `${conflicts} conflicts`,
      );
    }));
});
