/** One segment as it is written: what still fits into it, its rows, its end, and an index that may fail. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { Fault, MemoryVfs } from "../../adapters/memory.ts";
import { memoryVfs } from "../../adapters/memory.ts";
import type { End } from "../../src/anchor/end.ts";
import { emptyEnd } from "../../src/anchor/end.ts";
import { headerDigest, readHeader } from "../../src/batch/format.ts";
import { LoadedIndex } from "../../src/index/index_file.ts";
import type { IndexIdentity } from "../../src/index/rows.ts";
import { readSealRow, ROW_BYTES, rowLength } from "../../src/index/rows.ts";
import { SegmentWriter } from "../../src/segment/segment_writer.ts";
import { concat, referenceBatch, simpleBatch } from "../fixtures/reference_batch.ts";
import { announceSeed } from "../fixtures/seed.ts";

announceSeed("segment_writer_test");

const BASE = 1000;
const LOG = "shard/segment.log";
const INDEX = "shard/segment.idx";
const identity: IndexIdentity = { logId: new Uint8Array(16).fill(9), shard: 1, base: BASE };

async function begin(async: boolean | number = false): Promise<[MemoryVfs, SegmentWriter]> {
  const vfs = memoryVfs({ async });
  await vfs.makeDirectory("shard");
  const writer = await SegmentWriter.begin(identity, await vfs.open(LOG, "create"), await vfs.open(INDEX, "create"));
  return [vfs, writer];
}

/** Appends whole batches as a commit does. */
async function append(writer: SegmentWriter, ...batches: Uint8Array[]): Promise<void> {
  // Somewhere in a larger buffer, as batches are in a shard's memory.
  const body = concat(Uint8Array.of(1, 2, 3), ...batches, Uint8Array.of(4));
  await writer.body.settle(writer.body.write(body, 3, body.length - 1));
  await writer.appendRows(body, 3, body.length - 1);
}

/** A writer whose segment already has `position` bytes. */
function writerAt(position: number, base = BASE): SegmentWriter {
  const end: End = { ...emptyEnd(base), position };
  const nothing = () => assert.fail("room is asked for, nothing is written");
  const file = { read: nothing, write: nothing, size: nothing, truncate: nothing, sync: nothing, close: nothing };
  return new SegmentWriter({ ...identity, base }, file, undefined, end);
}

