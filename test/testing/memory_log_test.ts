/** The log in memory: it is the real one, its time stands still, it crashes on command and repeats itself from a seed. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LogError as RealLogError } from "../../mod.ts";
import {
  BACKPRESSURE,
  CrashError,
  type CrashKind,
  type LogRecord,
  type MemoryLog,
  openMemoryLog,
  steppedClock,
} from "../../testing.ts";

async function texts(records: AsyncIterable<LogRecord>): Promise<(string | null)[]> {
  const all: (string | null)[] = [];
  for await (const record of records) all.push(record.text());
  return all;
}

/** What became of it by now: `pending` where it takes more than `turns` microtasks. */
async function outcomeOf(promise: Promise<unknown>, turns = 500): Promise<string> {
  let outcome = "pending";
  promise.then(
    () => outcome = "resolved",
    (error: unknown) => outcome = error instanceof CrashError ? "crash" : "rejected",
  );
  for (let i = 0; i < turns && outcome === "pending"; i++) await undefined;
  return outcome;
}

describe("a log in memory", () => {
  it("appends, reads, follows and closes like any other", async () => {
    const log = await openMemoryLog({ shards: 2, topic: "chat" });
    assert.equal(log.topic, "chat");
    assert.deepEqual(log.shards.map(({ id, state }) => [id, state]), [[0, "open"], [1, "open"]]);
    const placed = await log.append({ key: "alice", value: "hi", headers: { kind: "text" } });
    assert.equal(placed.shard, log.shardFor("alice").id);
    assert.equal(await log.user("alice").count(), 1);
    assert.equal((await log.user("alice").head())?.text(), "hi");
    const following = texts(log.read({ follow: true }));
    await log.append({ key: "bob", value: "ho" }, { durability: "disk" });
    await log.close();
    assert.deepEqual((await following).sort(), ["hi", "ho"]);
    await assert.rejects(log.append({ value: "late" }), { code: "CLOSED", name: "LogError" });
    const again = await log.reopen();
    assert.deepEqual(again.recovery.map(({ verdict }) => verdict), ["clean", "clean"]);
    assert.equal((await texts(again.read())).length, 2);
    await again.close();
  });

  it("refuses a second writer and lets a reader in", async () => {
    const log = await openMemoryLog();
    await log.append({ value: "hi" });
    await assert.rejects(log.reopen(), { code: "LOCKED" });
    const reader = await log.reopen({ readOnly: true });
    assert.deepEqual(await texts(reader.read()), ["hi"]);
    await assert.rejects(reader.append({ value: "no" }), { code: "READ_ONLY" });
    await reader.close();
    await log.close();
  });

  it("refuses foreign clocks and bad seeds", async () => {
    const clock = { ...steppedClock() };
    await assert.rejects(openMemoryLog({ clock }), TypeError);
    await assert.rejects(openMemoryLog({ seed: 0.5 }), RangeError);
    await assert.rejects(openMemoryLog({ shards: 0 }), RangeError);
    const log = await openMemoryLog();
    await assert.rejects(log.crash("power", NaN), RangeError);
    await assert.rejects(log.crash("fire" as CrashKind), TypeError);
    await log.append({ value: "it is still alive" });
    await log.close();
  });
});

