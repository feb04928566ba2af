/** Retention by bytes, records and age, on a simulated machine with a clock that is stepped. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type MemoryVfs, memoryVfs, seededRandom, type SimulatedClock, simulatedClock } from "../../adapters/memory.ts";
import type { DroppedSegment, RetentionOptions } from "../../mod.ts";
import { noCodecs } from "../../src/batch/codecs.ts";
import { LogError } from "../../src/errors.ts";
import type { EmbeddedLog } from "../../src/log/log.ts";
import { openWith } from "../../src/log/open.ts";
import { beyondLimits, isTooOld } from "../../src/retention/choose.ts";
import { resolveRetention } from "../../src/retention/retention_options.ts";
import { until } from "../helpers.ts";

interface Machine {
  readonly vfs: MemoryVfs;
  readonly clock: SimulatedClock;
  open(retention?: RetentionOptions): Promise<EmbeddedLog>;
  bases(): number[];
}

function machine(): Machine {
  const clock = simulatedClock();
  const vfs = memoryVfs({ now: () => clock.now() });
  const engine = { vfs, clock, random: seededRandom(7).fill, codecs: noCodecs };
  return {
    vfs,
    clock,
    open: (retention) =>
      openWith(engine, "/d/log", {
        topic: "t",
        segmentBytes: 1024,
        flushIntervalMs: Infinity,
        ...(retention === undefined ? {} : { retention }),
      }),
    bases: () =>
      [...vfs.readDirectory("/d/log/t-0", (name) => name.endsWith(".log")).keys()].map((name) => parseInt(name)),
  };
}

/** Each record fills about a third of a segment. */
async function fill(log: EmbeddedLog, count: number, timestamp?: number): Promise<void> {
  const shard = log.shard(0);
  for (let left = count; left > 0; left--) {
    shard.tryAppend({ value: "x".repeat(300), ...(timestamp === undefined ? {} : { timestamp }) });
    await shard.flush("disk");
  }
}

/** Whatever was begun comes to its end. */
const rest = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

