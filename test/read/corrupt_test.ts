import assert from "node:assert/strict";
import { readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import type { GapEvent, Log, LogRecord, OpenOptions } from "../../mod.ts";
import { fails, filled, reopen, take, useDirectory } from "../helpers.ts";
import { batchesOf, flip, indexOf, logFiles, type StoredBatch } from "../recovery/damage.ts";

const OPTIONS: OpenOptions = { topic: "log", batchBytes: 800, segmentBytes: 8000, flushIntervalMs: Infinity };
const COUNT = 120;
const valueOf = (i: number): string => `${i} `.padEnd(200, ".");

/** A closed log of several segments with several batches each. */
async function useClosed(
  body: (parts: { directory: string; files: string[]; batches: StoredBatch[][] }) => Promise<void>,
  value: (i: number) => string | Uint8Array = valueOf,
): Promise<void> {
  await useDirectory(async (directory) => {
    await reopen(directory, OPTIONS, (log) => {
      for (let i = 0; i < COUNT; i++) take(log.shard(0), { value: value(i), timestamp: 1000 + i });
    });
    const files = logFiles(directory);
    assert.ok(files.length >= 4);
    await body({ directory, files, batches: files.map(batchesOf) });
  });
}

interface Outcome {
  readonly offsets: number[];
  readonly gaps: [from: number, to: number][];
  readonly events: GapEvent[];
}

/** Reads with "skip" and tells what came and what was passed over. */
async function skipping(log: Log, from?: number): Promise<Outcome> {
  const offsets: number[] = [];
  const events: GapEvent[] = [];
  const onGap = (gap: GapEvent): void => void events.push(gap);
  for await (
    const record of log.read({ shard: 0, onCorrupt: "skip", onGap, ...(from === undefined ? {} : { from }) })
  ) {
    offsets.push(record.offset);
    if (record.text()!.startsWith(`${record.offset} `)) continue;
    assert.deepEqual(record.value, filled(200, record.offset), `the value at offset ${record.offset}`);
  }
  return { offsets, gaps: events.map((gap) => [gap.from, gap.to]), events };
}

/** Offsets from `start` to `COUNT` without the ranges given. */
function without(...gaps: readonly (readonly [number, number])[]): number[] {
  return Array.from({ length: COUNT }, (_, i) => i).filter((i) => !gaps.some(([from, to]) => i >= from && i <= to));
}

/** Reads until it fails. */
async function stopping(log: Log): Promise<{ offsets: number[]; error: Awaited<ReturnType<typeof fails>> }> {
  const offsets: number[] = [];
  const error = await fails("CORRUPT_BATCH", async () => {
    for await (const record of log.read() as AsyncIterable<LogRecord>) offsets.push(record.offset);
  });
  return { offsets, error };
}

describe("a damaged batch", () => {
  const places: readonly (readonly [where: string, at: (batch: StoredBatch) => number, bit?: number])[] = [
    ["the base offset", () => 7],
    ["the upper half of the base offset", () => 2],
    ["the length, a little more", () => 11, 3],
    ["the length, much more", () => 8, 6],
    ["the magic", () => 16],
    ["the checksum", () => 18],
    ["the attributes", () => 22],
    ["the last offset", () => 26],
    ["the count", () => 60],
    ["the first record", () => 61],
    ["the last byte", (batch) => batch.bytes - 1],
  ];
  for (const [where, at, bit] of places) {
    it(`stops a reader there, and is passed over with "skip": ${where} [faults 24, 25]`, () =>
      useClosed(async ({ directory, files, batches }) => {
        const batch = batches[1][2];
        flip(files[1], batch.position + at(batch), bit);
        await reopen(directory, OPTIONS, async (log) => {
          const { offsets, error } = await stopping(log);
          assert.deepEqual(offsets, Array.from({ length: batch.first }, (_, i) => i), "everything before it");
          assert.equal(error.shard, 0);
          assert.equal(error.file, files[1]);
          assert.equal(error.position, batch.position);
          assert.deepEqual(error.range, [batch.first, batch.last]);
          const skipped = await skipping(log);
          assert.deepEqual(skipped.gaps, [[batch.first, batch.last]]);
          assert.deepEqual(skipped.offsets, without([batch.first, batch.last]));
          assert.equal(skipped.events[0].shard, 0);
          assert.equal(skipped.events[0].error.code, "CORRUPT_BATCH");
          assert.equal(skipped.events[0].error.position, batch.position);
        });
      }));
  }

  it("does not keep a reader from what lies behind it, by offset and by time", () =>
    useClosed(async ({ directory, files, batches }) => {
      const batch = batches[1][2];
      flip(files[1], batch.position + 70);
      await reopen(directory, OPTIONS, async (log) => {
        for (const from of [batch.last + 1, batch.last + 9, COUNT - 1]) {
          const { offsets, gaps } = await skipping(log, from);
          assert.deepEqual(offsets, without([0, from - 1]));
          assert.deepEqual(gaps, []);
        }
        const inside = await skipping(log, batch.first + 1);
        assert.deepEqual(inside.gaps, [[batch.first + 1, batch.last]]);
        const records: number[] = [];
        for await (const record of log.read({ from: new Date(1000 + batch.last + 1), onCorrupt: "skip" })) {
          records.push(record.offset);
        }
        assert.deepEqual(records, without([0, batch.last]));
        assert.deepEqual((await log.read({ last: 1 }).next()).value.offset, COUNT - 1);
      });
    }));

  const selections: readonly (readonly [what: string, pick: (batches: StoredBatch[][]) => StoredBatch[]])[] = [
    ["the first of the log", (batches) => [batches[0][0]]],
    ["the first of a segment", (batches) => [batches[2][0]]],
    ["the last of a segment", (batches) => [batches[1].at(-1)!]],
    ["two that are not neighbours", (batches) => [batches[1][1], batches[1][4]]],
    ["two neighbours", (batches) => [batches[1][1], batches[1][2]]],
    ["neighbours in two segments", (batches) => [batches[1].at(-1)!, batches[2][0]]],
    ["all of a segment", (batches) => batches[1]],
  ];
  for (const [what, pick] of selections) {
    for (const index of ["with", "without"] as const) {
      it(`is passed over wherever it is, ${index} index: ${what} [fault 25]`, () =>
        useClosed(async ({ directory, files, batches }) => {
          const damaged = pick(batches);
          for (const { file, position } of damaged) flip(file, position + 65);
          if (index === "without") { for (const file of files) rmSync(indexOf(file)); }
          await reopen(directory, OPTIONS, async (log) => {
            const ranges = damaged.map(({ first, last }) => [first, last] as const);
            const { offsets, gaps } = await skipping(log);
            assert.deepEqual(offsets, without(...ranges));
            const covered = gaps.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, i) => from + i));
            const expected = ranges.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, i) => from + i));
            assert.deepEqual(covered, expected, "every offset that is missing is in one gap");
          });
        }));
    }
  }

  const hidden:
    readonly (readonly [what: string, places: readonly (readonly [batch: number, at: number, bit: number])[]])[] = [
      ["in the records", [[2, 65, 0]]],
      ["in the length", [[2, 11, 3]]],
      ["in the base offset", [[2, 6, 1], [5, 7, 0]]],
      ["in neighbours", [[2, 65, 0], [3, 66, 0], [6, 70, 2], [7, 70, 2]]],
    ];
  for (const index of ["with", "without"] as const) {
    for (const [what, places] of hidden) {
      it(`is told from batches inside of values, ${index} index: ${what}`, () =>
        useClosed(({ files }) =>
          useDirectory((directory) => {
            // Copies of a real log: their batches are intact, continue each other, and bear offsets of this log.
            const copies = files.map((file) => new Uint8Array(readFileSync(file)));
            return checkHidden(directory, copies, index === "with", places);
          })
        ));
    }
  }
});

