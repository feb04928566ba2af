/** Ranges of batches as they are stored. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readFileSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import fc from "fast-check";
import { BatchBuilder, type Log, openLog, type OpenOptions, type RawRange, type RawReadOptions } from "../../mod.ts";
import { batchFault, readHeader } from "../../src/batch/format.ts";
import { announceSeed } from "../fixtures/seed.ts";
import { share } from "../fixtures/share.ts";
import { fails, reopen, take, useDirectory, useLog } from "../helpers.ts";
import { batchesOf, flip, logFiles } from "../recovery/damage.ts";
import { reseal } from "./foreign.ts";

announceSeed("raw");
const OPTIONS: OpenOptions = { topic: "log", batchBytes: 800, segmentBytes: 8000, flushIntervalMs: Infinity };

async function ranges(log: Log, options: RawReadOptions = {}): Promise<RawRange[]> {
  const all: RawRange[] = [];
  for await (const range of log.readRaw(options)) all.push(range);
  return all;
}

/** A closed log, its files, and where its batches are. */
async function useClosed(count: number, body: (directory: string, files: string[]) => Promise<void>): Promise<void> {
  await useDirectory(async (directory) => {
    await reopen(directory, OPTIONS, async (log) => {
      for (let i = 0; i < count; i++) {
        take(log.shard(0), { key: `k${i % 3}`, value: `${i}`.padEnd(20 + (i * 37) % 200), timestamp: 1000 + i });
        if (i % 23 === 0) await log.flush();
      }
    });
    await body(directory, logFiles(directory));
  });
}