describe("the room of a segment", () => {
  const three = [simpleBatch(BASE, 1), simpleBatch(BASE + 1, 1), simpleBatch(BASE + 2, 1)];
  const size = three[0].length;
  const bytes = concat(...three);

  it("ends where a batch would pass segmentBytes, to the byte", () => {
    const cases: [position: number, segmentBytes: number, batches: number][] = [
      [10, 10 + 3 * size, 3],
      [10, 10 + 3 * size - 1, 2],
      [10, 10 + 2 * size, 2],
      [10, 10 + 2 * size - 1, 1],
      [10, 10 + size, 1],
      [10, 10 + size - 1, 0],
      [10, 10, 0],
      [10, 5, 0],
    ];
    for (const [position, segmentBytes, batches] of cases) {
      const room = writerAt(position).room(bytes, 0, bytes.length, segmentBytes);
      assert.equal(room, batches * size, `${position} of ${segmentBytes}`);
    }
  });

  it("is always enough for one batch in an empty segment, and then for no more", () => {
    assert.equal(writerAt(0).room(bytes, 0, bytes.length, 1), size);
    assert.equal(writerAt(0).room(bytes, size, bytes.length, size), size);
    assert.equal(writerAt(0).room(bytes, 0, bytes.length, 2 * size), 2 * size);
  });

  it("looks only at the part that is asked about", () => {
    const among = concat(new Uint8Array(7).fill(0xff), bytes, new Uint8Array(7).fill(0xff));
    assert.equal(writerAt(10).room(among, 7, 7 + bytes.length, 10 + 2 * size), 2 * size);
    assert.equal(writerAt(10).room(among, 7 + size, 7 + bytes.length, 10 + 2 * size), 2 * size);
    assert.equal(writerAt(10).room(among, 7, 7, 1000), 0);
  });

  it("ends where offsets would no longer fit into the 31 bits of Kafka's indexes [fault 58]", () => {
    const last = BASE + 2 ** 31 - 1;
    const cases: [first: number, count: number, fits: boolean][] = [
      [last, 1, true],
      [last + 1, 1, false],
      [last - 2, 3, true],
      [last - 1, 3, false],
    ];
    for (const [first, count, fits] of cases) {
      const batch = simpleBatch(first, count);
      assert.equal(
        writerAt(1).room(batch, 0, batch.length, 2 ** 31 - 1),
        fits ? batch.length : 0,
        `${first} + ${count}`,
      );
    }
    // One batch spans no more than that itself.
    const widest = referenceBatch({ baseOffset: BASE, lastOffsetDelta: 2 ** 31 - 1 });
    assert.equal(writerAt(0).room(widest, 0, widest.length, 1024), widest.length);
  });

  it("is what a batch after a batch would find", () => {
    fc.assert(fc.property(
      fc.array(fc.nat({ max: 300 }), { minLength: 1, maxLength: 12 }),
      fc.nat({ max: 2000 }),
      fc.integer({ min: 61, max: 4000 }),
      (sizes, position, segmentBytes) => {
        const list = sizes.map((size, i) => simpleBatch(BASE + i, 1, "v".repeat(size)));
        let expected = 0;
        for (const batch of list) {
          const at = position + expected;
          if (at > 0 && at + batch.length > segmentBytes) break;
          expected += batch.length;
        }
        const all = concat(...list);
        assert.equal(writerAt(position).room(all, 0, all.length, segmentBytes), expected);
      },
    ));
  });
});

describe("a segment writer", () => {
  const batches = [
    simpleBatch(BASE, 2, "a", { baseTimestamp: 500 }),
    simpleBatch(BASE + 2, 1, "bb", { baseTimestamp: 300 }),
    referenceBatch({ baseOffset: BASE + 3, lastOffsetDelta: 4, baseTimestamp: -1 }),
    simpleBatch(BASE + 8, 3, "c", { baseTimestamp: 400 }),
  ];

  it("writes batches one behind the other and knows where it ends", async () => {
    const [vfs, writer] = await begin();
    assert.deepEqual(writer.end, { ...emptyEnd(BASE), indexPosition: ROW_BYTES });
    let position = 0;
    let maxTimestamp = -1;
    for (const [i, batch] of batches.entries()) {
      await append(writer, batch);
      const header = readHeader(batch, 0);
      maxTimestamp = Math.max(maxTimestamp, header.maxTimestamp);
      assert.deepEqual(writer.end, {
        segment: BASE,
        nextOffset: header.lastOffset + 1,
        position: position + batch.length,
        indexPosition: (i + 2) * ROW_BYTES,
        last: { baseOffset: header.baseOffset, position, crc: header.crc },
        lastTimestamp: header.maxTimestamp,
        maxTimestamp,
      });
      position += batch.length;
    }
    await writer.sync();
    await writer.close();
    assert.deepEqual(vfs.readWhole(LOG), concat(...batches));
    assert.deepEqual(vfs.violations, []);
  });

  it("ends the same, and has the same rows, when several batches come at once", async () => {
    const [oneByOne, one] = await begin();
    for (const batch of batches) await append(one, batch);
    const [together, all] = await begin(true);
    await append(all, ...batches);
    assert.deepEqual(all.end, one.end);
    for (const path of [LOG, INDEX]) assert.deepEqual(together.readWhole(path), oneByOne.readWhole(path));
  });

  it("writes rows that readers believe, however many come at once", async () => {
    const many = Array.from({ length: 700 }, (_, i) => simpleBatch(BASE + i, 1, "v".repeat(i), { baseTimestamp: i }));
    const [vfs, writer] = await begin();
    await append(writer, ...many.slice(0, 16));
    await append(writer, ...many.slice(16, 33));
    await append(writer, ...many.slice(33));
    await writer.seal();
    const index = new LoadedIndex(identity, false);
    await index.readRows(vfs, INDEX, writer.end.position);
    assert.equal(index.broken, false);
    assert.deepEqual([index.position, index.nextOffset], [writer.end.position, BASE + 700]);
    assert.equal(index.samples.batches, 700);
    assert.equal(index.samples.maxTimestamp, 699);
  });

  it("seals the index with what the segment has become", async () => {
    for (const count of [0, 1, batches.length]) {
      const [vfs, writer] = await begin();
      for (const batch of batches.slice(0, count)) await append(writer, batch);
      const { position, nextOffset, maxTimestamp, indexPosition } = writer.end;
      await writer.seal();
      const index = vfs.readWhole(INDEX);
      assert.equal(index.length, indexPosition + ROW_BYTES);
      assert.equal(rowLength(index, indexPosition), ROW_BYTES);
      assert.deepEqual(readSealRow(index, indexPosition), {
        nextOffset,
        logBytes: position,
        rowPosition: indexPosition,
        maxTimestamp,
        lastDigest: count === 0 ? 0 : headerDigest(batches[count - 1], 0),
      });
    }
  });

  it("does without an index from the start", async () => {
    const vfs = memoryVfs();
    await vfs.makeDirectory("shard");
    const writer = await SegmentWriter.begin(identity, await vfs.open(LOG, "create"), undefined);
    await append(writer, ...batches);
    await writer.seal();
    assert.deepEqual(vfs.readWhole(LOG), concat(...batches));
    assert.equal(writer.end.indexPosition, 0);
    await writer.close();
  });
});

