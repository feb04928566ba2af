/** Retention beside what else a log keeps: consumers in this thread and in workers, producers in workers, backups. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { memoryVfs, seededRandom, simulatedClock } from "../../adapters/memory.ts";
import { BACKPRESSURE, backupLog, type GapEvent, type Log } from "../../mod.ts";
import { connectProducer } from "../../producer.ts";
import { noCodecs } from "../../src/batch/codecs.ts";
import { openWith } from "../../src/log/open.ts";
import { useWorkers } from "../consumers/workers.ts";
import { collect, fails, namesIn, outcomeOf, reopen, take, useDirectory, useLog } from "../helpers.ts";

const OPTIONS = { topic: "log", segmentBytes: 1024, flushIntervalMs: Infinity };

async function fill(log: Log, count: number, key = "alice"): Promise<void> {
  const shard = log.shard(0);
  for (let left = count; left > 0; left--) {
    take(shard, { key, value: "x".repeat(100) });
    await shard.flush();
  }
}

describe("retention, and consumers", () => {
  it("ends a loop whose next record was dropped, or tells onGap and goes on [fault 55]", () =>
    useLog(OPTIONS, async (log) => {
      await fill(log, 30);
      const reader = log.consumer("c", { follow: false });
      for await (const record of reader) {
        if (record.offset < 4) continue;
        await reader.commit(record);
        break;
      }
      await log.shard(0).trimBefore(20);
      const { total, shards } = await reader.lag();
      assert.deepEqual([total, shards[0].committed], [10, 5]);
      const error = await fails("OFFSET_OUT_OF_RANGE", async () => {
        for await (const _ of reader);
      });
      assert.deepEqual(error.range, [20, 30]);
      assert.match(error.message, /from offset 5: what stood in front of 20 was dropped; pass onGap/);
      await reader.close();
      const gaps: GapEvent[] = [];
      const seen: number[] = [];
      const second = log.consumer("c", { follow: false, onGap: (gap) => gaps.push(gap) });
      for await (const record of second) seen.push(record.offset);
      await second.commit();
      assert.deepEqual(gaps.map(({ shard, from, to }) => [shard, from, to]), [[0, 5, 19]]);
      assert.deepEqual(seen, [20, 21, 22, 23, 24, 25, 26, 27, 28, 29]);
      assert.deepEqual([...second.committed], [[0, 30]]);
      await second.close();
    }));

  it("ends the loop of a member in a worker in the same way, and counts what is left for it [fault 55]", () =>
    useLog(OPTIONS, (log) =>
      useWorkers(async (start) => {
        await fill(log, 30);
        const first = log.consumer("c");
        for await (const record of first) {
          await first.commit(record);
          if (record.offset === 1) break;
        }
        await first.close();
        await log.shard(0).trimBefore(25);
        const worker = start(log.consumerHandle("c"), { follow: false });
        await worker.until((said) => said.length > 0);
        assert.deepEqual(worker.said, [{ is: "failed", code: "OFFSET_OUT_OF_RANGE" }]);
        const [{ shards }] = await log.consumers();
        assert.deepEqual([shards[0].committed, shards[0].lag], [2, 5]);
        // One that is in the middle of it finds out as well.
        const reading = start(log.consumerHandle("d", { from: "earliest" }), { hangAfter: 2 });
        await reading.until((said) => said.some(({ is }) => is === "hanging"));
        await fill(log, 60);
        await log.shard(0).trimBefore(88);
        reading.release();
        await reading.until((said) => said.at(-1)?.is === "failed");
        assert.equal(reading.said.at(-1)!.code, "OFFSET_OUT_OF_RANGE");
        const offsets = reading.delivered().map(({ offset }) => offset);
        offsets.forEach((offset, i) => assert.equal(offset, 25 + i));
      })));
});

describe("minFreeBytes, and producers in other threads", () => {
  it("refuses them in the same way, writes what they gave, and lets them go on [fault 8]", async () => {
    const MIB = 1024 * 1024;
    const clock = simulatedClock();
    const vfs = memoryVfs({ capacityBytes: 4 * MIB });
    const engine = { vfs, clock, random: seededRandom(7).fill, codecs: noCodecs };
    const log = await openWith(engine, "/d/log", { topic: "t", minFreeBytes: MIB, flushIntervalMs: Infinity });
    const value = new Uint8Array(1000);
    const producer = connectProducer(log.producer({ bufferBytes: 262_144 }));
    let taken = 0;
    const error = await fails("DISK_FULL", async () => {
      for (;;) {
        assert.notEqual(producer.tryAppend({ value }), BACKPRESSURE);
        if (++taken % 20 === 0) await producer.flush();
      }
    });
    assert.match(error.message, /minFreeBytes asks for.*goes on by itself/);
    await producer.flush("disk");
    assert.equal(log.shard(0).synced, taken);
    assert.ok(taken > 2000 && await vfs.freeBytes("/d") > 0.7 * MIB, String(taken));
    const room = producer.writable();
    assert.equal(await outcomeOf(room), "pending");
    // One that comes while it lasts is told as well.
    const late = connectProducer(log.producer({ bufferBytes: 262_144 }));
    clock.advance(1000);
    await outcomeOf(room);
    await fails("DISK_FULL", () => late.tryAppend({ value }));
    vfs.capacityBytes = 8 * MIB;
    clock.advance(1000);
    await room;
    assert.notEqual(producer.tryAppend({ value }), BACKPRESSURE);
    await producer.close();
    await late.close();
    assert.equal(log.shard(0).written, taken + 1);
    await log.close();
  });
});

describe("a backup of a log with trims, consumers and producers", () => {
  it("has what they know, and leaves out what is of this run only", () =>
    useDirectory(async (directory) => {
      const [source, copy] = [join(directory, "log"), join(directory, "copy")];
      const options = { ...OPTIONS, flushIntervalMs: 0, userStride: 2 };
      const expected = await reopen(source, options, async (log) => {
        const names = await log.idempotentProducer("lines");
        for (let n = 0; n < 10; n++) await names.append([{ key: "alice", value: `${n}`.padEnd(200, ".") }]);
        await fill(log, 20, "bob");
        const consumer = log.consumer("mailer", { follow: false });
        for await (const record of consumer) {
          if (record.offset < 17) continue;
          await consumer.commit(record);
          break;
        }
        await log.trimUser("alice", 7);
        await log.shard(0).trimBefore(5);
        for (const name of ["trims.tmp", "00000000000000000003.snapshot.new"]) {
          writeFileSync(join(source, "log-0", name), "half");
        }
        await log.backup(copy);
        await fill(log, 5);
        await consumer.close();
        return { alice: (await collect(log.user("alice").read())).map(({ offset }) => offset).filter((n) => n < 30) };
      });
      const all = [...namesIn(copy), ...namesIn(`${copy}/log-0`)];
      assert.ok(all.includes("trims") && all.some((name) => name.endsWith(".snapshot")), all.join());
      assert.ok(all.some((name) => name.startsWith("cursor-mailer-")), all.join());
      const strangers = all.filter((name) => /\.(tmp|new|lock|owner)$|^users-/.test(name));
      assert.deepEqual(strangers, []);
      await reopen(copy, options, async (log) => {
        assert.equal(log.recovery[0].verdict, "clean");
        assert.deepEqual([log.shard(0).earliest, log.shard(0).nextOffset], [5, 30]);
        const [{ name, shards, total }] = await log.consumers();
        assert.deepEqual([name, shards[0].committed, total], ["mailer", 18, 12]);
        assert.deepEqual((await collect(log.user("alice").read())).map(({ offset }) => offset), expected.alice);
        assert.deepEqual(expected.alice, [7, 8, 9]);
        assert.equal(await log.user("alice").count(), 3);
        const names = await log.idempotentProducer("lines");
        assert.equal(names.nextSequence, 10);
        assert.equal(names.lastOffset, 9);
        const again = await names.append([{ key: "alice", value: "9".padEnd(200, ".") }], { sequence: 9 });
        assert.equal(again.offset, 9);
      });
      // Of a log that nobody has open it is the same.
      await backupLog(source, `${copy}2`);
      await reopen(`${copy}2`, options, async (log) => {
        assert.deepEqual((await log.consumers())[0].shards[0].committed, 18);
        assert.equal((await log.idempotentProducer("lines")).nextSequence, 10);
        assert.equal((await collect(log.user("alice").read()))[0].offset, 7);
      });
    }));
});
