/** Everything a read can select, compared with plain arrays. */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import fc from "fast-check";
import { BatchBuilder, type Log, type LogRecord, type OpenOptions, type ReadOptions } from "../../mod.ts";
import { announceSeed } from "../fixtures/seed.ts";
import { share } from "../fixtures/share.ts";
import { collect, namesIn, reopen, take, useDirectory, useLog } from "../helpers.ts";
import { type Kept, selected, selectedBatches } from "./selection_model.ts";

announceSeed("selection");
const RUNS = share(40);
const OPTIONS: OpenOptions = { batchBytes: 700, segmentBytes: 6000, flushIntervalMs: Infinity, topic: "log" };

type Planned = {
  shard: number;
  time: number;
  key: string | null;
  headers: [string, string | null][];
  size: number;
  flush: boolean;
};

const header = fc.tuple(fc.constantFrom("type", "trace", ""), fc.constantFrom("a", "b", "", null));
const planned: fc.Arbitrary<Planned> = fc.record({
  shard: fc.nat(2),
  time: fc.nat(60),
  key: fc.constantFrom("alice", "bob", "", null),
  headers: fc.array(header, { maxLength: 3 }),
  size: fc.nat(300),
  flush: fc.boolean(),
});

/** Places and bounds are numbers that are fitted to the log that was made. */
interface Wish {
  shard: number | undefined;
  from: ["offset" | "time" | "latest" | "none", number];
  before: ["offset" | "time" | "none", number];
  last: number | undefined;
  limit: number | undefined;
  reverse: boolean;
  key: string | null | undefined;
  headers: Record<string, string | null | true> | undefined;
}

const some = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(values, { nil: undefined });
const wish: fc.Arbitrary<Wish> = fc.record({
  shard: some(fc.nat(2)),
  from: fc.tuple(fc.constantFrom("offset", "time", "latest", "none", "none", "none"), fc.nat(1000)),
  before: fc.tuple(fc.constantFrom("offset", "time", "none", "none"), fc.nat(1000)),
  last: some(fc.nat(80)),
  limit: some(fc.nat(60)),
  reverse: fc.boolean(),
  key: some(fc.constantFrom("alice", "bob", "", null)),
  headers: some(fc.dictionary(fc.constantFrom("type", "trace"), fc.constantFrom("a", "", null, true as const))),
});

function optionsOf(wish: Wish, log: readonly (readonly Kept[])[]): ReadOptions {
  const { shard, last, limit, reverse, key, headers } = wish;
  const place = ([kind, number]: readonly [string, number]): ReadOptions["from"] => {
    if (kind === "time") return new Date(number % 70);
    if (kind === "latest") return "latest";
    const offsets = log.map((records) => number % (records.length + 1));
    return shard === undefined ? offsets : offsets[shard];
  };
  const options: ReadOptions = { reverse };
  if (shard !== undefined) options.shard = shard;
  if (wish.from[0] !== "none") options.from = place(wish.from)!;
  if (wish.before[0] !== "none") options.before = place(wish.before) as number;
  if (last !== undefined) options.last = last;
  if (limit !== undefined) options.limit = limit;
  if (key !== undefined || headers !== undefined) {
    options.where = { ...(key === undefined ? {} : { key }), ...(headers && { headers }) };
  }
  return options;
}

function kept(record: LogRecord): Kept {
  const { shard, offset, timestamp, headers } = record;
  const text = (bytes: Uint8Array | null): string | null => bytes === null ? null : new TextDecoder().decode(bytes);
  return {
    shard,
    offset,
    timestamp,
    key: record.keyText(),
    headers: headers.map(([name, value]) => [name, text(value)]),
  };
}

async function fill(log: Log, records: readonly Planned[]): Promise<Kept[][]> {
  const model: Kept[][] = log.shards.map(() => []);
  for (const { shard, time, key, headers, size, flush } of records) {
    const offset = take(log.shard(shard), { key, headers, value: "x".repeat(size), timestamp: time });
    model[shard].push({ shard, offset, timestamp: time, key, headers });
    if (flush) await log.shard(shard).flush();
  }
  await log.flush();
  return model;
}

async function checkBatches(log: Log, model: Kept[][], { reverse: _, ...options }: ReadOptions): Promise<void> {
  if (options.last !== undefined && options.shard === undefined) return;
  const visited: [number, number][] = [];
  for await (const batch of log.batches(options)) {
    const cursor = batch.records();
    while (cursor.next()) visited.push([batch.shard, cursor.offset]);
  }
  assert.deepEqual(visited, selectedBatches(model, options).map(({ shard, offset }) => [shard, offset]), "batches");
}