describe("an index that cannot be written", () => {
  const batches = Array.from({ length: 4 }, (_, i) => simpleBatch(BASE + i, 1));
  const faults: Fault[] = [
    { kind: "errorBefore", code: "NO_SPACE" },
    { kind: "errorAfter" },
    { kind: "shortWrite", bytes: "half" },
  ];
  for (const fault of faults) {
    for (const async of [false, true]) {
      it(`ends where it is, and the log goes on: ${fault.kind}, answered ${async ? "later" : "at once"}`, async () => {
        for (let nth = 1; nth <= batches.length + 1; nth++) {
          const vfs = memoryVfs({ async });
          await vfs.makeDirectory("shard");
          vfs.plan({ operation: { kind: "write", path: /idx/, nth }, fault });
          let indexWrites = 0;
          vfs.onOperation(({ kind, path }) => {
            if (kind === "write" && path === INDEX) indexWrites++;
          });
          const log = await vfs.open(LOG, "create");
          const writer = await SegmentWriter.begin(identity, log, await vfs.open(INDEX, "create"));
          for (const batch of batches) await append(writer, batch);
          await writer.seal();
          assert.equal(indexWrites, nth, "nothing is written behind a row that is missing");
          assert.equal(writer.end.indexPosition, (nth - 1) * ROW_BYTES);
          assert.equal(writer.end.nextOffset, BASE + batches.length);
          assert.deepEqual(vfs.readWhole(LOG), concat(...batches));
          await writer.close();
          assert.deepEqual(vfs.violations, []);
          const index = new LoadedIndex(identity, false);
          await index.readRows(vfs, INDEX, writer.end.position);
          assert.ok(index.position <= nth * batches[0].length);
        }
      });
    }
  }
});

describe("a log that cannot be written", () => {
  it("fails, and the end stays", async () => {
    for (const async of [false, true]) {
      const [vfs, writer] = await begin(async);
      await append(writer, simpleBatch(BASE, 1));
      const before = writer.end;
      vfs.plan({ operation: { kind: "write", path: /log/ }, fault: { kind: "shortWrite", bytes: "half" } });
      await assert.rejects(append(writer, simpleBatch(BASE + 1, 1)), { code: "IO" });
      assert.deepEqual(writer.end, before);
    }
  });
});
