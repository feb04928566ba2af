import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemClock } from "../../adapters/system.ts";
import { BatchBuilder, type Clock, type OpenOptions, type TimerHandle } from "../../mod.ts";
import { filled, outcomeOf, reopen, take, texts, until, useDirectory, useLog } from "../helpers.ts";
import { run } from "../runtimes/children.ts";
import { useHeldLog } from "./controlled_vfs.ts";

/** The system's clock, and a count of the timers that are set. */
class CountingClock implements Clock {
  readonly delays: number[] = [];
  readonly #running = new Set<TimerHandle>();

  get running(): number {
    return this.#running.size;
  }

  now(): number {
    return systemClock.now();
  }

  monotonic(): number {
    return systemClock.monotonic();
  }

  setTimer(callback: () => void, delayMs: number): TimerHandle {
    this.delays.push(delayMs);
    const timer = systemClock.setTimer(() => {
      this.#running.delete(timer);
      callback();
    }, delayMs);
    this.#running.add(timer);
    return timer;
  }

  clearTimer(timer: TimerHandle): void {
    this.#running.delete(timer);
    systemClock.clearTimer(timer);
  }
}

/** Options with which only what a test adds triggers a flush. */
const UNTRIGGERED: OpenOptions = { flushIntervalMs: Infinity, stride: 2 ** 30, flushBytes: 64 * 1024 * 1024 };

describe("the flush interval", () => {
  it("flushes a record by itself, 20 ms after it came by default", () => {
    const clock = new CountingClock();
    return useLog({ clock }, async (log) => {
      const started = performance.now();
      take(log.shard(0), { value: "a" });
      assert.equal(log.shard(0).written, 0);
      assert.deepEqual(clock.delays, [20]);
      await log.shard(0).acknowledged(0);
      const elapsed = performance.now() - started;
      assert.ok(elapsed >= 18, `after ${elapsed} ms`);
      assert.deepEqual(await texts(log.read()), ["a"]);
    });
  });

  it("counts from the first record, not from the last", () => {
    const clock = new CountingClock();
    return useLog({ clock, flushIntervalMs: 30 }, async (log) => {
      const started = performance.now();
      while (log.shard(0).written === 0) {
        take(log.shard(0), { value: "x" });
        assert.ok(performance.now() - started < 2000, "never flushed while records keep coming");
        await new Promise((resolve) => setTimeout(resolve, 3));
      }
    });
  });

  it("sets one timer for all shards, and only while a record is unflushed", () => {
    const clock = new CountingClock();
    return useLog({ clock, shards: 4, flushIntervalMs: 60_000 }, async (log) => {
      assert.equal(clock.running, 0);
      for (const shard of log.shards) take(shard, { value: "x" });
      assert.equal(clock.running, 1);
      await log.shard(0).flush();
      assert.equal(clock.running, 1, "the other shards still wait");
      await log.flush();
      assert.equal(clock.running, 0);
      take(log.shard(1), { value: "y" });
      assert.equal(clock.running, 1);
      await log.close();
      assert.equal(clock.running, 0);
    });
  });

  it("of 0 flushes without any timer, and what is appended in one go together", () => {
    const clock = new CountingClock();
    return useLog({ clock, flushIntervalMs: 0 }, async (log) => {
      for (let i = 0; i < 3; i++) take(log.shard(0), { value: `${i}` });
      assert.equal(log.shard(0).written, 0);
      await log.shard(0).acknowledged(2);
      assert.equal(log.shard(0).written, 3);
      assert.deepEqual(clock.delays, []);
    });
  });

  it("of 0 flushes again as soon as the flush before is done", () =>
    useHeldLog({ flushIntervalMs: 0 }, async (log, gate, vfs) => {
      const shard = log.shard(0);
      take(shard, { value: "first" });
      await until(() => vfs.count("write", ".log") === 1, "the first write");
      for (let i = 0; i < 10; i++) take(shard, { value: "more" });
      assert.equal(await outcomeOf(shard.acknowledged(10)), "pending");
      assert.equal(vfs.count("write", ".log"), 1);
      gate.open();
      await shard.acknowledged(10);
      assert.equal(vfs.count("write", ".log"), 2, "what came in the meantime is one write");
    }));

  it("of Infinity leaves a record in memory until it is asked for", () => {
    const clock = new CountingClock();
    return useLog({ clock, flushIntervalMs: Infinity }, async (log) => {
      take(log.shard(0), { value: "x" });
      assert.equal(await outcomeOf(log.shard(0).acknowledged(0)), "pending");
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal(log.shard(0).written, 0);
      assert.equal(await log.shard(0).flush(), 1);
      assert.deepEqual(clock.delays, []);
    });
  });
});

