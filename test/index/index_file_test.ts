/** An `.idx` is believed as far as it is right; whatever is wrong with it, lookups are the same. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { memoryVfs } from "../../adapters/memory.ts";
import type { MemoryVfs } from "../../adapters/memory.ts";
import { batchBytesAt } from "../../src/batch/format.ts";
import { LoadedIndex } from "../../src/index/index_file.ts";
import type { IndexIdentity } from "../../src/index/rows.ts";
import { ROW_BYTES, writeBatchRow, writeFileHeaderRow, writeSealRow } from "../../src/index/rows.ts";
import { walkBatches } from "../../src/segment/walk.ts";
import { concat, referenceBatch, referenceCrc, simpleBatch } from "../fixtures/reference_batch.ts";

const BASE = 5000;
const identity: IndexIdentity = { logId: new Uint8Array(16).fill(7), shard: 2, base: BASE };
const LOG = "shard/segment.log";
const INDEX = "shard/segment.idx";

/** A `.log` and the `.idx` that belongs to it. */
interface Segment {
  readonly log: Uint8Array;
  readonly index: Uint8Array;
  readonly batches: readonly { readonly base: number; readonly next: number; readonly end: number }[];
}

/** Batches of different sizes and times, one of them without records; `hole` offsets are left out before each. */
function makeSegment(count: number, valueBytes: number, hole = 0): Segment {
  const parts: Uint8Array[] = [];
  const rows = new Uint8Array((count + 1) * ROW_BYTES);
  writeFileHeaderRow(rows, 0, identity);
  const batches = [];
  let base = BASE;
  let position = 0;
  let maximum = -1;
  for (let i = 0; i < count; i++) {
    base += hole;
    const batch = i % 7 === 3
      ? referenceBatch({ baseOffset: base, lastOffsetDelta: 4, baseTimestamp: -1 })
      : simpleBatch(base, 1 + i % 3, "v".repeat(valueBytes), { baseTimestamp: 1000 + (i * 37) % 50 });
    maximum = writeBatchRow(rows, (i + 1) * ROW_BYTES, batch, 0, position, maximum);
    parts.push(batch);
    const next = base + (i % 7 === 3 ? 5 : 1 + i % 3);
    position += batch.length;
    batches.push({ base, next, end: position });
    base = next;
  }
  return { log: concat(...parts), index: rows, batches };
}

function machineWith(segment: Segment, index: Uint8Array | undefined = segment.index): MemoryVfs {
  const vfs = memoryVfs();
  vfs.writeWhole(LOG, segment.log);
  if (index !== undefined) vfs.writeWhole(INDEX, index);
  return vfs;
}

function samplesOf(index: LoadedIndex): unknown {
  const { samples } = index;
  return {
    samples: Array.from({ length: samples.length }, (_, i) => samples.sample(i)),
    maxTimestamp: samples.maxTimestamp,
    batches: samples.batches,
    position: index.position,
    nextOffset: index.nextOffset,
  };
}

/** Loads an index up to `limit`: rows first, the rest from the `.log`. */
async function load(vfs: MemoryVfs, limit: number, holes = false): Promise<LoadedIndex> {
  const index = new LoadedIndex(identity, holes);
  await index.readRows(vfs, INDEX, limit);
  await index.complete(limit, (from, to, visit) => walkBatches(vfs, LOG, from, to, visit));
  return index;
}

/** What the `.log` alone gives. */
async function rebuilt(segment: Segment, limit = segment.log.length, holes = false): Promise<unknown> {
  const vfs = machineWith(segment);
  vfs.removeWhole(INDEX);
  const index = await load(vfs, limit, holes);
  assert.equal(index.broken, true);
  return samplesOf(index);
}

const segment = makeSegment(12, 3000);

