/** What proves a damaged batch header, and what does not. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { memoryVfs } from "../../adapters/memory.ts";
import { BatchBuilder } from "../../src/batch/batch_builder.ts";
import { crc32c } from "../../src/batch/crc32c.ts";
import {
  BASE_TIMESTAMP_AT,
  CRC_AT,
  CRC_FROM,
  HEADER_BYTES,
  headerDigest,
  LAST_OFFSET_DELTA_AT,
  patchBatch,
  RECORDS_COUNT_AT,
} from "../../src/batch/format.ts";
import { readU32, writeI32, writeI64 } from "../../src/bytes.ts";
import { readBatchRow, ROW_BYTES, writeBatchRow } from "../../src/index/rows.ts";
import { crcOfRange, likelyEpoch, proveByChecksum, proveByEnd, proveByRow } from "../../src/recovery/rebuild_header.ts";
import { boundsAlone, SegmentProbe } from "../../src/recovery/rebuild_probe.ts";
import type { VfsFile } from "../../src/vfs.ts";

const EPOCHS = { low: 1, high: 3 };

/** A batch of three records at offset 40, of epoch 2. */
function batch(change: (bytes: Uint8Array) => void = () => {}): Uint8Array {
  const builder = new BatchBuilder();
  for (const value of ["a", "b", "c"]) builder.add({ value, timestamp: 1_760_000_000_000 });
  const bytes = builder.finish();
  patchBatch(bytes, 0, 40, 2);
  change(bytes);
  writeI32(bytes, CRC_AT, crc32c(bytes, CRC_FROM, bytes.length));
  return bytes;
}

async function fileOf(bytes: Uint8Array): Promise<VfsFile> {
  const vfs = memoryVfs();
  vfs.writeWhole("/f", bytes);
  return await vfs.open("/f", "read");
}

function rowOf(bytes: Uint8Array): NonNullable<ReturnType<typeof readBatchRow>> {
  const row = new Uint8Array(ROW_BYTES);
  writeBatchRow(row, 0, bytes, 0, 0, -1);
  return readBatchRow(row, 0)!;
}

/** Headers that no writer makes, although every checksum of them is right. */
const IMPOSSIBLE: readonly [string, (bytes: Uint8Array) => void][] = [
  ["more records than offsets", (bytes) => writeI32(bytes, RECORDS_COUNT_AT, 4)],
  ["a timestamp out of range", (bytes) => writeI64(bytes, BASE_TIMESTAMP_AT, 2 ** 60)],
];