describe("its clock", () => {
  it("lets nothing happen before its time", async () => {
    const clock = steppedClock({ auto: false, startMs: 1000 });
    const log = await openMemoryLog({ clock, flushIntervalMs: 20 });
    const append = log.append({ value: "hi" });
    assert.equal(await outcomeOf(append), "pending");
    await clock.advance(19);
    assert.equal(await outcomeOf(append), "pending");
    await clock.advance(1);
    assert.equal(log.shard(0).written, 1);
    assert.equal(await outcomeOf(append, 10), "resolved");
    for await (const record of log.read()) assert.equal(record.timestamp, 1000);
    assert.deepEqual([clock.now(), clock.monotonic()], [1020, 20]);
    clock.jump(-500);
    assert.deepEqual([clock.now(), clock.monotonic()], [520, 20]);
    await assert.rejects(clock.advance(-1), RangeError);
    await log.close();
  });

  it("passes by itself where only time is missing, and no further than that", async () => {
    const log = await openMemoryLog({ flushIntervalMs: 5000 });
    const start = log.clock.now();
    await log.append({ value: "hi" });
    assert.equal(log.clock.now() - start, 5000);
    log.shard(0).tryAppend({ value: "nobody waits for this" });
    await outcomeOf(new Promise(() => {}), 2000);
    assert.equal(log.clock.now() - start, 5000);
    await log.close();
  });

  it("gives up where time ends no wait", async () => {
    const log = await openMemoryLog();
    const reader = await log.reopen({ readOnly: true });
    const next = reader.read({ follow: true }).next();
    // A follower of another writer looks at the anchor every 10 ms, for ever.
    await new Promise((resolve) => setTimeout(resolve, 0));
    assert.equal(await outcomeOf(next), "pending");
    const again = await log.crash("process");
    assert.equal(await outcomeOf(next), "crash");
    await again.close();
  });
});

