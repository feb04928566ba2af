import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { GapEvent, Log, LogBatch, LogRecord, OpenOptions, ReadOptions } from "../../mod.ts";
import { poolBytesInUse } from "../../src/batch/memory_pool.ts";
import { equalBytes } from "../../src/bytes.ts";
import { announceSeed, makeRandom } from "../fixtures/seed.ts";
import { collect, fails, filled, outcomeOf, plain, reopen, take, until, useDirectory, useLog } from "../helpers.ts";
import { batchesOf, flip, logFiles } from "../recovery/damage.ts";
import { fillLog } from "./brute_force.ts";
import { replaceBatch, reseal } from "./foreign.ts";

const seed = announceSeed("batches");
const OPTIONS: OpenOptions = { batchBytes: 1000, segmentBytes: 40_000, flushIntervalMs: Infinity, topic: "log" };

/** What the cursors of a read visit, as plain records. */
async function visit(log: Log, options: ReadOptions): Promise<unknown[]> {
  const records: unknown[] = [];
  for await (const batch of log.batches(options)) {
    const cursor = batch.records();
    while (cursor.next()) {
      const { offset, timestamp, bytes, keyStart, keyLength, valueStart, valueLength, headers } = cursor;
      const cut = (start: number, length: number): Uint8Array | null =>
        length < 0 ? null : bytes.slice(start, start + length);
      const key = cut(keyStart, keyLength);
      const value = cut(valueStart, valueLength);
      assert.deepEqual([cursor.key, cursor.value], [key, value]);
      const kept = headers.map(([name, value]) => [name, value && value.slice()]);
      records.push({ shard: batch.shard, offset, timestamp, key, value, headers: kept });
    }
    assert.equal(cursor.next(), false, "a cursor at its end stays there");
  }
  return records;
}

const expected = async (log: Log, options: ReadOptions): Promise<unknown[]> =>
  (await collect(log.read(options))).map(plain);

