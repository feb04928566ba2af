import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Log, OpenOptions, ReadOptions } from "../../mod.ts";
import { announceSeed, makeRandom } from "../fixtures/seed.ts";
import { collect, fails, plain, reopen, take, texts, useDirectory, useLog } from "../helpers.ts";
import { type Appended, expectedOf, fillLog, summary } from "./brute_force.ts";

const seed = announceSeed("read");
/** Several segments, with several samples of the index in each, so that starts lie in all of them. */
const OPTIONS: OpenOptions = { batchBytes: 1000, segmentBytes: 40_000, flushIntervalMs: Infinity, topic: "log" };

const read = async (log: Log, options: ReadOptions): Promise<Appended[]> =>
  (await collect(log.read(options))).map(summary);

/** Runs `check` on a log while it is written, and again after a reopening, with what was appended to it. */
async function useFilled(
  options: OpenOptions,
  count: number,
  timestampOf: (i: number, random: (limit: number) => number) => number,
  check: (log: Log, appended: Appended[][], random: (limit: number) => number) => Promise<void>,
): Promise<void> {
  const random = makeRandom(seed);
  await useDirectory(async (directory) => {
    const appended = await reopen(directory, { ...OPTIONS, ...options }, async (log) => {
      const appended = await fillLog(log, count, random, (i) => timestampOf(i, random));
      await check(log, appended, random);
      return appended;
    });
    await reopen(directory, OPTIONS, (log) => check(log, appended, random));
    await reopen(directory, { readOnly: true }, (log) => check(log, appended, random));
  });
}

const ordered = (i: number): number => 1000 + Math.floor(i / 3);
const unordered = (i: number, random: (limit: number) => number): number => Math.max(0, 1000 + i - random(200));