describe("a crash", () => {
  for (const kind of ["process", "power"] as const) {
    it(`of the ${kind} rejects everything that waits, at once and without a warning to nobody`, async () => {
      const log = await openMemoryLog({ maxBufferPerShard: 1024, flushIntervalMs: Infinity });
      const shard = log.shard(0);
      const follower = log.read({ from: "latest", follow: true });
      const user = log.user("alice").read({ follow: true });
      let offset = 0;
      for (let taken = shard.tryAppend({ value: "x".repeat(100) }); taken !== BACKPRESSURE;) {
        offset = taken;
        taken = shard.tryAppend({ value: "x".repeat(100) });
      }
      const waiting = [
        log.append({ value: "x".repeat(100) }),
        shard.acknowledged(offset),
        shard.writable(),
        shard.flush("disk"),
        log.flush(),
        follower.next(),
        user.next(),
        log.close(),
      ];
      void log.append({ value: "nobody waits for this one" });
      const reopening = log.crash(kind);
      for (const promise of waiting) assert.equal(await outcomeOf(promise, 10), "crash");
      const again = await reopening;
      const late: (() => Promise<unknown>)[] = [
        () => log.append({ value: "late" }),
        () => log.close(),
        () => log.flush(),
        () => shard.flush(),
        () => follower.next(),
        () => log.crash(kind),
      ];
      for (const call of late) await assert.rejects(call(), CrashError);
      assert.throws(() => shard.tryAppend({ value: "late" }), CrashError);
      assert.throws(() => log.read(), CrashError);
      assert.throws(() => log.plan({ fault: "stop" }), CrashError);
      assert.deepEqual([shard.state, shard.nextOffset], ["closed", offset + 1]);
      await follower.return?.();
      await log[Symbol.asyncDispose]();
      assert.equal(again.shard(0).state, "open");
      await again.close();
    });
  }

  it("is a LogError of the package, with code CLOSED", async () => {
    const log = await openMemoryLog();
    const append = log.append({ value: "hi" });
    const again = await log.crash("power");
    const error: unknown = await append.catch((reason: unknown) => reason);
    assert.ok(error instanceof RealLogError && error instanceof CrashError);
    assert.deepEqual([error.code, error.name], ["CLOSED", "CrashError"]);
    await again.close();
  });

  it("of the process keeps what was acknowledged on either rung, a power loss what was synced", async () => {
    let lost = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const log = await openMemoryLog({ seed });
      await log.append({ value: "synced" }, { durability: "disk" });
      await log.append({ value: "written" });
      const second = await log.crash("process");
      assert.deepEqual(await texts(second.read()), ["synced", "written"], `seed ${seed}`);
      await second.append({ value: "written too" });
      const third = await second.crash("power");
      const left = await texts(third.read());
      assert.deepEqual(left, ["synced", "written", "written too"].slice(0, left.length), `seed ${seed}`);
      assert.ok(left.length >= 1, `seed ${seed}`);
      if (left.length < 3) lost++;
      await third.close();
    }
    assert.ok(lost > 0 && lost < 60, `${lost} of 60 power losses took something`);
  });

  it("at any operation of append, flush and close keeps every promise", async () => {
    const verdicts = new Set<string>();
    let points = 0;
    for (let nth = 1;; nth++) {
      const log: MemoryLog = await openMemoryLog({ seed: nth, durability: "disk", faults: [{ fault: "stop", nth }] });
      const kept: string[] = [];
      const program = async () => {
        for (const value of ["a", "b"]) kept.push((await log.append({ value }), value));
        log.shard(0).tryAppend({ value: "c" });
        await log.flush();
        kept.push("c");
        log.shard(0).tryAppend({ value: "d" });
        await log.close();
        kept.push("d");
      };
      const ended = await program().then(() => "done", (error: unknown) => error);
      if (ended === "done") break;
      assert.ok(ended instanceof CrashError, `nth ${nth}: ${String(ended)}`);
      points++;
      const again = await log.crash("power");
      verdicts.add(again.recovery[0].verdict);
      const found = await texts(again.read());
      assert.deepEqual(found.slice(0, kept.length), kept, `nth ${nth}`);
      assert.deepEqual(found, ["a", "b", "c", "d"].slice(0, found.length), `nth ${nth}`);
      await again.close();
    }
    assert.ok(points > 20, `only ${points} points`);
    assert.ok(verdicts.has("torn") && verdicts.has("clean"), [...verdicts].join());
  });

  it("boots anew with each power loss, also with the same seed for all of them", async () => {
    for (let seed = 1; seed <= 50; seed++) {
      let log = await openMemoryLog({ seed, flushIntervalMs: Infinity });
      for (let loss = 0; loss < 4; loss++) {
        log.shard(0).tryAppend({ value: "synced" });
        await log.flush("disk");
        log.shard(0).tryAppend({ value: "written" });
        await log.flush("os");
        log = await log.crash("power", seed);
        assert.ok((await texts(log.read())).filter((text) => text === "synced").length === loss + 1);
      }
      await log.close();
    }
  });

  it("repeats itself from its seeds", async () => {
    const run = async (seed: number, crashSeed?: number): Promise<string> => {
      const log = await openMemoryLog({ seed, shards: 2, segmentBytes: 1024, batchBytes: 256 });
      const ends: number[] = [];
      for (let i = 0; i < 40; i++) log.shard(i % 2).tryAppend({ value: `${i}`.repeat(20), timestamp: i });
      await log.shard(0).flush();
      void log.shard(1).flush().catch(() => {});
      await log.append({ key: "k", value: "v" });
      const again = await log.crash("power", crashSeed);
      for (const shard of again.shards) ends.push(shard.written);
      const seen = JSON.stringify([log.operations, ends, again.recovery, again.operations, await texts(again.read())]);
      await again.close();
      return seen;
    };
    const outcomes = new Set<string>();
    for (let seed = 1; seed <= 10; seed++) {
      const first = await run(seed);
      assert.equal(await run(seed), first, `seed ${seed}`);
      outcomes.add(first);
    }
    assert.ok(outcomes.size > 5, `${outcomes.size} different outcomes of 10 seeds`);
    const byCrashSeed = new Set<string>();
    for (let seed = 1; seed <= 10; seed++) byCrashSeed.add(await run(7, seed));
    assert.ok(byCrashSeed.size > 3, `${byCrashSeed.size} different outcomes of 10 crash seeds`);
    assert.equal(await run(7, 3), await run(7, 3));
  });
});
