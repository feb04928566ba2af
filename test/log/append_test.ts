import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { RecordInput } from "../../mod.ts";
import { shardOfKey } from "../../src/log/partitioner.ts";
import { collect, fails, take, useLog } from "../helpers.ts";

describe("log.append", () => {
  it("answers shard and offset once the record is written", () =>
    useLog({ shards: 4 }, async (log) => {
      for (const key of ["alice", "bob", "carol", "alice"]) {
        const { shard, offset } = await log.append({ key, value: `to ${key}` });
        assert.equal(log.shard(shard), log.shardFor(key));
        assert.ok(log.shard(shard).written > offset);
        const [record] = await collect(log.read({ shard, from: offset, limit: 1 }));
        assert.equal(record.text(), `to ${key}`);
        assert.equal(record.keyText(), key);
      }
    }));

  it("sends a key where Kafka's default partitioner sends it, text and bytes alike", () =>
    useLog({ shards: 7 }, (log) => {
      // murmur2 of Kafka's own class.
      const hashes: Record<string, number> = {
        "": 275646681,
        foobar: -790332482,
        "user-42": 1459644460,
        "äöü": -2070914556,
      };
      for (const [key, hash] of Object.entries(hashes)) {
        const expected = (hash & 0x7fff_ffff) % 7;
        assert.equal(log.shardFor(key).id, expected, key);
        assert.equal(log.shardFor(new TextEncoder().encode(key)).id, expected, key);
        assert.equal(shardOfKey(new TextEncoder().encode(key), new TextEncoder().encode(key).length, 7), expected);
      }
      return Promise.resolve();
    }));

  it("sends records with the same key to the same shard, and spreads keys over all", () =>
    useLog({ shards: 4 }, async (log) => {
      const used = new Set<number>();
      const appended = Array.from({ length: 100 }, (_, i) => log.append({ key: `user-${i % 25}`, value: "x" }));
      for (const [i, { shard }] of (await Promise.all(appended)).entries()) {
        assert.equal(shard, log.shardFor(`user-${i % 25}`).id);
        used.add(shard);
      }
      assert.equal(used.size, 4);
    }));

  it("keeps records without a key on one shard until its batch closes, then takes the next", () =>
    useLog({ shards: 3, batchBytes: 1000, flushIntervalMs: Infinity }, async (log) => {
      const appended = Array.from({ length: 60 }, () => log.append({ value: "x".repeat(100) }));
      appended.push(log.append({ key: null, value: "x".repeat(100) }));
      await log.flush();
      const shards = (await Promise.all(appended)).map(({ shard }) => shard);
      const runs = shards.filter((shard, i) => i === 0 || shard !== shards[i - 1]);
      assert.deepEqual(runs.slice(0, 6), [0, 1, 2, 0, 1, 2]);
      assert.ok(runs.length <= 9, `a batch holds eight records, so 61 need at most 9 runs, not ${runs.length}`);
    }));

  it("moves on after a flush too: that closes the batch", () =>
    useLog({ shards: 3, flushIntervalMs: Infinity }, async (log) => {
      const shards: number[] = [];
      for (let i = 0; i < 6; i++) {
        const appended = [log.append({ value: "a" }), log.append({ value: "b" })];
        await log.flush();
        const [a, b] = await Promise.all(appended);
        assert.equal(a.shard, b.shard);
        shards.push(a.shard);
      }
      assert.deepEqual(shards, [0, 1, 2, 0, 1, 2]);
    }));

  it("refuses what is no record, and stays usable", () =>
    useLog({ shards: 2 }, async (log) => {
      for (const bad of [null, undefined, "text", { value: 1 }, { key: 5, value: "x" }, { key: {}, value: "x" }]) {
        await assert.rejects(log.append(bad as unknown as RecordInput), TypeError);
      }
      await log.append({ value: "fine" });
      assert.throws(() => log.shardFor(5 as unknown as string), TypeError);
      assert.throws(() => log.user(5 as unknown as string), TypeError);
    }));

  it("refuses a shard that does not exist, and names those that do", () =>
    useLog({ shards: 2 }, (log) => {
      for (const id of [2, -1, 0.5, NaN]) assert.throws(() => log.shard(id), /RangeError.*0 to 1/s);
      return Promise.resolve();
    }));

  it("does nothing for a signal that was given before", () =>
    useLog({}, async (log) => {
      const signal = AbortSignal.abort(new Error("too late"));
      await assert.rejects(log.append({ value: "x" }, { signal }), /too late/);
      assert.equal(log.shard(0).nextOffset, 0);
    }));

  it("keeps the order of its calls, beside tryAppend", () =>
    useLog({}, async (log) => {
      const waiting: Promise<unknown>[] = [];
      for (let i = 0; i < 100; i++) {
        if (i % 2 === 0) waiting.push(log.append({ value: `${i}` }));
        else take(log.shard(0), { value: `${i}` });
      }
      await Promise.all(waiting);
      await log.flush();
      const values = (await collect(log.read())).map((record) => Number(record.text()));
      assert.deepEqual(values, Array.from({ length: 100 }, (_, i) => i));
    }));

  it("is refused when the log is closed", () =>
    useLog({}, async (log) => {
      await log.close();
      await fails("CLOSED", () => log.append({ value: "x" }));
    }));
});