/** Damages batches whose values hold whole batches, and reads on behind them. */
async function checkHidden(
  directory: string,
  copies: readonly Uint8Array[],
  withIndex: boolean,
  places: readonly (readonly [batch: number, at: number, bit: number])[],
): Promise<void> {
  const values = Array.from({ length: 60 }, (_, i) => i % 4 === 0 ? valueOf(i) : copies[i % copies.length]);
  await reopen(directory, { ...OPTIONS, segmentBytes: 1_000_000 }, (log) => {
    for (const [i, value] of values.entries()) take(log.shard(0), { value, timestamp: 1000 + i });
  });
  const [file] = logFiles(directory);
  const large = batchesOf(file).filter(({ bytes }) => bytes > 5000);
  const damaged = places.map(([batch]) => large[batch]);
  for (const [batch, at, bit] of places) flip(file, large[batch].position + at, bit);
  if (!withIndex) rmSync(indexOf(file));
  await reopen(directory, OPTIONS, async (log) => {
    const passed: number[] = [];
    const records: LogRecord[] = [];
    const onGap = ({ from, to }: GapEvent): void => {
      for (let offset = from; offset <= to; offset++) passed.push(offset);
    };
    for await (const record of log.read({ onCorrupt: "skip", onGap })) records.push(record);
    const isLost = (i: number): boolean => damaged.some(({ first, last }) => i >= first && i <= last);
    const offsets = values.map((_, i) => i);
    assert.deepEqual(passed, offsets.filter(isLost));
    assert.deepEqual(records.map(({ offset }) => offset), offsets.filter((i) => !isLost(i)));
    for (const record of records) {
      const value = values[record.offset];
      if (typeof value === "string") assert.equal(record.text(), value);
      else assert.deepEqual(record.value, value);
    }
  });
}

