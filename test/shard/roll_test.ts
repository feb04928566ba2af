import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { BatchBuilder, type OpenOptions } from "../../mod.ts";
import { HEADER_BYTES, readHeader } from "../../src/batch/format.ts";
import { readBatchRow, readSealRow, ROW_BATCH, ROW_BYTES, ROW_SEAL, rowLength, rowType } from "../../src/index/rows.ts";
import { collect, filled, namesIn, reopen, take, texts, useDirectory } from "../helpers.ts";
import { ControlledVfs, Gate } from "./controlled_vfs.ts";

const OPTIONS: OpenOptions = { topic: "log", segmentBytes: 4000, batchBytes: 1000, flushIntervalMs: Infinity };

interface Segment {
  readonly base: number;
  readonly bytes: number;
  readonly batches: { base: number; last: number; position: number; bytes: number; epoch: number }[];
}

/** The segments of shard 0 as they are on disk. */
function segmentsIn(directory: string): Segment[] {
  return namesIn(join(directory, "log-0"), ".log").map((name) => {
    const content = new Uint8Array(readFileSync(join(directory, "log-0", name)));
    const batches: Segment["batches"] = [];
    for (let position = 0; position < content.length;) {
      const { baseOffset, lastOffset, bytes, epoch } = readHeader(content, position);
      batches.push({ base: baseOffset, last: lastOffset, position, bytes, epoch });
      position += bytes;
    }
    return { base: Number(name.slice(0, -4)), bytes: content.length, batches };
  });
}

/** Checks names, sizes and continuity of what is on disk, and answers it. */
function checkSegments(directory: string, segmentBytes: number): Segment[] {
  const segments = segmentsIn(directory);
  let next = 0;
  for (const { base, bytes, batches } of segments) {
    assert.equal(base, next, "a segment bears the offset of its first record");
    assert.ok(bytes <= segmentBytes || batches.length === 1, `${bytes} bytes in ${batches.length} batches`);
    for (const batch of batches) {
      assert.equal(batch.base, next);
      next = batch.last + 1;
    }
  }
  return segments;
}

async function fill(directory: string, count: number, options: OpenOptions = OPTIONS): Promise<void> {
  await reopen(directory, options, async (log) => {
    const shard = log.shard(0);
    for (let i = 0; i < count; i++) {
      take(shard, { value: `${shard.nextOffset}`.padEnd(150), timestamp: 1000 + i });
      if (i % 5 === 4) await shard.flush();
    }
  });
}

