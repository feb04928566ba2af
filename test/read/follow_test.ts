import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Log, LogRecord } from "../../mod.ts";
import { collect, outcomeOf, take, texts, until, useLog } from "../helpers.ts";

/** Follows in the background and answers what came so far. */
function following(records: AsyncIterable<LogRecord>): { readonly seen: string[]; readonly ended: Promise<void> } {
  const seen: string[] = [];
  const ended = (async () => {
    for await (const record of records) seen.push(record.text()!);
  })();
  ended.catch(() => {});
  return { seen, ended };
}

async function append(log: Log, ...values: string[]): Promise<void> {
  for (const value of values) take(log.shard(0), { value });
  await log.flush();
}

describe("following", () => {
  it("hands out what is there, then what comes", () =>
    useLog({}, async (log) => {
      await append(log, "0", "1");
      const { seen } = following(log.read({ follow: true }));
      await until(() => seen.length === 2, "what is there");
      for (let i = 2; i < 50; i++) {
        await append(log, `${i}`);
        if (i % 10 === 0) await until(() => seen.length === i + 1, `record ${i}`);
      }
      await until(() => seen.length === 50, "everything");
      assert.deepEqual(seen, Array.from({ length: 50 }, (_, i) => `${i}`));
    }));

  it("begins with the first record of an empty log", () =>
    useLog({}, async (log) => {
      const { seen } = following(log.read({ follow: true }));
      await append(log, "first");
      await until(() => seen.length === 1, "the first record");
    }));

  it("goes on across segments", () =>
    useLog({ segmentBytes: 1500, batchBytes: 400 }, async (log) => {
      const { seen } = following(log.read({ follow: true }));
      const expected: string[] = [];
      for (let i = 0; i < 80; i++) {
        expected.push(`${i}`.padEnd(150));
        await append(log, expected[i]);
      }
      await until(() => seen.length === 80, "everything");
      assert.deepEqual(seen, expected);
    }));

  it("from latest sees only what comes after the call, also before the first step", () =>
    useLog({ shards: 2, flushIntervalMs: 0 }, async (log) => {
      await append(log, "old");
      for (let turns = 0; turns < 10; turns++) {
        const records = log.read({ from: "latest", follow: true });
        const step = turns === 0 ? undefined : records.next();
        for (let i = 1; i < turns; i++) await Promise.resolve();
        await append(log, `new ${turns}`);
        assert.equal((await (step ?? records.next())).value.text(), `new ${turns}`);
        await records.return!();
      }
    }));

  it("goes on behind the last records", () =>
    useLog({}, async (log) => {
      await append(log, "0", "1", "2", "3");
      const { seen } = following(log.read({ last: 2, follow: true }));
      await until(() => seen.length === 2, "the last two");
      await append(log, "4");
      await until(() => seen.length === 3, "the new one");
      assert.deepEqual(seen, ["2", "3", "4"]);
    }));

  it("goes on from a time, whichever record has it first", () =>
    useLog({}, async (log) => {
      take(log.shard(0), { value: "old", timestamp: 5 });
      await log.flush();
      const { seen } = following(log.read({ from: new Date(10), follow: true }));
      for (const timestamp of [6, 9, 12, 3]) take(log.shard(0), { value: `${timestamp}`, timestamp });
      await log.flush();
      await until(() => seen.length === 2, "both");
      assert.deepEqual(seen, ["12", "3"]);
    }));

  it("ends with the limit", () =>
    useLog({}, async (log) => {
      const limited = texts(log.read({ follow: true, limit: 3 }));
      await append(log, "0", "1");
      assert.equal(await outcomeOf(limited), "pending");
      await append(log, "2", "3");
      assert.deepEqual(await limited, ["0", "1", "2"]);
    }));

  it("merges what is there by time, and hands out of every shard what comes", () =>
    useLog({ shards: 3 }, async (log) => {
      for (let i = 0; i < 30; i++) take(log.shard(i % 3), { value: `${i}`, timestamp: i });
      await log.flush();
      const { seen } = following(log.read({ follow: true }));
      await until(() => seen.length === 30, "what is there");
      assert.deepEqual(seen, Array.from({ length: 30 }, (_, i) => `${i}`));
      for (let i = 30; i < 60; i++) {
        take(log.shard(i % 3), { value: `${i}`, timestamp: i });
        await log.flush();
        await until(() => seen.length === i + 1, `record ${i}`);
      }
      assert.deepEqual(seen, Array.from({ length: 60 }, (_, i) => `${i}`));
    }));

  it("does not let a busy shard keep the others waiting", () =>
    useLog({ shards: 2, flushIntervalMs: Infinity }, async (log) => {
      const [busy, quiet] = log.shards;
      for (let i = 0; i < 200; i++) take(busy, { value: "busy", timestamp: 1000 + i });
      await busy.flush();
      let steps = 0;
      for await (const record of log.read({ follow: true })) {
        if (record.shard === quiet.id) break;
        if (steps === 100) {
          take(quiet, { value: "quiet", timestamp: 1 });
          await quiet.flush();
        }
        assert.ok(++steps < 1000, "the quiet shard's record never came");
        take(busy, { value: "busy", timestamp: 1000 + busy.nextOffset });
        if (steps % 20 === 0) await busy.flush();
      }
    }));
});