const concat = (parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

describe("ranges of batches", () => {
  it("are the files byte for byte, in whole batches no larger than asked, unless one is", () =>
    useClosed(400, async (directory, files) => {
      const stored = concat(files.map((file) => readFileSync(file)));
      const batches = files.flatMap((file) => batchesOf(file));
      await reopen(directory, { readOnly: true }, (log) =>
        fc.assert(
          fc.asyncProperty(fc.nat(400), fc.integer({ min: 1, max: 20_000 }), async (from, maxBytes) => {
            const all = await ranges(log, { from, maxBytes });
            const first = batches.findIndex(({ last }) => last >= from);
            const skipped = first < 0 ? stored.length : batches.slice(0, first).reduce((sum, b) => sum + b.bytes, 0);
            assert.deepEqual(concat(all.map(({ bytes }) => bytes)), stored.subarray(skipped));
            let next = first < 0 ? 400 : batches[first].first;
            for (const { shard, baseOffset, nextOffset, bytes } of all) {
              assert.equal(shard, 0);
              assert.equal(baseOffset, next);
              let count = 0;
              for (let at = 0; at < bytes.length; count++) {
                assert.equal(batchFault(bytes, at, bytes.length - at), undefined);
                const header = readHeader(bytes, at);
                assert.equal(header.baseOffset, next);
                next = header.lastOffset + 1;
                at += header.bytes;
              }
              assert.equal(nextOffset, next);
              assert.ok(count === 1 || bytes.length <= maxBytes);
            }
            assert.equal(next, 400);
          }),
          { numRuns: share(60) },
        ));
    }));

  it("come in few pieces where much fits into one", () =>
    useClosed(400, async (directory, files) => {
      await reopen(
        directory,
        { readOnly: true },
        async (log) => assert.equal((await ranges(log)).length, files.length),
      );
    }));

  it("begin with the batch of a time, of the end, of nothing", () =>
    useClosed(100, async (directory) => {
      await reopen(directory, { readOnly: true }, async (log) => {
        const [range] = await ranges(log, { from: new Date(1050) });
        assert.ok(range.baseOffset <= 50 && 50 < range.nextOffset);
        assert.equal((await ranges(log, { from: new Date(1050), maxBytes: 1 }))[0].baseOffset, range.baseOffset);
        assert.deepEqual(await ranges(log, { from: "latest" }), []);
        assert.deepEqual(await ranges(log, { from: new Date(9999) }), []);
        await fails("OFFSET_OUT_OF_RANGE", () => ranges(log, { from: 101 }));
      });
    }));

  it("can be appended to another log, whose records are the same", () =>
    useLog({}, async (log) => {
      const builder = new BatchBuilder();
      for (let i = 0; i < 50; i++) builder.add({ key: `k${i}`, value: `${i}` });
      log.shard(0).tryAppendBatch(builder.finish());
      await log.append({ value: "end" });
      await useLog({}, async (other) => {
        for await (const { bytes } of log.readRaw({ maxBytes: 1 })) other.shard(0).tryAppendBatch(bytes.slice());
        await other.flush();
        const values = async (log: Log) => (await Array.fromAsync(log.read())).map((record) => record.text());
        assert.deepEqual(await values(other), await values(log));
      });
    }));

  it("stay as they are for as long as they are held", () =>
    useClosed(400, async (directory, files) => {
      await reopen(directory, { readOnly: true }, async (log) => {
        const held = await ranges(log, { maxBytes: 1000 });
        for await (const _ of log.batches());
        assert.deepEqual(concat(held.map(({ bytes }) => bytes)), concat(files.map((file) => readFileSync(file))));
      });
    }));

  it("follow a log as it grows, over several segments, and end with it", () =>
    useDirectory(async (directory) => {
      const log = await openLog(directory, { ...OPTIONS, flushIntervalMs: 1 });
      const parts: Uint8Array[] = [];
      const run = (async () => {
        for await (const { bytes } of log.readRaw({ follow: true, maxBytes: 3000 })) parts.push(bytes);
      })();
      for (let i = 0; i < 200; i++) await log.append({ value: `${i}`.padEnd(100) });
      await log.close();
      await run;
      assert.deepEqual(concat(parts), concat(logFiles(directory).map((file) => readFileSync(file))));
    }));

  it("have the batches that no record comes of, too", () =>
    useClosed(60, async (directory, files) => {
      const [, batch] = batchesOf(files[0]);
      const content = new Uint8Array(readFileSync(files[0]));
      // The control bit of its attributes.
      content[batch.position + 22] |= 0x20;
      writeFileSync(files[0], content);
      reseal(files[0], batch);
      await reopen(directory, { readOnly: true }, async (log) => {
        const read = await Array.fromAsync(log.read());
        assert.equal(read.length, 60 - (batch.last - batch.first + 1));
        const bytes = concat((await ranges(log)).map(({ bytes }) => bytes));
        assert.deepEqual(bytes, concat(files.map((file) => readFileSync(file))));
        const [first] = await ranges(log, { from: batch.first, maxBytes: 1 });
        assert.deepEqual([first.baseOffset, first.nextOffset], [batch.first, batch.last + 1]);
      });
    }));

  it("stop at damage behind everything in front of it, or go on behind it", () =>
    useClosed(200, async (directory, files) => {
      const batch = batchesOf(files[1])[2];
      flip(files[1], batch.position + 70);
      await reopen(directory, OPTIONS, async (log) => {
        let next = 0;
        const error = await fails("CORRUPT_BATCH", async () => {
          for await (const range of log.readRaw()) next = range.nextOffset;
        });
        assert.equal(next, batch.first);
        assert.deepEqual(error.range, [batch.first, batch.last]);
        const gaps: [number, number][] = [];
        const onGap = ({ from, to }: { from: number; to: number }): void => void gaps.push([from, to]);
        const all = await ranges(log, { onCorrupt: "skip", onGap });
        assert.deepEqual(gaps, [[batch.first, batch.last]]);
        assert.equal(all.at(-1)!.nextOffset, 200);
        assert.ok(all.every(({ baseOffset, nextOffset }) => nextOffset <= batch.first || baseOffset > batch.last));
      });
    }));

  it("end with a signal, with return while they wait, and at once where the log is closed", () =>
    useLog({ shards: 2 }, async (log) => {
      await log.shard(0).flush();
      const controller = new AbortController();
      const waiting = log.readRaw({ shard: 0, follow: true, signal: controller.signal }).next();
      controller.abort(new Error("stop here"));
      await assert.rejects(waiting, /stop here/);
      const follower = log.readRaw({ shard: 1, follow: true });
      const step = follower.next();
      await follower.return!();
      assert.equal((await step).done, true);
      assert.throws(() => log.readRaw(), TypeError);
      assert.throws(() => log.readRaw({ shard: 2 }), RangeError);
      for (const maxBytes of [0, 1.5, 2 ** 27]) assert.throws(() => log.readRaw({ shard: 0, maxBytes }), RangeError);
      await assert.rejects(log.readRaw({ shard: 0, from: "yesterday" as "latest" }).next(), TypeError);
    }));
});