describe("retention", () => {
  it("keeps what the limits on bytes and records ask for, and less than a segment more", async () => {
    for (const retention of [{ maxBytes: 3000 }, { maxRecords: 8 }]) {
      const { open, bases, vfs } = machine();
      const log = await open(retention);
      await fill(log, 40);
      await rest();
      const { earliest, nextOffset } = log.shard(0);
      assert.equal(earliest, bases()[0]);
      const kept = nextOffset - bases()[1];
      const bytes = [...vfs.readDirectory("/d/log/t-0", (name) => name.endsWith(".log")).values()];
      const sum = bytes.reduce((sum, file) => sum + file.length, 0);
      if ("maxBytes" in retention) assert.ok(sum >= 3000 && sum - bytes[0].length < 3000, String(sum));
      else assert.ok(nextOffset - earliest >= 8 && kept < 8 + 2, `${earliest} ${kept}`);
      await log.close();
    }
  });

  it("drops by age at most one segment a check, however far the clock jumps [fault 43]", async () => {
    const { open, bases, clock } = machine();
    const log = await open({ maxAgeMs: 10_000, checkIntervalMs: 1000 });
    await fill(log, 20);
    await rest();
    const before = bases().length;
    assert.ok(before > 5);
    clock.jump(1_000_000_000);
    for (let check = 1; check <= before - 1; check++) {
      clock.advance(1000);
      await rest();
      assert.equal(bases().length, before - check);
    }
    // The one that is written to stays.
    clock.advance(5000);
    await rest();
    assert.equal(bases().length, 1);
    await log.close();
  });

  it("takes the file's time where a timestamp lies in the future, and the timestamp where that is older", async () => {
    const { open, bases, clock } = machine();
    const log = await open({ maxAgeMs: 10_000, checkIntervalMs: 1000 });
    await fill(log, 4, 9_000_000_000_000);
    const future = bases().length;
    assert.equal(future, 2);
    clock.advance(12_000);
    await rest();
    assert.equal(bases().length, 1);
    // Written now, with timestamps of long ago.
    await fill(log, 6, 1);
    await rest();
    assert.ok(bases().length <= 2, String(bases()));
    await log.close();
  });

  it("tells a segment's age from its batches where there is no index", async () => {
    const { open, bases, clock, vfs } = machine();
    const first = await open();
    await fill(first, 12);
    await first.close();
    for (const path of vfs.paths()) if (path.endsWith(".idx")) vfs.removeWhole(path);
    const count = bases().length;
    clock.advance(5000);
    const log = await open({ maxAgeMs: 10_000, checkIntervalMs: 1000 });
    await rest();
    assert.equal(bases().length, count);
    clock.advance(6000);
    await rest();
    assert.ok(bases().length < count);
    await log.close();
  });

  it("lets beforeDrop see each segment while it is there, and keeps it where that fails", async () => {
    const { open, bases, clock, vfs } = machine();
    const seen: DroppedSegment[] = [];
    const told: unknown[] = [];
    let fails = true;
    const log = await open({
      maxRecords: 5,
      checkIntervalMs: 1000,
      beforeDrop: async (segment) => {
        await Promise.resolve();
        assert.equal(vfs.readWhole(segment.path).length, segment.bytes);
        if (fails) throw new Error("no room in the archive");
        seen.push(segment);
      },
      onError: (error) => told.push(error),
    });
    await fill(log, 20);
    await rest();
    const all = bases();
    assert.equal(log.shard(0).earliest, 0);
    assert.match(String(told[0]), /no room in the archive/);
    fails = false;
    clock.advance(1000);
    await rest();
    assert.deepEqual(seen.map((segment) => segment.baseOffset), all.slice(0, seen.length));
    assert.deepEqual(bases(), all.slice(seen.length));
    assert.ok(seen.length > 2);
    assert.equal(seen.at(-1)!.nextOffset, log.shard(0).earliest);
    // What trimBefore drops is seen, too, and only once.
    const earlier = seen.length;
    await log.shard(0).trimBefore(20);
    await rest();
    assert.deepEqual(seen.slice(earlier).map((segment) => segment.baseOffset), all.slice(earlier, -1));
    assert.equal(bases().length, 1);
    await log.close();
  });

  it("never waits for beforeDrop, neither to append nor to trim nor to close", async () => {
    const { open, bases } = machine();
    const log = await open({ maxRecords: 1, beforeDrop: () => new Promise(() => {}) });
    await fill(log, 20);
    assert.equal(log.shard(0).synced, 20);
    assert.equal(await log.shard(0).trimBefore(18), 18);
    assert.equal(bases()[0], 0);
    await log.close();
    const again = await open();
    assert.equal(again.recovery[0].verdict, "clean");
    assert.equal(again.shard(0).earliest, 18);
    assert.equal(bases().length, 1);
    await again.close();
  });

  it("goes on at the next check where a file cannot be removed", async () => {
    const { open, bases, clock, vfs } = machine();
    const told: unknown[] = [];
    const log = await open({ maxRecords: 4, checkIntervalMs: 1000, onError: (error) => told.push(error) });
    vfs.plan({ operation: { kind: "remove", path: /\.log$/ }, fault: { kind: "errorBefore" } });
    await fill(log, 16);
    await rest();
    assert.ok(told[0] instanceof LogError && told[0].code === "IO", String(told[0]));
    clock.advance(1000);
    await rest();
    assert.equal(bases()[0], log.shard(0).earliest);
    assert.equal(log.shard(0).state, "open");
    await log.close();
  });

  it("sets its timer only while time can make something due", async () => {
    const { open, clock } = machine();
    const log = await open({ maxAgeMs: 10_000, checkIntervalMs: 1000 });
    await rest();
    assert.equal(clock.timersPending, 0);
    await fill(log, 5);
    await rest();
    assert.equal(clock.timersPending, 1);
    await log.close();
    assert.equal(clock.timersPending, 0);
    const without = await open();
    await fill(without, 5);
    await rest();
    assert.equal(clock.timersPending, 0);
    await without.close();
  });

  it("goes on in the life after a crash", async () => {
    const { open, bases } = machine();
    const log = await open({ maxRecords: 6 });
    await fill(log, 30);
    await until(() => bases()[0] === log.shard(0).earliest, "removed");
    const { earliest } = log.shard(0);
    await log.close();
    const again = await open();
    assert.equal(again.shard(0).earliest, earliest);
    await again.close();
  });

  it("checks its options", () => {
    for (
      const bad of [{ maxBytes: 0 }, { maxAgeMs: 1.5 }, { maxRecords: -1 }, { checkIntervalMs: 9 }, { maxBytes: NaN }]
    ) {
      assert.throws(() => resolveRetention(bad), RangeError);
    }
    assert.throws(() => resolveRetention({ beforeDrop: 1 as unknown as () => void }), TypeError);
    assert.throws(() => resolveRetention(1 as unknown as RetentionOptions), TypeError);
  });
});

describe("what is beyond the limits", () => {
  const segments = [0, 10, 20, 30].map((base) => ({ base, bytes: 100 }));
  const limits = { maxBytes: Infinity, maxRecords: Infinity };
  it("leaves at least as much as they say", () => {
    assert.equal(beyondLimits(segments, 40, { ...limits, maxBytes: 300 }, 3), 1);
    assert.equal(beyondLimits(segments, 40, { ...limits, maxBytes: 301 }, 3), 0);
    assert.equal(beyondLimits(segments, 40, { ...limits, maxBytes: 1 }, 3), 3);
    assert.equal(beyondLimits(segments, 40, { ...limits, maxBytes: 1 }, 2), 2);
    assert.equal(beyondLimits(segments, 40, { ...limits, maxRecords: 20 }, 3), 2);
    assert.equal(beyondLimits(segments, 40, limits, 3), 0);
  });
  it("counts the older of timestamp and file time", () => {
    assert.equal(isTooOld(100, 1000, 1200, 1000), true);
    assert.equal(isTooOld(9999, 100, 1200, 1000), true);
    assert.equal(isTooOld(-1, 1000, 1200, 1000), false);
    assert.equal(isTooOld(200, 200, 1200, 1000), false);
  });
});