describe("a loaded index", () => {
  it("is the same from its rows and from the log", async () => {
    for (const [count, bytes] of [[1, 10], [12, 3000], [40, 800], [5000, 10]]) {
      const some = makeSegment(count, bytes);
      const index = new LoadedIndex(identity, false);
      await index.readRows(machineWith(some), INDEX, some.log.length);
      assert.deepEqual(samplesOf(index), await rebuilt(some), `${count} batches`);
      assert.deepEqual([index.broken, index.rowPosition], [false, some.index.length]);
    }
  });

  it("reads no further than the log is readable, and goes on from there [fault 20]", async () => {
    const vfs = machineWith(segment);
    const index = new LoadedIndex(identity, false);
    for (const [i, { next, end }] of segment.batches.entries()) {
      await index.readRows(vfs, INDEX, end);
      assert.deepEqual([index.position, index.nextOffset, index.broken], [end, next, false]);
      assert.equal(index.rowPosition, (i + 2) * ROW_BYTES);
      assert.deepEqual(samplesOf(index), await rebuilt(segment, end));
    }
  });

  it("is completed from the log where rows are still missing", async () => {
    for (let rows = 0; rows <= segment.batches.length; rows++) {
      const vfs = machineWith(segment, segment.index.subarray(0, (1 + rows) * ROW_BYTES));
      assert.deepEqual(samplesOf(await load(vfs, segment.log.length)), await rebuilt(segment), `${rows} rows`);
    }
  });

  it("gives the same lookups with any bit of the file flipped [fault 28]", async () => {
    const small = makeSegment(4, 300);
    const expected = await rebuilt(small);
    for (let bit = 0; bit < small.index.length * 8; bit++) {
      const flipped = small.index.slice();
      flipped[bit >> 3] ^= 1 << (bit & 7);
      const index = await load(machineWith(small, flipped), small.log.length);
      assert.deepEqual(samplesOf(index), expected, `bit ${bit}`);
      // What stands in front of the damage is kept; nothing behind it is believed.
      const row = Math.floor(bit / 8 / ROW_BYTES);
      assert.deepEqual([index.broken, index.rowPosition], [true, row * ROW_BYTES], `bit ${bit}`);
    }
  });

  it("gives the same lookups wherever the file is cut", async () => {
    const expected = await rebuilt(segment);
    for (let length = 0; length < segment.index.length; length++) {
      const index = await load(machineWith(segment, segment.index.subarray(0, length)), segment.log.length);
      assert.deepEqual(samplesOf(index), expected, `cut to ${length}`);
    }
  });

  it("gives the same lookups from no file, zeros, and another segment's file", async () => {
    const expected = await rebuilt(segment);
    const foreign = new Uint8Array(segment.index);
    writeFileHeaderRow(foreign, 0, { ...identity, base: BASE + 1 });
    for (const bytes of [new Uint8Array(0), new Uint8Array(5000), foreign, segment.log]) {
      const index = await load(machineWith(segment, bytes), segment.log.length);
      assert.deepEqual(samplesOf(index), expected);
      assert.deepEqual([index.broken, index.rowPosition], [true, 0]);
    }
  });
});

