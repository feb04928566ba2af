/** Retention against a plain model in memory: appends, rolls, trims, limits, a clock that is stepped and jumps, reopening, reads. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type MemoryVfs, memoryVfs, seededRandom, type SimulatedClock, simulatedClock } from "../../adapters/memory.ts";
import { noCodecs } from "../../src/batch/codecs.ts";
import { LogError } from "../../src/errors.ts";
import type { EmbeddedLog } from "../../src/log/log.ts";
import { openWith } from "../../src/log/open.ts";
import type { RetentionOptions } from "../../mod.ts";
import { share } from "../fixtures/share.ts";
import { collect, fails } from "../helpers.ts";

const RUNS = share(150);
const CHECK_MS = 1000;

type Step =
  | { readonly do: "append"; readonly count: number; readonly size: number; readonly age: number }
  | { readonly do: "trim"; readonly share: number }
  | { readonly do: "clock"; readonly ms: number }
  | { readonly do: "reopen"; readonly isKilled: boolean }
  | { readonly do: "read"; readonly from: number; readonly limit: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("append" as const),
      count: fc.integer({ min: 1, max: 12 }),
      size: fc.nat(300),
      age: fc.nat(4000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("trim" as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("clock" as const), ms: fc.integer({ min: -5000, max: 20_000 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("reopen" as const), isKilled: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("read" as const), from: fc.nat(200), limit: fc.nat(40) }) },
);

const limits: fc.Arbitrary<RetentionOptions> = fc.record({
  maxBytes: fc.option(fc.integer({ min: 1, max: 6000 }), { nil: Infinity }),
  maxRecords: fc.option(fc.integer({ min: 1, max: 60 }), { nil: Infinity }),
  maxAgeMs: fc.option(fc.integer({ min: 1, max: 10_000 }), { nil: Infinity }),
});

/** What is begun beside the calls comes to its end: nothing here needs more than microtasks and a turn of the event loop. */
const rest = async (): Promise<void> => {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
};

interface Segment {
  base: number;
  bytes: number;
  maxTimestamp: number;
  modified: number;
}

/** The log as it has to be. */
class Model {
  readonly values: string[] = [];
  readonly timestamps: number[] = [];
  start = 0;
  readonly retention: RetentionOptions;

  constructor(retention: RetentionOptions) {
    this.retention = retention;
  }

  /** The files say where segments begin; what is in them, and how old they are, the model knows. */
  segments(files: ReadonlyMap<number, number>, modified: ReadonlyMap<number, number>): Segment[] {
    const bases = [...files.keys()];
    return bases.map((base, i) => ({
      base,
      bytes: files.get(base)!,
      maxTimestamp: Math.max(-1, ...this.timestamps.slice(base, bases[i + 1] ?? this.values.length)),
      modified: modified.get(base)!,
    }));
  }

  /** No finished segment is there that the limits did not ask for when the last one was finished: that is when they are looked at. */
  check(segments: readonly Segment[]): void {
    const { maxBytes = Infinity, maxRecords = Infinity } = this.retention;
    const end = segments.at(-1)?.base ?? 0;
    for (const i of segments.slice(0, -1).keys()) {
      const bytes = segments.slice(i + 1, -1).reduce((sum, segment) => sum + segment.bytes, 0);
      assert.ok(bytes < maxBytes, `segment ${segments[i].base} is there, although ${bytes} bytes lie behind it`);
      const records = end - segments[i + 1].base;
      assert.ok(
        records < maxRecords,
        `segment ${segments[i].base} is there, although ${records} records lie behind it`,
      );
    }
  }

  /** What limits on bytes and records have left must be enough. */
  checkEnough(segments: readonly Segment[]): void {
    const { maxBytes = Infinity, maxRecords = Infinity, maxAgeMs = Infinity } = this.retention;
    if (maxAgeMs < Infinity) return;
    const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
    const records = this.values.length - (segments[0]?.base ?? 0);
    assert.ok(bytes >= maxBytes || records >= maxRecords, `only ${bytes} bytes and ${records} records are left`);
  }
}

class Machine {
  vfs: MemoryVfs;
  readonly clock: SimulatedClock = simulatedClock();
  constructor() {
    this.vfs = memoryVfs({ now: () => this.clock.now() });
  }

  open(retention: RetentionOptions): Promise<EmbeddedLog> {
    const engine = { vfs: this.vfs, clock: this.clock, random: seededRandom(7).fill, codecs: noCodecs };
    const options = { topic: "t", segmentBytes: 1024, batchBytes: 400, flushIntervalMs: Infinity };
    return openWith(engine, "/d/log", { ...options, retention: { ...retention, checkIntervalMs: CHECK_MS } });
  }

  /** Sizes of the segments by their offsets. */
  files(): Map<number, number> {
    const found = this.vfs.readDirectory("/d/log/t-0", (name) => name.endsWith(".log"));
    return new Map([...found].map(([name, bytes]) => [parseInt(name), bytes.length]));
  }