describe("ending to follow", () => {
  it("by a signal rejects with its reason", () =>
    useLog({}, async (log) => {
      await append(log, "0");
      const controller = new AbortController();
      const reason = { why: "enough" };
      const { seen, ended } = following(log.read({ follow: true, signal: controller.signal }));
      await until(() => seen.length === 1, "the record");
      controller.abort(reason);
      await assert.rejects(ended, (error) => error === reason);
    }));

  it("by a signal works at every moment of a step", () =>
    useLog({ shards: 2 }, async (log) => {
      await append(log, "0");
      for (let turns = 0; turns < 40; turns++) {
        const controller = new AbortController();
        const records = log.read({ from: "latest", follow: true, signal: controller.signal });
        const step = records.next();
        for (let i = 0; i < turns; i++) await Promise.resolve();
        controller.abort(new Error(`after ${turns} turns`));
        await assert.rejects(step, new RegExp(`after ${turns} turns`));
        assert.deepEqual(await records.next(), { done: true, value: undefined });
      }
    }));

  it("by a signal that was given before hands out nothing", () =>
    useLog({}, async (log) => {
      await append(log, "0");
      const signal = AbortSignal.abort(new Error("before"));
      for (const follow of [false, true]) await assert.rejects(collect(log.read({ follow, signal })), /before/);
    }));

  it("by leaving the loop ends it", () =>
    useLog({}, async (log) => {
      await append(log, "0");
      for await (const record of log.read({ follow: true })) {
        assert.equal(record.text(), "0");
        break;
      }
    }));

  it("by return ends the step that waits, and all later ones", () =>
    useLog({ shards: 2 }, async (log) => {
      const records = log.read({ follow: true });
      const steps = [records.next(), records.next()];
      assert.equal(await outcomeOf(steps[0]), "pending");
      assert.deepEqual(await records.return!(), { done: true, value: undefined });
      for (const step of steps) assert.deepEqual(await step, { done: true, value: undefined });
      await append(log, "0");
      assert.deepEqual(await records.next(), { done: true, value: undefined });
    }));

  it("by return works at every moment of a step", () =>
    useLog({ shards: 2 }, async (log) => {
      await append(log, "0");
      for (let turns = 0; turns < 40; turns++) {
        const records = log.read({ follow: true });
        const step = records.next();
        for (let i = 0; i < turns; i++) await Promise.resolve();
        await records.return!();
        const { done, value } = await step;
        assert.ok(done || value.text() === "0");
        assert.deepEqual(await records.next(), { done: true, value: undefined });
      }
    }));
});
