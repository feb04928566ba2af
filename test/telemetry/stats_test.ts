/** What `log.stats()` counts, against what the test itself has done. */
import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { BACKPRESSURE, type Log, type LogStats, openLog } from "../../mod.ts";
import type { EmbeddedLog } from "../../src/log/log.ts";
import { take, useDirectory, useLog } from "../helpers.ts";
import { ControlledVfs, failFrom } from "../shard/controlled_vfs.ts";

function bytesIn(directory: string, shard: number): number {
  const names = readdirSync(join(directory, `log-${shard}`)).filter((name) => name.endsWith(".log"));
  return names.reduce((sum, name) => sum + statSync(join(directory, `log-${shard}`, name)).size, 0);
}

describe("stats", () => {
  it("are all zero of a log that nobody wrote to", () =>
    useLog({ shards: 2 }, (log) => {
      const { total, shards, consumers } = log.stats();
      const { flushLatency, syncLatency, ...counts } = total;
      assert.deepEqual(new Set(Object.values(counts)), new Set([0]));
      assert.deepEqual([flushLatency.count, syncLatency.count, shards.length, consumers.length], [0, 0, 2, 0]);
      return Promise.resolve();
    }));

  it("count messages, bytes, batches, flushes, commits and syncs, by shard and together", () =>
    useLog({ shards: 2, flushIntervalMs: Infinity }, async (log, directory) => {
      for (let i = 0; i < 10; i++) take(log.shard(0), { value: `value ${i}` });
      for (let i = 0; i < 3; i++) take(log.shard(1), { value: `value ${i}` });
      const before = log.stats();
      assert.deepEqual([before.total.messages, before.total.messagesWritten, before.total.bytesWritten], [13, 0, 0]);
      assert.ok(before.shards[0].bytesBuffered > 70 && before.shards[0].bytesTaken === before.shards[0].bytesBuffered);
      await log.flush();
      await log.shard(1).flush("disk");
      const { total, shards } = log.stats();
      assert.deepEqual(shards.map(({ messages, messagesWritten }) => [messages, messagesWritten]), [[10, 10], [3, 3]]);
      for (const { shard, bytesWritten, bytesTaken, bytesBuffered, bytesDirect, bytesCached } of shards) {
        assert.equal(bytesWritten, bytesIn(directory, shard));
        assert.deepEqual([bytesTaken, bytesBuffered, bytesDirect + bytesCached], [bytesWritten, 0, bytesWritten]);
      }
      assert.deepEqual([shards[0].bytesUnsynced, shards[1].bytesUnsynced], [shards[0].bytesWritten, 0]);
      assert.deepEqual([shards[0].synced, shards[1].synced], [0, 3]);
      const { flushes, commits, syncs, batches, segments, rolls, batchRecords, batchBytes } = total;
      assert.deepEqual({ flushes, commits, syncs, batches, segments, rolls }, {
        flushes: 2,
        commits: 2,
        syncs: 1,
        batches: 2,
        segments: 2,
        rolls: 0,
      });
      assert.deepEqual([batchRecords, batchBytes], [6.5, total.bytesWritten / 2]);
      assert.deepEqual([total.flushLatency.count, total.syncLatency.count], [2, 1]);
      assert.equal(total.bytesWritten, shards[0].bytesWritten + shards[1].bytesWritten);
    }));

  it("count rolls and the segments there are, also those of earlier openings", () =>
    useDirectory(async (directory) => {
      for (const expected of [{ rolls: 4, segments: 5 }, { rolls: 5, segments: 10 }]) {
        const log = await openLog(directory, { topic: "log", segmentBytes: 1024 });
        for (let i = 0; i < 5; i++) {
          take(log.shard(0), { value: new Uint8Array(900) });
          await log.flush();
        }
        const { rolls, segments } = log.stats().shards[0];
        assert.deepEqual({ rolls, segments }, expected);
        await log.close();
      }
    }));

  it("count refusals, and waits for room with their time", () =>
    useLog({ maxBufferPerShard: 4096, flushIntervalMs: Infinity }, async (log) => {
      const shard = log.shard(0);
      let refusals = 0;
      for (let i = 0; i < 100; i++) {
        if (shard.tryAppend({ value: new Uint8Array(500) }) !== BACKPRESSURE) continue;
        refusals++;
        await shard.writable();
      }
      const { total } = log.stats();
      assert.ok(refusals > 5, `${refusals}`);
      assert.deepEqual([total.refusals, total.waits], [refusals, refusals]);
      assert.ok(total.waitMs > 0);
    }));

  it("count the same through batches that are handed in", () =>
    useLog({}, async (log) => {
      const { BatchBuilder } = await import("../../mod.ts");
      const builder = new BatchBuilder();
      for (let i = 0; i < 7; i++) builder.add({ value: `${i}` });
      log.shard(0).tryAppendBatch(builder.finish());
      await log.flush();
      const { messages, batches, batchRecords } = log.stats().total;
      assert.deepEqual({ messages, batches, batchRecords }, { messages: 7, batches: 1, batchRecords: 7 });
    }));

  it("name the last error of a poisoned shard", () =>
    useDirectory(async (directory) => {
      const vfs = new ControlledVfs(failFrom(2, ({ kind, path }) => kind === "write" && path.endsWith(".log")));
      const log = await openLog(directory, { vfs });
      await log.append({ value: "good" });
      await assert.rejects(log.append({ value: "bad" }));
      const [shard] = log.stats().shards;
      assert.deepEqual([shard.state, shard.lastError?.code, shard.messagesWritten], ["poisoned", "IO", 1]);
      assert.ok(Math.abs(shard.lastError!.timestamp - Date.now()) < 60_000);
      await log.close().catch(() => {});
    }));

  it("of a log that is open for reading say how far it is and how many segments it has", () =>
    useDirectory(async (directory) => {
      const writer = await openLog(directory, { segmentBytes: 1024 });
      for (let i = 0; i < 3; i++) await writer.append({ value: new Uint8Array(900) });
      await writer.close();
      const log = await openLog(directory, { readOnly: true });
      const [shard] = log.stats().shards;
      const { state, nextOffset, segments, messages } = shard;
      assert.deepEqual({ state, nextOffset, segments, messages }, {
        state: "readOnly",
        nextOffset: 3,
        segments: 3,
        messages: 0,
      });
      await log.close();
    }));

  it("carry what sources of consumers say, until they are taken back", () =>
    useLog({}, (log) => {
      const lag = { consumer: "mailer", shard: 0, committed: 3, lag: 4 };
      const remove = (log as EmbeddedLog).inside.consumers.add(() => [lag]);
      assert.deepEqual(log.stats().consumers, [lag]);
      remove();
      assert.deepEqual(log.stats().consumers, []);
      return Promise.resolve();
    }));

  it("say how far open consumers are behind", () =>
    useLog({}, async (log) => {
      for (const value of ["a", "b", "c"]) await log.append({ value });
      await using mailer = log.consumer("mailer", { follow: false });
      for await (const record of mailer) if (record.offset === 0) await mailer.commit();
      assert.deepEqual(log.stats().consumers, [{ consumer: "mailer", shard: 0, committed: 1, lag: 2 }]);
      assert.match(log.statsText(), /bimiplog_consumer_lag[^\n]*mailer[^\n]* 2\n/);
    }));

  it("are plain data, and work on a closed log", async () => {
    let stats: LogStats | undefined;
    let closed: Log | undefined;
    await useLog({}, async (log) => {
      closed = log;
      await log.append({ value: "v" });
      stats = log.stats();
    });
    assert.equal(JSON.parse(JSON.stringify(stats)).total.messages, 1);
    assert.equal(closed!.stats().total.messages, 1);
    assert.equal(closed!.stats().shards[0].state, "closed");
  });
});