describe("a segment", () => {
  it("ends before it exceeds segmentBytes, and the next one bears the next offset", () =>
    useDirectory(async (directory) => {
      await fill(directory, 200);
      const segments = checkSegments(directory, 4000);
      assert.ok(segments.length >= 8, String(segments.length));
      assert.ok(segments.slice(0, -1).every(({ bytes }) => bytes > 3000), "segments are filled");
      assert.match(namesIn(join(directory, "log-0"), ".log")[1], /^\d{20}\.log$/);
      assert.deepEqual(
        namesIn(join(directory, "log-0"), ".idx"),
        namesIn(join(directory, "log-0"), ".log").map((name) => name.replace(".log", ".idx")),
      );
    }));

  it("goes on over several openings, and reads as one", () =>
    useDirectory(async (directory) => {
      for (let round = 0; round < 4; round++) await fill(directory, 37);
      checkSegments(directory, 4000);
      await reopen(directory, OPTIONS, async (log) => {
        const values = await texts(log.read());
        assert.deepEqual(values, Array.from({ length: 4 * 37 }, (_, i) => `${i}`.padEnd(150)));
        assert.equal(log.recovery[0].verdict, "clean");
        const tail = await collect(log.read({ from: 100 }));
        assert.deepEqual(tail.map(({ offset }) => offset), Array.from({ length: 48 }, (_, i) => 100 + i));
      });
      const epochs = segmentsIn(directory).flatMap(({ batches }) => batches.map(({ epoch }) => epoch));
      assert.deepEqual([...new Set(epochs)], [1, 2, 3, 4], "each opening that appends has an epoch of its own");
    }));

  it("is indexed batch by batch, and a finished one ends with a seal row", () =>
    useDirectory(async (directory) => {
      await fill(directory, 100);
      const segments = segmentsIn(directory);
      for (const [i, segment] of segments.entries()) {
        const name = `${String(segment.base).padStart(20, "0")}.idx`;
        const rows = new Uint8Array(readFileSync(join(directory, "log-0", name)));
        const batches: unknown[] = [];
        let sealed = false;
        let maximum = 0;
        for (let at = ROW_BYTES; at < rows.length; at += rowLength(rows, at)) {
          assert.equal(rowLength(rows, at), ROW_BYTES, `an intact row at ${at}`);
          assert.ok(!sealed, "nothing follows a seal row");
          if (rowType(rows, at) === ROW_BATCH) {
            const { baseOffset, lastOffset, position, bytes, runningMaxTimestamp } = readBatchRow(rows, at)!;
            batches.push({ base: baseOffset, last: lastOffset, position, bytes });
            maximum = runningMaxTimestamp;
          } else {
            assert.equal(rowType(rows, at), ROW_SEAL);
            const seal = readSealRow(rows, at);
            assert.equal(seal.nextOffset, segment.batches.at(-1)!.last + 1);
            assert.equal(seal.logBytes, segment.bytes);
            assert.equal(seal.rowPosition, at);
            assert.equal(seal.maxTimestamp, maximum);
            sealed = true;
          }
        }
        assert.deepEqual(
          batches,
          segment.batches.map(({ base, last, position, bytes }) => ({ base, last, position, bytes })),
        );
        assert.equal(sealed, i < segments.length - 1);
      }
    }));

  it("holds a batch larger than itself alone", () =>
    useDirectory(async (directory) => {
      const sizes = [100, 9000, 100, 100, 20_000, 20_000, 100];
      await reopen(directory, OPTIONS, async (log) => {
        for (const [i, size] of sizes.entries()) take(log.shard(0), { value: filled(size, i) });
        await log.flush();
        assert.deepEqual(
          (await collect(log.read())).map(({ value }) => value),
          sizes.map((size, i) => filled(size, i)),
        );
      });
      const segments = checkSegments(directory, 4000);
      assert.deepEqual(segments.map(({ base }) => base), [0, 1, 2, 4, 5, 6]);
      await reopen(directory, OPTIONS, async (log) => {
        assert.equal((await collect(log.read())).length, sizes.length);
      });
    }));

  it("takes a record larger than batchBytes in a batch of its own", () =>
    useDirectory(async (directory) => {
      await reopen(directory, { ...OPTIONS, segmentBytes: 10_000_000 }, (log) => {
        for (const size of [100, 1_200_000, 100]) take(log.shard(0), { value: filled(size, 1) });
      });
      const [{ batches }] = segmentsIn(directory);
      assert.deepEqual(batches.map(({ base, last }) => [base, last]), [[0, 0], [1, 1], [2, 2]]);
      assert.ok(batches[1].bytes > 1_200_000 && batches[0].bytes < 1000 && batches[2].bytes < 1000);
    }));

  it("never cuts a ready-made batch", () =>
    useDirectory(async (directory) => {
      await reopen(directory, OPTIONS, (log) => {
        for (let i = 0; i < 20; i++) {
          const builder = new BatchBuilder();
          for (let k = 0; k < 9; k++) builder.add({ value: filled(150, k) });
          assert.equal(log.shard(0).tryAppendBatch(builder.finish()), 9 * i);
        }
      });
      const batches = checkSegments(directory, 4000).flatMap((segment) => segment.batches);
      assert.deepEqual(batches.map(({ base }) => base), Array.from({ length: 20 }, (_, i) => 9 * i));
    }));

  it("has batches of at most batchBytes", () =>
    useDirectory(async (directory) => {
      await fill(directory, 100);
      for (const { batches } of segmentsIn(directory)) {
        for (const { bytes } of batches) assert.ok(bytes <= 1000 && bytes > HEADER_BYTES, String(bytes));
      }
    }));

  it("is written in large pieces: a flush of many batches is one write a segment", () =>
    useDirectory(async (directory) => {
      const vfs = new ControlledVfs();
      await reopen(directory, { ...OPTIONS, vfs }, async (log) => {
        for (let i = 0; i < 100; i++) take(log.shard(0), { value: filled(150, i) });
        await log.flush();
        assert.equal(vfs.count("write", ".log"), segmentsIn(directory).length);
      });
    }));
});

describe("rolling", () => {
  it("does not wait for the sync of the finished segment, but the next roll does", () =>
    useDirectory(async (directory) => {
      const gate = new Gate();
      const vfs = new ControlledVfs(({ kind, path }) =>
        kind === "sync" && path.endsWith("00.log") ? gate.passed : undefined
      );
      await reopen(directory, { ...OPTIONS, vfs, flushIntervalMs: 1 }, async (log) => {
        const append = (): Promise<unknown> => log.append({ value: filled(3000, 1) });
        await append();
        await append();
        const third = append();
        await new Promise((resolve) => setTimeout(resolve, 40));
        assert.equal(log.shard(0).written, 2, "at most one finished segment is unsynced");
        gate.open();
        await third;
        assert.equal(log.shard(0).written, 3);
      });
    }));

  it("keeps what was published readable while the next segment fills", () =>
    useDirectory(async (directory) => {
      await reopen(directory, OPTIONS, async (log) => {
        for (let i = 0; i < 60; i++) {
          take(log.shard(0), { value: `${i}`.padEnd(300) });
          await log.flush();
          assert.deepEqual((await texts(log.read({ last: 3 }))).at(-1), `${i}`.padEnd(300));
          const first = log.read({ limit: 1 });
          assert.equal((await first.next()).value.offset, 0);
        }
      });
    }));
});