describe("an intact row that does not fit", () => {
  const expected = rebuilt(segment);

  /** The index with row `i` (from 0) made anew. */
  function withRow(i: number, batch: Uint8Array, position: number): Uint8Array {
    const rows = segment.index.slice();
    writeBatchRow(rows, (i + 1) * ROW_BYTES, batch, 0, position, 2000);
    return rows;
  }

  async function checkStopsAt(i: number, rows: Uint8Array): Promise<void> {
    const index = await load(machineWith(segment, rows), segment.log.length);
    assert.deepEqual(samplesOf(index), await expected);
    assert.deepEqual([index.broken, index.rowPosition], [true, (i + 1) * ROW_BYTES]);
  }

  it("is not believed: another position, another offset, a batch that reaches over the end [fault 22]", async () => {
    const { end, next } = segment.batches[4];
    for (const by of [-1, 1, 100]) await checkStopsAt(5, withRow(5, simpleBatch(next, 1), end + by));
    for (const by of [-1, 1, 100]) await checkStopsAt(5, withRow(5, simpleBatch(next + by, 1), end));
    const last = segment.batches.length - 1;
    const before = segment.batches[last - 1];
    await checkStopsAt(last, withRow(last, simpleBatch(before.next, 1, "v".repeat(9500)), before.end));
  });

  it("is not believed where it comes twice, or one before it is missing", async () => {
    const third = segment.index.subarray(3 * ROW_BYTES, 4 * ROW_BYTES);
    await checkStopsAt(
      3,
      concat(segment.index.subarray(0, 4 * ROW_BYTES), third, segment.index.subarray(4 * ROW_BYTES)),
    );
    await checkStopsAt(2, concat(segment.index.subarray(0, 3 * ROW_BYTES), segment.index.subarray(4 * ROW_BYTES)));
  });
});

describe("rows of other kinds", () => {
  it("are passed over by their length: a seal, and what a newer version may write", async () => {
    const unknown = (length: number) => {
      const row = new Uint8Array(length).fill(0x77);
      const view = new DataView(row.buffer);
      view.setUint16(0, length);
      row[2] = 99;
      view.setUint32(4, 0);
      view.setUint32(4, referenceCrc(row));
      return row;
    };
    const sealed = new Uint8Array(ROW_BYTES);
    writeSealRow(sealed, 0, { nextOffset: 0, logBytes: 0, rowPosition: 0, maxTimestamp: 0, lastDigest: 0 });
    const row = (i: number) => segment.index.subarray(i * ROW_BYTES, (i + 1) * ROW_BYTES);
    const rows = concat(
      row(0),
      unknown(8),
      row(1),
      // More than one read takes, so that rows are cut by its end.
      ...Array.from({ length: 5 }, () => unknown(65_528)),
      row(2),
      unknown(4096),
      segment.index.subarray(3 * ROW_BYTES),
      sealed,
    );
    const index = new LoadedIndex(identity, false);
    await index.readRows(machineWith(segment, rows), INDEX, segment.log.length);
    assert.deepEqual(samplesOf(index), await rebuilt(segment));
    assert.equal(index.broken, false);
  });
});

describe("holes between batches", () => {
  const some = makeSegment(20, 1000, 3);

  it("are taken only where the log may have them", async () => {
    const vfs = machineWith(some);
    const strict = new LoadedIndex(identity, false);
    await strict.readRows(vfs, INDEX, some.log.length);
    assert.deepEqual([strict.broken, strict.position], [true, 0]);
    const loose = new LoadedIndex(identity, true);
    await loose.readRows(vfs, INDEX, some.log.length);
    assert.deepEqual([loose.broken, loose.position], [false, some.log.length]);
    assert.deepEqual(samplesOf(loose), await rebuilt(some, some.log.length, true));
  });
});

describe("the log behind the rows", () => {
  it("is walked only as far as it is intact", async () => {
    const log = segment.log.slice();
    const { end } = segment.batches[7];
    log[end + batchBytesAt(log, end) - 1] ^= 1;
    const index = await load(machineWith({ ...segment, log }, new Uint8Array(0)), log.length);
    assert.deepEqual([index.position, index.nextOffset], [end, segment.batches[7].next]);
  });

  it("is taken in only as far as the offsets go on: the checksum does not cover them", async () => {
    const { end, next } = segment.batches[7];
    for (const bit of [0, 1, 7]) {
      const log = segment.log.slice();
      log[end + 7] ^= 1 << bit;
      const vfs = machineWith({ ...segment, log }, new Uint8Array(0));
      const index = await load(vfs, log.length);
      assert.deepEqual([index.position, index.nextOffset], [end, next]);
      assert.deepEqual(samplesOf(index), await rebuilt(segment, end));
    }
  });
});