describe("the stride", () => {
  it("triggers a flush with its last record", () =>
    useLog({ ...UNTRIGGERED, stride: 10 }, async (log) => {
      const shard = log.shard(0);
      for (let i = 0; i < 9; i++) take(shard, { value: "x" });
      assert.equal(await outcomeOf(shard.acknowledged(0)), "pending");
      take(shard, { value: "x" });
      await shard.acknowledged(9);
      for (let i = 0; i < 9; i++) take(shard, { value: "x" });
      assert.equal(await outcomeOf(shard.acknowledged(10)), "pending");
      assert.equal(shard.written, 10);
    }));

  it("counts the records of ready-made batches too", () =>
    useLog({ ...UNTRIGGERED, stride: 10 }, async (log) => {
      const builder = new BatchBuilder();
      for (let i = 0; i < 10; i++) builder.add({ value: "x" });
      log.shard(0).tryAppendBatch(builder.finish());
      await log.shard(0).acknowledged(9);
    }));
});

describe("flushBytes", () => {
  it("triggers a flush", () =>
    useLog({ ...UNTRIGGERED, flushBytes: 10_000 }, async (log) => {
      const shard = log.shard(0);
      for (let i = 0; i < 8; i++) take(shard, { value: filled(1000, i) });
      assert.equal(await outcomeOf(shard.acknowledged(0)), "pending");
      for (let i = 0; i < 2; i++) take(shard, { value: filled(1000, i) });
      await shard.acknowledged(9);
    }));
});

describe("a process with an open log", () => {
  const lives = [
    { deed: "nothing", flushIntervalMs: 20_000, written: 0, atLeastMs: 0, atMostMs: 10_000 },
    { deed: "append", flushIntervalMs: 300, written: 1, atLeastMs: 250, atMostMs: 10_000 },
    { deed: "append", flushIntervalMs: 0, written: 1, atLeastMs: 0, atMostMs: 10_000 },
    { deed: "append and flush", flushIntervalMs: 20_000, written: 1, atLeastMs: 0, atMostMs: 10_000 },
    { deed: "append and close", flushIntervalMs: 20_000, written: 1, atLeastMs: 0, atMostMs: 10_000 },
    { deed: "leave a follower", flushIntervalMs: 20_000, written: 0, atLeastMs: 0, atMostMs: 10_000 },
  ];
  for (const { deed, flushIntervalMs, written, atLeastMs, atMostMs } of lives) {
    const ends = written > 0 ? "ends once the record is written" : "ends at once";
    it(`${ends}: ${deed}, flush interval ${flushIntervalMs} ms`, () =>
      useDirectory(async (directory) => {
        type Report = { aliveMs: number; written: number };
        const report = await run<Report>("lifetime.ts", { directory, deed, flushIntervalMs });
        assert.equal(report.written, written);
        assert.ok(report.aliveMs >= atLeastMs && report.aliveMs <= atMostMs, `lived on for ${report.aliveMs} ms`);
        await reopen(directory, {}, async (log) => {
          assert.deepEqual(await texts(log.read()), written > 0 ? ["kept"] : []);
        });
      }));
  }
});