describe("a read selects what a search through plain arrays selects", () => {
  const property = (name: string, records: fc.Arbitrary<Planned[]>) =>
    it(`${name}: newest first, up to a place, filtered, limited, the last ones`, () =>
      fc.assert(
        fc.asyncProperty(records, fc.array(wish, { minLength: 25, maxLength: 25 }), async (records, wishes) => {
          await useDirectory(async (directory) => {
            const check = async (log: Log, model: Kept[][]): Promise<void> => {
              for (const wish of wishes) {
                const options = optionsOf(wish, model);
                const found = (await collect(log.read(options))).map(kept);
                assert.deepEqual(found, selected(model, options), JSON.stringify(options));
                await checkBatches(log, model, options);
              }
            };
            const model = await reopen(directory, { ...OPTIONS, shards: 3 }, async (log) => {
              const model = await fill(log, records);
              await check(log, model);
              return model;
            });
            for (let shard = 0; shard < 3; shard++) {
              const place = join(directory, `log-${shard}`);
              for (const name of namesIn(place, ".idx")) rmSync(join(place, name));
            }
            await reopen(directory, { readOnly: true }, (log) => check(log, model));
          });
        }),
        { numRuns: RUNS },
      ));

  const inOrder = (records: Planned[]): Planned[] => records.toSorted((a, b) => a.time - b.time);
  property("ordered timestamps", fc.array(planned, { maxLength: 150 }).map(inOrder));
  property("unordered timestamps", fc.array(planned, { maxLength: 150 }));
});

describe("reading newest first", () => {
  it("goes back through large batches and many segments a piece at a time", () =>
    useLog({ batchBytes: 60_000, segmentBytes: 300_000 }, async (log) => {
      const count = 12_000;
      for (let i = 0; i < count; i++) {
        await log.shard(0).writable();
        take(log.shard(0), { key: `k${i % 7}`, value: `${i}`.padStart(i === 6000 ? 1_500_000 : 200), timestamp: i });
      }
      await log.flush();
      let expected = count;
      const held: LogRecord[] = [];
      for await (const record of log.read({ reverse: true })) {
        assert.equal(record.offset, --expected);
        if (record.offset % 1000 === 0) held.push(record);
      }
      assert.equal(expected, 0);
      for (const record of held) assert.equal(record.text()!.trim(), `${record.offset}`);
      const few = await collect(log.read({ reverse: true, where: { key: "k3" }, limit: 4, before: 5000 }));
      assert.deepEqual(few.map(({ offset }) => offset), [4994, 4987, 4980, 4973]);
    }));

  it("does not see what is appended behind its beginning", () =>
    useLog({}, async (log) => {
      for (let i = 0; i < 10; i++) take(log.shard(0), { value: `${i}` });
      await log.flush();
      const records = log.read({ reverse: true });
      assert.equal((await records.next()).value.offset, 9);
      await log.append({ value: "later" });
      assert.equal((await collect(records)).length, 9);
    }));

  it("takes ready-made batches apart, and finds the last ones of a key", () =>
    useLog({}, async (log) => {
      const builder = new BatchBuilder();
      for (let i = 0; i < 5; i++) builder.add({ key: `k${i % 2}`, value: `${i}` });
      log.shard(0).tryAppendBatch(builder.finish());
      await log.flush();
      assert.deepEqual((await collect(log.read({ reverse: true }))).map((r) => r.text()), ["4", "3", "2", "1", "0"]);
      assert.deepEqual((await collect(log.read({ last: 2, where: { key: "k0" } }))).map((r) => r.text()), ["2", "4"]);
    }));

  for (
    const [options, error] of [
      [{ reverse: true, follow: true }, TypeError],
      [{ before: 3, follow: true, shard: 0 }, TypeError],
      [{ before: 3 }, TypeError],
      [{ before: -1, shard: 0 }, RangeError],
      [{ before: [1, 0.5] }, RangeError],
      [{ before: [1] }, TypeError],
      [{ before: new Date(NaN) }, TypeError],
      [{ before: "latest" }, TypeError],
      [{ where: 5 }, TypeError],
      [{ where: { key: 5 } }, TypeError],
      [{ where: { value: "x" } }, TypeError],
      [{ where: { headers: { a: 5 } } }, TypeError],
      [{ where: { headers: ["a"] } }, TypeError],
    ] as const
  ) {
    it(`refuses ${JSON.stringify(options)}`, () =>
      useLog({ shards: 2 }, async (log) => {
        await assert.rejects(async () => await collect(log.read(options as unknown as ReadOptions)), error);
      }));
  }

  it("is not for batches", () =>
    useLog({}, (log) => {
      assert.throws(() => log.batches({ reverse: true }), TypeError);
      return Promise.resolve();
    }));
});