describe("a missing or cut segment", () => {
  for (const index of ["with", "without"] as const) {
    it(`in the middle is a gap, ${index} its index [fault 32]`, () =>
      useClosed(async ({ directory, files, batches }) => {
        const [from, to] = [batches[1][0].first, batches[1].at(-1)!.last];
        rmSync(files[1]);
        if (index === "without") rmSync(indexOf(files[1]));
        await reopen(directory, OPTIONS, async (log) => {
          assert.equal(log.recovery[0].verdict, "clean");
          const { offsets, error } = await stopping(log);
          assert.deepEqual(offsets, without([from, COUNT]));
          assert.deepEqual(error.range, [from, to]);
          const skipped = await skipping(log);
          assert.deepEqual(skipped.gaps, [[from, to]]);
          assert.deepEqual(skipped.offsets, without([from, to]));
          assert.deepEqual((await skipping(log, to + 1)).offsets, without([0, to]));
          assert.deepEqual((await skipping(log, from + 3)).gaps, [[from + 3, to]]);
          assert.equal(take(log.shard(0), { value: "appends go on" }), COUNT);
        });
      }));
  }

  it("cut between two batches is a gap [fault 36]", () =>
    useClosed(async ({ directory, files, batches }) => {
      const cut = batches[1][3];
      truncateSync(files[1], cut.position);
      await reopen(directory, OPTIONS, async (log) => {
        const to = batches[1].at(-1)!.last;
        assert.deepEqual((await stopping(log)).error.range, [cut.first, to]);
        const { offsets, gaps } = await skipping(log);
        assert.deepEqual(gaps, [[cut.first, to]]);
        assert.deepEqual(offsets, without([cut.first, to]));
      });
    }));

  it("under another's name is not read as the other [fault 35]", () =>
    useClosed(async ({ directory, files, batches }) => {
      rmSync(files[1]);
      renameSync(files[2], files[1]);
      await reopen(directory, OPTIONS, async (log) => {
        const { offsets, gaps } = await skipping(log);
        const missing = offsets.length === 0 ? [] : without().filter((offset) => !offsets.includes(offset));
        const covered = gaps.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, i) => from + i));
        assert.deepEqual(covered, missing, "what is not read is named");
        assert.ok(offsets.includes(batches[0][0].first) && offsets.includes(batches[3][0].first));
      });
    }));
});

describe("an index", () => {
  const damages: readonly (readonly [what: string, damage: (path: string) => void])[] = [
    ["that is gone", (path) => rmSync(path)],
    ["that is empty", (path) => truncateSync(path, 0)],
    ["that is cut within a row", (path) => truncateSync(path, Math.floor(statSync(path).size / 2) + 13)],
    ["of zeros", (path) => writeFileSync(path, new Uint8Array(statSync(path).size))],
    ["with a damaged first row", (path) => flip(path, 20)],
    ["with a damaged row in the middle", (path) => flip(path, 64 * 3 + 22, 4)],
    ["with a damaged row length", (path) => flip(path, 64 * 2 + 1, 3)],
    ["with a damaged last row", (path) => flip(path, -30)],
    ["with garbage behind its end", (path) => writeFileSync(path, filled(100, 3), { flag: "a" })],
  ];
  for (const [what, damage] of damages) {
    it(`${what} changes no read [faults 28, 31]`, () =>
      useClosed(async ({ directory, files }) => {
        for (const file of files) damage(indexOf(file));
        for (const options of [{ readOnly: true }, OPTIONS, OPTIONS]) {
          await reopen(directory, options, async (log) => {
            assert.equal(log.recovery[0].verdict, "clean");
            for (const from of [0, 5, 37, 64, 99, 119]) {
              assert.deepEqual((await skipping(log, from)).offsets, without([0, from - 1]));
              const first = await log.read({ from: new Date(1000 + from) }).next();
              assert.equal(first.value.offset, from);
            }
            assert.equal((await log.read({ last: 7 }).next()).value.offset, COUNT - 7);
          });
        }
      }));
  }
});