describe("batches", () => {
  it("visit the records that read hands out, whatever is asked for", () =>
    useDirectory(async (directory) => {
      const random = makeRandom(seed);
      const check = async (log: Log): Promise<void> => {
        for (const shard of [0, 1]) {
          for (let i = 0; i < 25; i++) {
            const from =
              [random(500), "earliest", "latest", new Date(900 + random(950)), [random(9), random(9)]][i % 5];
            const limit = random(3) === 0 ? { limit: random(60) } : {};
            const last = random(3) === 0 ? { last: random(300) } : {};
            const options = { shard, ...limit, ...last, from } as ReadOptions;
            assert.deepEqual(await visit(log, options), await expected(log, options), JSON.stringify(options));
          }
        }
      };
      const timestampOf = (i: number): number => Math.max(0, 1000 + i - random(200));
      await reopen(directory, { ...OPTIONS, shards: 2 }, async (log) => {
        await fillLog(log, 1200, random, timestampOf);
        take(log.shard(1), { value: null, headers: [["a", "1"], ["a", null]] });
        take(log.shard(1), { key: "k", value: "x".repeat(5000), timestamp: 5 });
        await log.flush();
        await check(log);
      });
      await reopen(directory, { readOnly: true }, check);
    }));

  it("come with what stands in the log, one behind the other", () =>
    useLog(OPTIONS, async (log, directory) => {
      for (let i = 0; i < 500; i++) take(log.shard(0), { value: `${i}`.padEnd(100), timestamp: 1000 + i });
      await log.flush("disk");
      const stored = logFiles(directory).flatMap(batchesOf);
      let i = 0;
      for await (const batch of log.batches()) {
        const { first, last, bytes } = stored[i++];
        assert.deepEqual([batch.shard, batch.baseOffset, batch.lastOffset], [0, first, last]);
        assert.deepEqual([batch.count, batch.byteLength, batch.codec], [last - first + 1, bytes, "none"]);
        assert.deepEqual([batch.baseTimestamp, batch.maxTimestamp], [1000 + first, 1000 + last]);
        assert.equal(batch.bytes.length, bytes);
        assert.equal(new DataView(batch.bytes.buffer, batch.bytes.byteOffset).getBigInt64(0), BigInt(first));
      }
      assert.equal(i, stored.length);
    }));

  it("are read in pieces, whatever their size", () =>
    useLog({ flushIntervalMs: Infinity, batchBytes: 300_000 }, async (log) => {
      const sizes = [1_500_000, 10, 900_000, 200_000, 200_000, 3_000_000, 1];
      for (const [i, size] of sizes.entries()) {
        take(log.shard(0), { value: filled(size, i) });
        if (i % 2 === 0) await log.flush();
      }
      for (let i = 0; i < 40_000; i++) take(log.shard(0), { value: filled(100, i) });
      await log.flush();
      const before = poolBytesInUse();
      let count = 0;
      for await (const batch of log.batches({ shard: 0 })) {
        assert.ok(poolBytesInUse() - before <= 2 * 1024 * 1024, "the memory of a reader is bounded");
        const cursor = batch.records();
        while (cursor.next()) {
          const value = filled(sizes[count] ?? 100, count < sizes.length ? count : count - sizes.length);
          assert.ok(equalBytes(cursor.value!, value), `the value at offset ${cursor.offset}`);
          assert.equal(cursor.offset, count++);
        }
      }
      assert.equal(count, sizes.length + 40_000);
      assert.equal(poolBytesInUse(), before, "memory is given back");
    }));

  it("of several shards come one shard after the other", () =>
    useLog({ ...OPTIONS, shards: 3 }, async (log) => {
      const random = makeRandom(seed);
      const appended = await fillLog(log, 300, random, (i) => i);
      const all = (await visit(log, {})) as LogRecord[];
      assert.deepEqual(
        all.map(({ shard, offset }) => ({ shard, offset })),
        appended.flat().map(({ shard, offset }) => ({ shard, offset })),
      );
      const part = (await visit(log, { from: [5, 6, 7], limit: appended[0].length })) as LogRecord[];
      const offsets = [...appended[0].slice(5), ...appended[1].slice(6), ...appended[2].slice(7)];
      assert.deepEqual(part.map(({ offset }) => offset), offsets.slice(0, appended[0].length).map((r) => r.offset));
    }));

  it("end their views with the reader's next step", () =>
    useLog(OPTIONS, async (log) => {
      for (let i = 0; i < 50; i++) take(log.shard(0), { value: `${i}`.padEnd(100) });
      await log.flush();
      const batches = log.batches();
      const first: LogBatch = (await batches.next()).value;
      const [begun, unused] = [first.records(), first.records()];
      assert.ok(begun.next());
      await batches.next();
      assert.equal(first.baseOffset, 0, "what is no view stays");
      await fails("CLOSED", () => begun.next());
      await fails("CLOSED", () => unused.next());
      await fails("CLOSED", () => first.records());
      await fails("CLOSED", () => first.bytes);
      await batches.return!();
    }));

  it("are handed out in order also to calls of next that do not wait for each other", () =>
    useLog(OPTIONS, async (log) => {
      for (let i = 0; i < 100; i++) take(log.shard(0), { value: "x".repeat(200) });
      await log.flush();
      const batches = log.batches();
      const results = await Promise.all(Array.from({ length: 40 }, () => batches.next()));
      const found = results.filter((result) => !result.done).map((result) => result.value as LogBatch);
      assert.ok(found.length > 20 && found.length < 40);
      assert.deepEqual(found.map((batch) => batch.baseOffset), [0, ...found.slice(0, -1).map((b) => b.lastOffset + 1)]);
    }));

  it("are followed, on all shards, until they are left, aborted or closed", () =>
    useLog({ ...OPTIONS, shards: 2, flushIntervalMs: 0 }, async (log) => {
      const controller = new AbortController();
      const follow = (options: ReadOptions): { seen: string[]; ended: Promise<void> } => {
        const seen: string[] = [];
        const ended = (async () => {
          for await (const batch of log.batches({ follow: true, ...options })) {
            const cursor = batch.records();
            while (cursor.next()) seen.push(`${batch.shard}:${cursor.offset}`);
          }
        })();
        ended.catch(() => {});
        return { seen, ended };
      };
      take(log.shard(0), { value: "x" });
      await log.flush();
      const all = follow({});
      const one = follow({ shard: 1, signal: controller.signal });
      const latest = follow({ from: "latest" });
      const limited = follow({ limit: 3 });
      await until(() => all.seen.length === 1, "what is there");
      for (const shard of [1, 1, 0]) {
        take(log.shard(shard), { value: "x" });
        await log.flush();
        await until(() => all.seen.length === log.shard(0).written + log.shard(1).written, "what comes");
      }
      assert.deepEqual(all.seen, ["0:0", "1:0", "1:1", "0:1"]);
      await until(() => latest.seen.length === 3 && one.seen.length === 2, "what came");
      assert.deepEqual([latest.seen, one.seen], [["1:0", "1:1", "0:1"], ["1:0", "1:1"]]);
      await limited.ended;
      assert.equal(limited.seen.length, 3);
      controller.abort(new Error("enough"));
      await assert.rejects(one.ended, /enough/);
      const waiting = log.batches({ from: "latest", follow: true });
      const step = waiting.next();
      assert.equal(await outcomeOf(step), "pending");
      await waiting.return!();
      assert.deepEqual(await step, { done: true, value: undefined });
      await log.close();
      await all.ended;
      await latest.ended;
    }));

  it("cannot be asked for what makes no sense", () =>
    useLog({ shards: 2 }, async (log) => {
      assert.throws(() => log.batches({ from: 3 }), TypeError);
      assert.throws(() => log.batches({ last: 3 }), TypeError);
      assert.throws(() => log.batches({ shard: 2 }), RangeError);
      assert.throws(() => log.batches({ limit: -1 }), RangeError);
      await fails("OFFSET_OUT_OF_RANGE", () => log.batches({ shard: 0, from: 5 }).next());
      await log.close();
      await fails("CLOSED", () => log.batches());
    }));
});