describe("reading", () => {
  it("starts at any offset of a shard", () =>
    useFilled({}, 600, unordered, async (log, appended) => {
      for (let from = 0; from <= 600; from += 7) {
        assert.deepEqual(await read(log, { shard: 0, from }), expectedOf(appended, { from }), `from ${from}`);
        assert.deepEqual(await read(log, { from, limit: 3 }), expectedOf(appended, { from, limit: 3 }));
      }
    }));

  it("starts at the first record by default, and behind the last one with latest", () =>
    useFilled({ shards: 3 }, 300, unordered, async (log, appended) => {
      const all = expectedOf(appended, {});
      assert.deepEqual(await read(log, {}), all);
      assert.deepEqual(await read(log, { from: "earliest" }), all);
      assert.deepEqual(await read(log, { from: "latest" }), []);
    }));

  for (const [what, timestampOf] of [["ordered", ordered], ["unordered", unordered]] as const) {
    it(`starts at the first record with the time or a later one: ${what} timestamps [fault 43]`, () =>
      useFilled({ shards: 2 }, 800, timestampOf, async (log, appended, random) => {
        const times = [0, 999, 1000, 1001, 2000, 10_000, ...Array.from({ length: 40 }, () => 900 + random(950))];
        for (const time of times) {
          for (const shard of [undefined, 0, 1]) {
            const options = { from: new Date(time), ...(shard === undefined ? {} : { shard }) };
            assert.deepEqual(await read(log, options), expectedOf(appended, options), `from ${time}, shard ${shard}`);
          }
        }
        for (const time of new Set(appended[0].map(({ timestamp }) => timestamp))) {
          const options = { from: new Date(time), shard: 0, limit: 1 };
          assert.deepEqual(await read(log, options), expectedOf(appended, options), `from ${time}`);
        }
      }));
  }

  it("starts at an offset for each shard", () =>
    useFilled({ shards: 3 }, 400, unordered, async (log, appended, random) => {
      for (let i = 0; i < 30; i++) {
        const from = appended.map((records) => random(records.length + 1));
        assert.deepEqual(await read(log, { from }), expectedOf(appended, { from }), String(from));
        assert.deepEqual(await read(log, { from, shard: 1 }), expectedOf(appended, { from, shard: 1 }));
      }
    }));

  it("merges shards by timestamp, shard and offset", () =>
    useFilled({ shards: 4 }, 500, ordered, async (log, appended) => {
      const merged = await read(log, {});
      const sorted = appended.flat().sort((a, b) =>
        a.timestamp - b.timestamp || a.shard - b.shard || a.offset - b.offset
      );
      assert.deepEqual(merged, sorted);
    }));

  it("hands out the last records, of one shard and merged, fewer than asked for where there are fewer", () =>
    useFilled({ shards: 3 }, 400, ordered, async (log, appended, random) => {
      for (const last of [0, 1, 2, 10, 77, 399, 400, 401, 5000, ...Array.from({ length: 10 }, () => random(420))]) {
        for (const shard of [undefined, 0, 2]) {
          const options = { last, ...(shard === undefined ? {} : { shard }) };
          assert.deepEqual(await read(log, options), expectedOf(appended, options), `last ${last}, shard ${shard}`);
        }
      }
    }));

  it("combines start, last and limit", () =>
    useFilled({ shards: 2 }, 300, ordered, async (log, appended, random) => {
      for (let i = 0; i < 80; i++) {
        const options: ReadOptions = {};
        const start = random(4);
        if (start === 0) options.from = new Date(990 + random(120));
        if (start === 1) options.from = appended.map((records) => random(records.length + 1));
        if (random(2) === 0) options.last = random(320);
        if (random(2) === 0) options.limit = random(60);
        if (random(3) === 0) options.shard = random(2);
        assert.deepEqual(await read(log, options), expectedOf(appended, options), JSON.stringify(options));
      }
    }));

  it("of an empty log hands out nothing, whatever is asked", () =>
    useLog({ shards: 2 }, async (log) => {
      for (const options of [{}, { from: [0, 0] }, { from: new Date(5) }, { last: 5 }, { from: "latest" as const }]) {
        assert.deepEqual(await read(log, options), []);
      }
    }));

  it("sees only what is written", () =>
    useLog({ flushIntervalMs: Infinity }, async (log) => {
      take(log.shard(0), { value: "written" });
      await log.flush();
      take(log.shard(0), { value: "in memory" });
      assert.deepEqual(await texts(log.read()), ["written"]);
      assert.deepEqual(await texts(log.read({ last: 5 })), ["written"]);
    }));

  it("refuses offsets outside the log, and names the range", () =>
    useLog({ shards: 2 }, async (log) => {
      for (let i = 0; i < 5; i++) take(log.shard(1), { value: "x" });
      await log.flush();
      for (const options of [{ shard: 1, from: 6 }, { from: [0, 6] }, { shard: 1, from: 2 ** 53 - 1 }]) {
        const error = await fails("OFFSET_OUT_OF_RANGE", () => collect(log.read(options)));
        assert.equal(error.shard, 1);
        assert.deepEqual(error.range, [0, 5]);
        assert.match(error.message, /\b0 to 5\b/);
      }
      assert.deepEqual(await texts(log.read({ shard: 1, from: 5 })), []);
    }));

  const mistakes: readonly (readonly [options: unknown, error: ErrorConstructor])[] = [
    [{ from: 1 }, TypeError],
    [{ shard: 0, from: -1 }, TypeError],
    [{ shard: 0, from: 0.5 }, TypeError],
    [{ shard: 0, from: "yesterday" }, TypeError],
    [{ from: [0] }, TypeError],
    [{ from: new Date(NaN) }, TypeError],
    [{ shard: 2 }, RangeError],
    [{ last: -1 }, RangeError],
    [{ limit: 1.5 }, RangeError],
  ];
  for (const [options, error] of mistakes) {
    it(`refuses ${JSON.stringify(options)}`, () =>
      useLog({ shards: 2 }, async (log) => {
        for (const shard of log.shards) take(shard, { value: "x" });
        await log.flush();
        await assert.rejects(async () => await collect(log.read(options as ReadOptions)), error);
      }));
  }

  it("hands out records in order also to calls of next that do not wait for each other", () =>
    useFilled({}, 200, ordered, async (log) => {
      const records = log.read();
      const steps = await Promise.all(Array.from({ length: 210 }, () => records.next()));
      assert.deepEqual(steps.slice(0, 200).map((step) => step.value.offset), Array.from({ length: 200 }, (_, i) => i));
      assert.ok(steps.slice(200).every((step) => step.done));
    }));

  it("lets several readers go their own ways", () =>
    useFilled({ shards: 2 }, 300, unordered, async (log, appended) => {
      const expected = expectedOf(appended, {});
      const all = await Promise.all(Array.from({ length: 5 }, () => read(log, {})));
      for (const one of all) assert.deepEqual(one, expected);
    }));

  it("keeps the bytes of records valid for as long as they are held", () =>
    useLog({ batchBytes: 20_000, segmentBytes: 400_000 }, async (log) => {
      const count = 4000;
      const valueOf = (i: number): string => `${i} `.repeat(60);
      for (let i = 0; i < count; i++) {
        await log.shard(0).writable();
        take(log.shard(0), { key: `k${i}`, value: valueOf(i), headers: { h: `${i}` }, timestamp: i });
      }
      await log.flush();
      const held = await collect(log.read());
      const pieces = held.map(({ key, value }) => ({ key, value }));
      const again = await collect(log.read());
      assert.equal(held.length, count);
      for (let i = 0; i < count; i++) {
        assert.equal(held[i].text(), valueOf(i));
        assert.deepEqual(pieces[i].key, again[i].key);
        if (i % 500 === 0) assert.deepEqual(plain(held[i]), plain(again[i]));
      }
    }));
});
