/** Rows of an `.idx`: the documented bytes, and no damaged row is believed. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HEADER_BYTES, readHeader } from "../../src/batch/format.ts";
import {
  isFileHeaderRow,
  readBatchRow,
  readSealRow,
  ROW_BATCH,
  ROW_BYTES,
  ROW_FILE_HEADER,
  ROW_SEAL,
  rowLength,
  rowType,
  writeBatchRow,
  writeFileHeaderRow,
  writeSealRow,
} from "../../src/index/rows.ts";
import type { IndexIdentity, SealRow } from "../../src/index/rows.ts";
import { GOLDEN_BATCHES, goldenBytes } from "../fixtures/kafka_batches.ts";
import { concat, referenceBatch, referenceCrc, simpleBatch } from "../fixtures/reference_batch.ts";

const identity: IndexIdentity = {
  logId: Uint8Array.from({ length: 16 }, (_, i) => i + 1),
  shard: 0x8001,
  base: 2 ** 40 + 5,
};
const NOISE = 0xee;

/** A row as docs/format.md has it. */
function documentedRow(type: number, fill: (view: DataView, row: Uint8Array) => void, length = ROW_BYTES): Uint8Array {
  const row = new Uint8Array(length);
  const view = new DataView(row.buffer);
  view.setUint16(0, length);
  row[2] = type;
  fill(view, row);
  view.setUint32(4, referenceCrc(row));
  return row;
}

/** Runs `write` at a place that is full of other bytes, and answers the row; nothing around it may change. */
function written(write: (into: Uint8Array, at: number) => unknown): Uint8Array {
  const into = new Uint8Array(ROW_BYTES + 16).fill(NOISE);
  write(into, 8);
  assert.ok(into.subarray(0, 8).every((byte) => byte === NOISE));
  assert.ok(into.subarray(8 + ROW_BYTES).every((byte) => byte === NOISE));
  return into.slice(8, 8 + ROW_BYTES);
}

const headerRow = written((into, at) => writeFileHeaderRow(into, at, identity));
const seal: SealRow = {
  nextOffset: 2 ** 41 + 3,
  logBytes: 0x8000_0001,
  rowPosition: 0xffff_ffc0,
  maxTimestamp: -1,
  lastDigest: 0xdead_beef,
};
const sealRow = written((into, at) => writeSealRow(into, at, seal));

describe("the file header row", () => {
  it("has the documented bytes", () => {
    const expected = documentedRow(1, (view, row) => {
      row.set(new TextEncoder().encode("BIMIPIDX"), 8);
      row.set(identity.logId, 16);
      view.setUint32(32, identity.shard);
      view.setUint32(36, 1);
      view.setBigUint64(40, BigInt(identity.base));
    });
    assert.deepEqual(headerRow, expected);
    assert.deepEqual([rowLength(headerRow, 0), rowType(headerRow, 0)], [ROW_BYTES, ROW_FILE_HEADER]);
  });

  it("counts only for the very segment it was made for", () => {
    assert.equal(isFileHeaderRow(headerRow, 0, identity), true);
    assert.equal(isFileHeaderRow(concat(new Uint8Array(5), headerRow), 5, identity), true);
    const others: IndexIdentity[] = [
      { ...identity, shard: 1 },
      { ...identity, base: identity.base + 1 },
      { ...identity, logId: new Uint8Array(16) },
    ];
    for (const other of others) assert.equal(isFileHeaderRow(headerRow, 0, other), false);
    assert.equal(isFileHeaderRow(sealRow, 0, identity), false);
    assert.equal(isFileHeaderRow(new Uint8Array(0), 0, identity), false);
  });
});