describe("a damaged batch", () => {
  /** Bases of the batches and offsets of the records that come, and what was passed over. */
  async function skipping(log: Log): Promise<{ offsets: number[]; gaps: GapEvent[] }> {
    const offsets: number[] = [];
    const gaps: GapEvent[] = [];
    for await (const batch of log.batches({ onCorrupt: "skip", onGap: (gap) => void gaps.push(gap) })) {
      const cursor = batch.records();
      while (cursor.next()) offsets.push(cursor.offset);
    }
    return { offsets, gaps };
  }

  async function useBroken(
    break_: (file: string) => readonly [from: number, to: number],
    fault: RegExp,
    stepsFirst: boolean,
  ): Promise<void> {
    await useDirectory(async (directory) => {
      await reopen(directory, OPTIONS, (log) => {
        for (let i = 0; i < 100; i++) take(log.shard(0), { value: "x".repeat(100), timestamp: i });
      });
      const [from, to] = break_(logFiles(directory)[0]);
      await reopen(directory, {}, async (log) => {
        let seen = -1;
        const error = await fails("CORRUPT_BATCH", async () => {
          for await (const batch of log.batches()) {
            if (!stepsFirst) assert.ok(batch.lastOffset < from);
            const cursor = batch.records();
            while (cursor.next()) seen = cursor.offset;
          }
        });
        assert.equal(seen, from - 1, "everything before it was seen");
        assert.match(error.message, fault);
        assert.deepEqual(error.range, [from, to]);
        const { offsets, gaps } = await skipping(log);
        assert.deepEqual(gaps.map((gap) => [gap.shard, gap.from, gap.to]), [[0, from, to]]);
        const wanted = Array.from({ length: 100 }, (_, i) => i).filter((i) => i < from || i > to);
        assert.deepEqual(offsets, wanted);
      });
    });
  }

  it("stops a reader of batches, and is passed over with skip", () =>
    useBroken(
      (file) => {
        const batch = batchesOf(file)[2];
        flip(file, batch.position + 100);
        return [batch.first, batch.last];
      },
      /checksum/,
      false,
    ));

  it("under a right checksum stops the cursor behind what can be decoded, and is passed over with skip", () =>
    useBroken(
      (file) => {
        const batch = batchesOf(file)[2];
        // The length of the last record, two bytes in front of it.
        const value = 100 + 9;
        flip(file, batch.position + batch.bytes - value, 2);
        reseal(file, batch);
        return [batch.last, batch.last];
      },
      /record \d+ of \d+/,
      true,
    ));

  it("is no batch from which records were compacted away", () =>
    useDirectory(async (directory) => {
      await reopen(directory, OPTIONS, (log) => {
        for (let i = 0; i < 100; i++) take(log.shard(0), { value: "x".repeat(100), timestamp: 1000 + i });
      });
      const file = logFiles(directory)[0];
      const [, batch] = batchesOf(file);
      const kept = [batch.first + 1, batch.first + 4];
      replaceBatch(file, batch, kept.map((offset) => offset - batch.first), 1000 + batch.first);
      await reopen(directory, {}, async (log) => {
        const records = await expected(log, {});
        assert.equal(records.length, 100 - (batch.last - batch.first + 1) + 2);
        const froms = [0, batch.first, batch.first + 2, new Date(1000 + batch.first + 2), new Date(0)];
        for (const from of froms) {
          for (const limit of [undefined, ...Array.from({ length: 15 }, (_, i) => i)]) {
            const options: ReadOptions = limit === undefined ? { from } : { from, limit };
            assert.deepEqual(await visit(log, options), await expected(log, options), JSON.stringify(options));
          }
        }
        for (let last = 80; last <= 94; last++) {
          assert.deepEqual(await visit(log, { last }), await expected(log, { last }), `last ${last}`);
        }
      });
    }));
});