  async modified(): Promise<Map<number, number>> {
    const times = new Map<number, number>();
    for (const base of this.files().keys()) {
      times.set(base, await this.vfs.modified(`/d/log/t-0/${String(base).padStart(20, "0")}.log`));
    }
    return times;
  }
}

async function run(retention: RetentionOptions, steps: readonly Step[]): Promise<number> {
  const machine = new Machine();
  const model = new Model(retention);
  const { maxAgeMs = Infinity, maxBytes = Infinity, maxRecords = Infinity } = retention;
  let log = await machine.open(retention);
  let dropped = 0;
  /** Compares the shard with the model; `trimmed` is what was asked for by hand. */
  const compare = async (trimmed: number): Promise<void> => {
    await rest();
    const shard = log.shard(0);
    const { earliest } = shard;
    assert.equal(shard.nextOffset, model.values.length);
    assert.ok(earliest >= model.start && earliest >= trimmed && earliest <= shard.nextOffset, `log start ${earliest}`);
    const files = machine.files();
    const bases = [...files.keys()];
    const byItself = earliest > Math.max(model.start, trimmed);
    if (byItself) {
      assert.ok(bases.includes(earliest), `retention moved the log start to ${earliest}, where no segment begins`);
      assert.ok(Math.min(maxAgeMs, maxBytes, maxRecords) < Infinity, "nothing may be dropped without a limit");
      dropped++;
      model.checkEnough(model.segments(files, await machine.modified()));
    }
    // The segment with the log start is the first one, and the last one always stays.
    assert.ok(
      bases.length === 0 || bases.length === 1 || (bases[0] <= earliest && bases[1] > earliest),
      `${bases} at ${earliest}`,
    );
    model.start = earliest;
    const segments = model.segments(files, await machine.modified());
    if (shard.synced === shard.nextOffset) model.check(segments);
    // All that is there can be read, and nothing else.
    const records = await collect(log.read({ shard: 0 }));
    assert.deepEqual(records.map((record) => record.text()), model.values.slice(earliest));
    assert.equal(records[0]?.offset ?? earliest, earliest);
  };
  await compare(0);
  for (const one of steps) {
    let trimmed = model.start;
    if (one.do === "append") {
      for (let left = one.count; left > 0; left--) {
        const value = `${model.values.length}:`.padEnd(one.size, "x");
        const timestamp = Math.max(0, machine.clock.now() - one.age);
        log.shard(0).tryAppend({ value, timestamp });
        model.values.push(value);
        model.timestamps.push(timestamp);
        await log.flush("disk");
      }
    } else if (one.do === "trim") {
      trimmed = model.start + Math.floor((model.values.length - model.start) * one.share);
      assert.ok(await log.shard(0).trimBefore(trimmed) >= trimmed);
    } else if (one.do === "clock") {
      const before = machine.files().size;
      const had = model.segments(machine.files(), await machine.modified());
      if (one.ms < CHECK_MS) machine.clock.jump(one.ms);
      else {
        machine.clock.jump(one.ms - CHECK_MS);
        machine.clock.advance(CHECK_MS);
      }
      await rest();
      const after = machine.files().size;
      const byAgeOnly = maxBytes === Infinity && maxRecords === Infinity;
      assert.ok(!byAgeOnly || before - after <= 1, "age alone drops one segment a check");
      if (byAgeOnly && one.ms >= CHECK_MS && maxAgeMs < Infinity && before > 1) {
        const { maxTimestamp, modified } = had[0];
        const isOld = machine.clock.now() - Math.min(maxTimestamp < 0 ? modified : maxTimestamp, modified) > maxAgeMs;
        assert.equal(before - after, isOld ? 1 : 0, `the oldest segment is ${isOld ? "" : "not "}too old`);
      }
    } else if (one.do === "reopen") {
      if (!one.isKilled) await log.close();
      else {
        machine.vfs = machine.vfs.crash("process");
        await log.close().catch(() => {});
        machine.clock.clearTimers();
      }
      log = await machine.open(retention);
    } else {
      const from = one.from;
      const options = { shard: 0, from, limit: one.limit + 1 };
      if (from < model.start || from > model.values.length) {
        const error = await fails("OFFSET_OUT_OF_RANGE", () => collect(log.read(options)));
        assert.ok(error instanceof LogError);
        assert.deepEqual(error.range, [model.start, model.values.length]);
      } else {
        const read = await collect(log.read(options));
        assert.deepEqual(read.map((record) => record.text()), model.values.slice(from, from + one.limit + 1));
      }
    }
    await compare(trimmed);
  }
  await log.close();
  return dropped;
}

describe("retention against a model", () => {
  it("keeps what limits and trims ask for, drops the rest, and reads exactly what is left", async () => {
    let dropped = 0;
    await fc.assert(
      fc.asyncProperty(limits, fc.array(step, { minLength: 5, maxLength: 30 }), async (retention, steps) => {
        dropped += await run(retention, steps);
      }),
      { numRuns: RUNS },
    );
    assert.ok(dropped > RUNS / 2, `retention dropped something in only ${dropped} steps`);
  });
});