describe("a damaged header", () => {
  it("is proven by its row, an end, or its own checksum, whichever of its free fields is wrong", async () => {
    const good = batch();
    const bad = good.slice();
    patchBatch(bad, 0, 41, 7);
    const file = await fileOf(bad);
    const raw = bad.subarray(0, HEADER_BYTES);
    const size = good.length;
    const last = { baseOffset: 40, position: 0, crc: readU32(good, CRC_AT) };
    const end = {
      segment: 40,
      nextOffset: 43,
      position: size,
      indexPosition: 0,
      last,
      lastTimestamp: 0,
      maxTimestamp: 0,
    };
    const exact = { low: 2, high: 2 };
    assert.deepEqual((await proveByRow(file, raw, rowOf(good), size, EPOCHS))?.header, good.subarray(0, HEADER_BYTES));
    assert.deepEqual((await proveByEnd(file, raw, end, size, exact))?.header, good.subarray(0, HEADER_BYTES));
    assert.deepEqual(
      (await proveByChecksum(file, 0, raw, 40, size, exact))?.header,
      good.subarray(0, HEADER_BYTES),
    );
  });

  it("is not proven by what lies behind the end of the file, or speaks of no batch", async () => {
    const good = batch();
    const raw = good.subarray(0, HEADER_BYTES);
    const short = await fileOf(good.subarray(0, good.length - 1));
    assert.equal(await crcOfRange(short, 0, good.length), undefined);
    assert.equal(await proveByRow(short, raw, rowOf(good), good.length - 1, EPOCHS), undefined);
    // The segment's size was taken before the file became shorter.
    assert.equal(await proveByRow(short, raw, rowOf(good), good.length, EPOCHS), undefined);
    const end = {
      segment: 40,
      nextOffset: 43,
      position: good.length,
      indexPosition: 0,
      lastTimestamp: 0,
      maxTimestamp: 0,
    };
    const last = { baseOffset: 40, position: 0, crc: readU32(good, CRC_AT) };
    assert.equal(await proveByEnd(short, raw, { ...end, last: undefined }, good.length, EPOCHS), undefined);
    assert.equal(await proveByEnd(short, raw, { ...end, last }, good.length - 1, EPOCHS), undefined);
    assert.equal(await proveByEnd(short, raw, { ...end, last }, good.length, EPOCHS), undefined);
    const behind = { ...last, position: good.length - 10 };
    assert.equal(await proveByEnd(short, raw, { ...end, last: behind }, good.length, EPOCHS), undefined);
  });

  for (const [what, change] of IMPOSSIBLE) {
    it(`is not restored to one that cannot be, whatever proves it: ${what}`, async () => {
      const impossible = batch(change);
      const bad = impossible.slice();
      patchBatch(bad, 0, 41, 2);
      const file = await fileOf(bad);
      const row = { ...rowOf(batch()), digest: headerDigest(impossible, 0), bytes: impossible.length };
      assert.equal(await proveByRow(file, bad.subarray(0, HEADER_BYTES), row, bad.length, EPOCHS), undefined);
      assert.equal(
        await proveByChecksum(file, 0, bad.subarray(0, HEADER_BYTES), 40, bad.length, EPOCHS),
        undefined,
      );
    });
  }

  it("whose row was made with an epoch that cannot be is not restored", async () => {
    const good = batch();
    const bad = good.slice();
    patchBatch(bad, 0, 41, 2);
    const file = await fileOf(bad);
    assert.equal(
      await proveByRow(file, bad.subarray(0, HEADER_BYTES), rowOf(good), bad.length, { low: 3, high: 3 }),
      undefined,
    );
  });
});

describe("the likely epoch of a batch", () => {
  it("is the one it says, else the one flipped bit that explains it, else the lowest", () => {
    assert.equal(likelyEpoch(2, { low: 1, high: 3 }), 2);
    assert.equal(likelyEpoch(0x0100_0002, { low: 2, high: 3 }), 2);
    assert.equal(likelyEpoch(0, { low: 1, high: 3 }), 1);
    assert.equal(likelyEpoch(0x7fff_ffff, { low: 1, high: 3 }), 1);
  });
});

describe("what stands at a place of a segment", () => {
  it("is nothing where the file became shorter than it was", async () => {
    const good = batch();
    const probe = new SegmentProbe(await fileOf(good.subarray(0, 40)), boundsAlone(good.length));
    assert.equal(await probe.header(0), undefined);
    assert.equal(await probe.intactAt(0), undefined);
    assert.equal(await probe.epochAt(0, 40), undefined);
    assert.equal(await probe.continuesAt(0, 40), false);
  });

  it("is a batch only with a right checksum, and has an epoch only where its offset is the expected one", async () => {
    const good = batch();
    const probe = new SegmentProbe(await fileOf(good), boundsAlone(good.length));
    assert.deepEqual(await probe.intactAt(0), {
      baseOffset: 40,
      lastOffset: 42,
      bytes: good.length,
      epoch: 2,
      digest: headerDigest(good, 0),
    });
    assert.deepEqual([await probe.epochAt(0, 40), await probe.epochAt(0, 41)], [2, undefined]);
    const bad = good.slice();
    bad[LAST_OFFSET_DELTA_AT + 3] ^= 1;
    assert.equal(await new SegmentProbe(await fileOf(bad), boundsAlone(bad.length)).intactAt(0), undefined);
  });

  it("goes on in the next segment, which has to begin with the next offset", async () => {
    const good = batch();
    const bounds = { ...boundsAlone(good.length), nextBase: 43, nextEpoch: 3 };
    const probe = new SegmentProbe(await fileOf(good), bounds);
    assert.deepEqual([await probe.epochAt(good.length, 43), await probe.epochAt(good.length, 44)], [3, undefined]);
    assert.deepEqual([await probe.continuesAt(good.length, 43), await probe.continuesAt(good.length, 44)], [
      true,
      false,
    ]);
    assert.equal(await probe.continuesAt(0, 43), false, "no batch of a segment has an offset of the next one");
  });
});