describe("a batch row", () => {
  it("has the documented bytes of every golden batch", () => {
    for (const golden of GOLDEN_BATCHES) {
      const batch = goldenBytes(golden);
      const { baseOffset, lastOffset, attributes, producerId, producerEpoch, baseSequence, count } = golden.header;
      for (const before of [-1, 1_760_000_000_001, 2 ** 53 - 1]) {
        let maximum = 0;
        const row = written((into, at) => {
          maximum = writeBatchRow(into, at, concat(Uint8Array.of(1, 2), batch), 2, 0xf000_0000, before);
        });
        assert.equal(maximum, Math.max(before, golden.header.maxTimestamp), golden.name);
        const expected = documentedRow(2, (view) => {
          view.setBigUint64(8, BigInt(baseOffset));
          view.setUint32(16, lastOffset - baseOffset);
          view.setUint32(20, 0xf000_0000);
          view.setUint32(24, batch.length);
          view.setUint32(28, referenceCrc(batch.subarray(0, HEADER_BYTES)));
          view.setBigInt64(32, BigInt(maximum));
          view.setBigInt64(40, BigInt(producerId));
          view.setInt16(48, producerEpoch);
          view.setUint16(50, attributes);
          view.setInt32(52, baseSequence);
          view.setUint32(56, count);
        });
        assert.deepEqual(row, expected, golden.name);
        assert.deepEqual([rowLength(row, 0), rowType(row, 0)], [ROW_BYTES, ROW_BATCH]);
        assert.deepEqual(readBatchRow(row, 0), {
          baseOffset,
          lastOffset,
          position: 0xf000_0000,
          bytes: batch.length,
          digest: referenceCrc(batch.subarray(0, HEADER_BYTES)),
          runningMaxTimestamp: maximum,
          count,
        });
      }
    }
  });

  it("keeps a producer id of 64 bits", () => {
    const batch = referenceBatch({ producerId: 2n ** 63n - 1n, baseSequence: 2 ** 31 - 1, producerEpoch: -2 });
    const row = written((into, at) => writeBatchRow(into, at, batch, 0, 0, -1));
    const view = new DataView(row.buffer);
    assert.deepEqual([view.getBigInt64(40), view.getInt16(48), view.getInt32(52)], [2n ** 63n - 1n, -2, 2 ** 31 - 1]);
  });

  it("carries the running maximum from batch to batch, and a batch without records does not move it [fault 43]", () => {
    const timestamps = [50, 20, -1, 70, 60, -1];
    const rows = new Uint8Array(timestamps.length * ROW_BYTES);
    let maximum = -1;
    timestamps.forEach((baseTimestamp, i) => {
      const batch = baseTimestamp < 0
        ? referenceBatch({ baseTimestamp, lastOffsetDelta: 3 })
        : simpleBatch(0, 1, "v", { baseTimestamp });
      maximum = writeBatchRow(rows, i * ROW_BYTES, batch, 0, 0, maximum);
    });
    assert.equal(maximum, 70);
    const found = timestamps.map((_, i) => readBatchRow(rows, i * ROW_BYTES)?.runningMaxTimestamp);
    assert.deepEqual(found, [50, 50, 50, 70, 70, 70]);
  });

  it("is none where an intact row's fields make no sense", () => {
    const fields = (base: bigint, bytes: number, maximum: bigint) => (view: DataView) => {
      view.setBigInt64(8, base);
      view.setUint32(24, bytes);
      view.setBigInt64(32, maximum);
    };
    const good = documentedRow(2, fields(0n, 61, 0n));
    assert.equal(readBatchRow(good, 0)?.bytes, 61);
    const wrong = [
      documentedRow(2, fields(-1n, 61, 0n)),
      documentedRow(2, fields(2n ** 53n, 61, 0n)),
      documentedRow(2, fields(0n, 60, 0n)),
      documentedRow(2, fields(0n, 61, 2n ** 53n)),
      documentedRow(2, fields(0n, 61, 0n), 72),
    ];
    for (const row of wrong) {
      assert.equal(rowLength(row, 0), row.length, "the checksum is right");
      assert.equal(readBatchRow(row, 0), undefined);
    }
  });
});

describe("the seal row", () => {
  it("has the documented bytes and says the same again", () => {
    const expected = documentedRow(3, (view) => {
      view.setBigUint64(8, BigInt(seal.nextOffset));
      view.setUint32(16, seal.logBytes);
      view.setUint32(20, seal.rowPosition);
      view.setBigInt64(24, BigInt(seal.maxTimestamp));
      view.setUint32(32, seal.lastDigest);
    });
    assert.deepEqual(sealRow, expected);
    assert.deepEqual([rowLength(sealRow, 0), rowType(sealRow, 0)], [ROW_BYTES, ROW_SEAL]);
    assert.deepEqual(readSealRow(sealRow, 0), seal);
  });
});

describe("the length of a row", () => {
  const batch = simpleBatch(0, 3);
  const batchRow = written((into, at) => writeBatchRow(into, at, batch, 0, 0, -1));

  it("is 0 for a row of which any bit is wrong", () => {
    for (const row of [headerRow, batchRow, sealRow]) {
      // With more rows behind it, so that a wrong length finds bytes.
      const among = concat(row, new Uint8Array(70_000));
      for (let bit = 0; bit < ROW_BYTES * 8; bit++) {
        const byte = bit >> 3;
        among[byte] ^= 1 << (bit & 7);
        assert.equal(rowLength(among, 0), 0, `byte ${byte}`);
        assert.equal(isFileHeaderRow(among, 0, identity), false);
        among[byte] = row[byte];
      }
      assert.equal(rowLength(among, 0), ROW_BYTES);
    }
  });

  it("is 0 for a row that is not whole, and behind the end", () => {
    for (let length = 0; length < ROW_BYTES; length++) assert.equal(rowLength(batchRow.subarray(0, length), 0), 0);
    assert.equal(rowLength(batchRow, ROW_BYTES), 0);
    assert.equal(rowLength(batchRow, 1), 0);
  });

  it("is that of any kind of row, of any size there may be: readers skip what they do not know", () => {
    for (const length of [8, 16, 64, 72, 4096, 65_528]) {
      const row = documentedRow(200, (_, bytes) => bytes.fill(0x5a, 8), length);
      assert.deepEqual([rowLength(row, 0), rowType(row, 0)], [length, 200]);
      assert.equal(rowLength(concat(Uint8Array.of(9), row, Uint8Array.of(9)), 1), length);
      row[length - 1] ^= 1;
      assert.equal(rowLength(row, 0), 0);
    }
  });

  it("is 0 for a length that no row has", () => {
    for (const length of [0, 4, 7, 9, 12, 63, 65, 65_535]) {
      const row = new Uint8Array(70_000);
      const view = new DataView(row.buffer);
      view.setUint16(0, length);
      row[2] = 2;
      view.setUint32(4, referenceCrc(row.subarray(0, length)));
      assert.equal(rowLength(row, 0), 0, `length ${length}`);
    }
  });

  it("does not depend on rows that were looked at before", () => {
    const long = documentedRow(200, (_, bytes) => bytes.fill(0xff, 8), 4096);
    const short = documentedRow(200, () => {}, 8);
    for (const row of [long, short, batchRow, short, long]) assert.equal(rowLength(row, 0), row.length);
  });

  it("is right for what the header of the batch says too", () => {
    assert.equal(readBatchRow(batchRow, 0)?.bytes, readHeader(batch, 0).bytes);
  });
});
