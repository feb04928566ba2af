/** Workers that end, hang or sleep between a claim and its publication, and workers that publish nonsense. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LogError } from "../../mod.ts";
import { batchesOf, expectUnion, readShards, useProducers } from "./expect.ts";

const leaseMs = 300;

describe("a claim that is not published", () => {
  it("of a worker that was terminated becomes a batch without records, and nobody waits longer than the lease [fault 56]", () =>
    useProducers({ flushIntervalMs: 2 }, async (log, directory, start) => {
      const dead = start(log.producer({ leaseMs }), { kind: "hang", offsets: 7, shard: 0 });
      await dead.next();
      await dead.end();
      const started = performance.now();
      const said = start(log.producer({ leaseMs }), { kind: "append", name: "a", count: 1000 }).next();
      const { offset } = await log.append({ value: "main:0" });
      const tookMs = performance.now() - started;
      await said;
      assert.ok(offset >= 7);
      assert.ok(tookMs >= leaseMs - 20 && tookMs < leaseMs + 2000, `the lease is ${leaseMs} ms, it took ${tookMs} ms`);
      assert.deepEqual(batchesOf(directory, 0)[0], [0, 6, 0]);
      expectUnion(await readShards(log, 7), { a: 1000, main: 1 });
    }));

  it("of a worker that hangs delays closing by the lease only [fault 56]", () =>
    useProducers({ flushIntervalMs: 2 }, async (log, directory, start) => {
      await log.append({ value: "main:0" });
      const hanging = start(log.producer({ leaseMs }), { kind: "hang", offsets: 3, shard: 0 });
      await hanging.next();
      const started = performance.now();
      await log.close();
      const tookMs = performance.now() - started;
      assert.ok(tookMs >= leaseMs - 20 && tookMs < leaseMs + 2000, `the lease is ${leaseMs} ms, it took ${tookMs} ms`);
      assert.deepEqual(batchesOf(directory, 0), [[0, 0, 1], [1, 3, 0]]);
    }));

  it("of several dead workers becomes void with one lease [fault 56]", () =>
    useProducers({ flushIntervalMs: 2 }, async (log, directory, start) => {
      for (const offsets of [2, 3, 4]) {
        const dead = start(log.producer({ leaseMs }), { kind: "hang", offsets, shard: 0 });
        await dead.next();
        await dead.end();
      }
      const started = performance.now();
      await log.append({ value: "main:0" });
      const tookMs = performance.now() - started;
      assert.ok(tookMs < leaseMs + 2000, `it took ${tookMs} ms`);
      assert.deepEqual(batchesOf(directory, 0), [[0, 8, 0], [9, 9, 1]]);
      assert.equal(log.shard(0).nextOffset, 10);
    }));

  it("of a worker that only slept is claimed anew, and no record is lost or twice [fault 56]", () =>
    useProducers({ flushIntervalMs: 2 }, async (log, directory, start) => {
      const slow = start(log.producer({ leaseMs: 50 }), { kind: "stall", name: "slow", count: 500, sleepMs: 600 });
      assert.equal((await slow.next()).is, "ready");
      await log.append({ value: "main:0" });
      await log.append({ value: "main:1" });
      const { places } = await slow.next();
      const shards = await readShards(log, batchesOf(directory, 0)[0][1] + 1);
      expectUnion(shards, { slow: 500, main: 2 });
      assert.equal(batchesOf(directory, 0)[0][2], 0);
      // The shard's first record comes behind the void.
      for (const { shard, offset } of places!) {
        assert.ok(shards[shard].some((record) => record.offset === offset && record.text()!.startsWith("slow:")));
      }
    }));

  it("keeps what was claimed behind it on the log's own thread in order", () =>
    useProducers({ flushIntervalMs: Infinity }, async (log, directory, start) => {
      const shard = log.shard(0);
      assert.equal(shard.tryAppend({ value: "main:0" }), 0);
      const handle = log.producer({ leaseMs });
      assert.equal(shard.tryAppend({ value: "main:1" }), 1);
      const dead = start(handle, { kind: "hang", offsets: 5, shard: 0 });
      await dead.next();
      assert.equal(shard.tryAppend({ value: "main:2" }), 7);
      assert.equal(shard.tryAppend({ value: "main:3" }), 8);
      await shard.flush();
      assert.equal(shard.written, 9);
      assert.deepEqual(batchesOf(directory, 0), [[0, 0, 1], [1, 1, 1], [2, 6, 0], [7, 8, 2]]);
      expectUnion(await readShards(log, 5), { main: 4 });
    }));
});

describe("what is no batch", () => {
  it("is not written: its offsets become void", () =>
    useProducers({ flushIntervalMs: 2 }, async (log, directory, start) => {
      const bad = start(log.producer({ leaseMs }), { kind: "garbage", offsets: 11 });
      assert.equal((await bad.next()).is, "done");
      await log.append({ value: "main:0" });
      assert.deepEqual(batchesOf(directory, 0)[0], [0, 10, 0]);
      expectUnion(await readShards(log, 11), { main: 1 });
    }));
});

describe("a producer that was fenced", () => {
  it("makes room for others, once there are too many", () =>
    useProducers({}, async (log) => {
      const handles = [];
      for (;;) {
        try {
          handles.push(log.producer());
        } catch (error) {
          assert.equal((error as LogError).code, "CONFLICT");
          break;
        }
        assert.ok(handles.length < 1000);
      }
      log.fence(handles[0]);
      log.fence(handles[1]);
      log.producer();
      log.producer();
      assert.throws(() => log.producer(), { code: "CONFLICT" });
      await log.append({ value: "main:0" });
    }));
});
