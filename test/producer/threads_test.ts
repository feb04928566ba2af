/** Worker threads and the log's own thread append to the same shards. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BACKPRESSURE, type Log } from "../../mod.ts";
import { expectUnion, readShards, useProducers } from "./expect.ts";

/** Appends on the log's own thread, in pieces, so that others get their turn. */
async function appendHere(log: Log, name: string, count: number, keys = 0): Promise<void> {
  for (let i = 0; i < count; i++) {
    const value = `${name}:${i}`;
    const shard = keys > 0 ? log.shardFor(`user ${i % keys}`) : log.shard(0);
    const next = shard.nextOffset;
    for (;;) {
      const offset = shard.tryAppend(keys > 0 ? { key: `user ${i % keys}`, value } : { value });
      if (offset !== BACKPRESSURE) {
        assert.ok(offset >= next);
        break;
      }
      await shard.writable();
    }
    if (i % 500 === 499) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await log.flush();
}

describe("producers in worker threads", () => {
  it("append to one shard beside the log's own thread", () =>
    useProducers({ flushIntervalMs: 2 }, async (log, _directory, start) => {
      const count = 20_000;
      const a = start(log.producer(), { kind: "append", name: "a", count });
      const b = start(log.producer(), { kind: "append", name: "b", count });
      await appendHere(log, "main", count);
      const said = [await a.next(), await b.next()];
      const shards = await readShards(log);
      expectUnion(shards, { a: count, b: count, main: count });
      for (const [i, name] of ["a", "b"].entries()) {
        const at = said[i].places!;
        assert.equal(at.length, 4);
        const numbers = [0, 1, count / 2, count - 1];
        for (const [k, { shard, offset }] of at.entries()) {
          assert.equal(shards[shard][offset].offset, offset);
          assert.equal(shards[shard][offset].text(), `${name}:${numbers[k]}`);
        }
      }
    }));

  it("append to several shards by key", () =>
    useProducers({ shards: 3, flushIntervalMs: 2 }, async (log, _directory, start) => {
      const count = 10_000;
      const a = start(log.producer(), { kind: "append", name: "a", count, keys: 50 });
      const b = start(log.producer(), { kind: "append", name: "b", count, keys: 50 });
      await appendHere(log, "main", count, 50);
      await Promise.all([a.next(), b.next()]);
      const shards = await readShards(log);
      expectUnion(shards, { a: count, b: count, main: count });
      for (const [id, records] of shards.entries()) {
        assert.ok(records.length > 0);
        for (const record of records) assert.equal(log.shardFor(record.keyText()!).id, id);
      }
    }));

  it("append to a shard each, and to all without a key", () =>
    useProducers({ shards: 2, flushBytes: 65_536 }, async (log, _directory, start) => {
      const count = 8000;
      const a = start(log.producer({ shard: 0 }), { kind: "append", name: "a", count, keys: 9 });
      const b = start(log.producer({ shard: 1 }), { kind: "append", name: "b", count });
      const all = start(log.producer(), { kind: "append", name: "all", count, bytes: 100 });
      const [saidA, saidB] = await Promise.all([a.next(), b.next(), all.next()]);
      assert.deepEqual(new Set(saidA.places!.map(({ shard }) => shard)), new Set([0]));
      assert.deepEqual(new Set(saidB.places!.map(({ shard }) => shard)), new Set([1]));
      const shards = await readShards(log);
      expectUnion(shards, { a: count, b: count, all: count });
      for (const records of shards) assert.ok(records.some((record) => record.text()!.startsWith("all:")));
    }));

  it("roll segments, and are acknowledged on disk", () =>
    useProducers(
      { segmentBytes: 100_000, durability: "disk", flushIntervalMs: 1, directIo: true },
      async (log, _directory, start) => {
        const count = 4000;
        const a = start(log.producer({ bufferBytes: 262_144 }), { kind: "append", name: "a", count, bytes: 100 });
        await appendHere(log, "main", count);
        await a.next();
        assert.equal(log.shard(0).synced, 2 * count);
        expectUnion(await readShards(log), { a: count, main: count });
      },
    ));

  it("wait for room, and hold no more memory than they were given", () =>
    useProducers({ flushBytes: 65_536 }, async (log, _directory, start) => {
      const count = 40_000;
      const said = await start(log.producer({ bufferBytes: 131_072 }), { kind: "append", name: "a", count, bytes: 100 })
        .next();
      assert.ok(said.refusals! > 0, "there was no backpressure");
      expectUnion(await readShards(log), { a: count });
    }));

  it("learn that the log was closed", () =>
    useProducers({}, async (log, _directory, start) => {
      const threads = ["a", "b"].map((name) => start(log.producer(), { kind: "endless", name }));
      await Promise.all(threads.map((thread) => thread.next()));
      await new Promise((resolve) => setTimeout(resolve, 30));
      const { written } = log.shard(0);
      const closing = log.close();
      assert.throws(() => log.producer(), { code: "CLOSED" });
      await closing;
      let kept = 0;
      for (const thread of threads) {
        let said = await thread.next();
        while (said.is === "ready") said = await thread.next();
        assert.equal(said.code, "CLOSED");
        assert.match(said.flushed!, /^(all|CLOSED)$/);
        assert.ok(said.acknowledged! <= log.shard(0).written);
        assert.ok(said.taken! >= 100);
        if (said.flushed === "all") kept += said.taken!;
      }
      assert.ok(log.shard(0).written >= Math.max(written, kept));
    }));
});
