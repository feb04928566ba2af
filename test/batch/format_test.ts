/** What a header may say, and what the two checksums see. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  batchFault,
  HEADER_BYTES,
  headerDigest,
  headerFault,
  MAX_BATCH_BYTES,
  patchBatch,
  readHeader,
} from "../../src/batch/format.ts";
import { GOLDEN_BATCHES, goldenBytes } from "../fixtures/kafka_batches.ts";
import type { ReferenceHeader } from "../fixtures/reference_batch.ts";
import { concat, referenceBatch, referenceCrc, simpleBatch } from "../fixtures/reference_batch.ts";

/** Outside Kafka's CRC and taken as they are: base offset and epoch. */
const UNGUARDED: readonly (readonly [from: number, to: number])[] = [[0, 8], [12, 16]];

function isUnguarded(byte: number): boolean {
  return UNGUARDED.some(([from, to]) => byte >= from && byte < to);
}

/** Calls `check` with every copy of `bytes` that differs in one bit of the first `length` bytes. */
function withEachBitFlipped(
  bytes: Uint8Array,
  length: number,
  check: (flipped: Uint8Array, byte: number) => void,
): void {
  const flipped = bytes.slice();
  for (let bit = 0; bit < length * 8; bit++) {
    const byte = bit >> 3;
    flipped[byte] ^= 1 << (bit & 7);
    check(flipped, byte);
    flipped[byte] = bytes[byte];
  }
}

describe("a batch header", () => {
  const wrong: [what: string, header: ReferenceHeader, fault: RegExp][] = [
    ["magic 0", { magic: 0 }, /magic is 0/],
    ["magic 1", { magic: 1 }, /magic is 1/],
    ["magic 3", { magic: 3 }, /magic is 3/],
    ["magic -1", { magic: -1 }, /magic is 255/],
    ["a length below that of a header", { batchLength: 48 }, /says 60 bytes/],
    ["length 0", { batchLength: 0 }, /says 12 bytes/],
    ["a negative length", { batchLength: -1 }, /says 11 bytes/],
    ["the most negative length", { batchLength: -(2 ** 31) }, /says -/],
    ["the largest length", { batchLength: 2 ** 31 - 1 }, /says 2147483659 bytes/],
    ["one byte more than there is", { batchLength: 50 }, /says 62 bytes, 61 are left/],
    ["a negative base offset", { baseOffset: -1 }, /offsets -1 \+ 0 are out of range/],
    ["the most negative base offset", { baseOffset: -(2n ** 63n) }, /out of range/],
    ["a base offset without a next one", { baseOffset: Number.MAX_SAFE_INTEGER }, /out of range/],
    ["a base offset of 54 bits", { baseOffset: 2n ** 53n }, /out of range/],
    ["the largest base offset", { baseOffset: 2n ** 63n - 1n }, /out of range/],
    ["a last offset of 54 bits", { baseOffset: Number.MAX_SAFE_INTEGER - 9, lastOffsetDelta: 9 }, /out of range/],
    ["a last offset before the first", { lastOffsetDelta: -1 }, /out of range/],
    ["the most negative last offset", { lastOffsetDelta: -(2 ** 31), baseOffset: 2 ** 40 }, /out of range/],
    ["a negative count", { count: -1, lastOffsetDelta: 5 }, /claims -1 records/],
    ["more records than offsets", { count: 7, lastOffsetDelta: 5 }, /claims 7 records for 6 offsets/],
    ["a base timestamp of 54 bits", { baseTimestamp: 2n ** 53n, maxTimestamp: 0 }, /timestamps .* out of range/],
    ["a maximum timestamp of 54 bits", { maxTimestamp: 2n ** 63n - 1n }, /timestamps .* out of range/],
    ["the most negative timestamp", { baseTimestamp: -(2n ** 63n), maxTimestamp: 0 }, /timestamps .* out of range/],
  ];
  for (const [what, header, fault] of wrong) {
    it(`is refused: ${what} [faults 48, 49]`, () => {
      const batch = referenceBatch(header);
      assert.match(headerFault(batch, 0, batch.length) ?? "", fault);
      assert.match(batchFault(batch, 0, batch.length) ?? "", fault);
      // The same batch deep inside other bytes.
      const among = concat(new Uint8Array(7).fill(0xff), batch);
      assert.match(headerFault(among, 7, batch.length) ?? "", fault);
    });
  }

  const right: [what: string, header: ReferenceHeader][] = [
    ["no record left", { count: 0, lastOffsetDelta: 4 }],
    ["fewer records than offsets", { count: 1, lastOffsetDelta: 2 ** 31 - 1 }],
    ["the last offset there is", { baseOffset: Number.MAX_SAFE_INTEGER - 1 }],
    ["no timestamps", { baseTimestamp: -1 }],
    ["the last timestamps there are", {
      baseTimestamp: Number.MAX_SAFE_INTEGER,
      maxTimestamp: Number.MAX_SAFE_INTEGER,
    }],
    ["a high epoch, producer and sequence", { epoch: 2 ** 31 - 1, producerId: 2 ** 53, baseSequence: 2 ** 31 - 1 }],
  ];
  for (const [what, header] of right) {
    it(`is taken: ${what}`, () => {
      const batch = referenceBatch(header);
      assert.equal(batchFault(batch, 0, batch.length), undefined);
      const read = readHeader(batch, 0);
      for (const [field, value] of Object.entries(header)) {
        if (field === "lastOffsetDelta") assert.equal(read.lastOffset - read.baseOffset, value);
        else assert.equal(read[field as keyof typeof read], value, field);
      }
    });
  }

  it("is refused above the largest batch, however many bytes there are [fault 48]", () => {
    const batch = referenceBatch({ batchLength: MAX_BATCH_BYTES - 12 + 1 });
    assert.match(headerFault(batch, 0, Infinity) ?? "", /says 1073741825 bytes/);
    const largest = referenceBatch({ batchLength: MAX_BATCH_BYTES - 12 });
    assert.equal(headerFault(largest, 0, Infinity), undefined);
  });

  it("is not looked for where fewer bytes are left than it has", () => {
    for (let available = 0; available < HEADER_BYTES; available++) {
      // Not even the magic byte is there: reading it would read past the end.
      assert.match(headerFault(new Uint8Array(available), 0, available) ?? "", /bytes are left, a batch header has 61/);
    }
  });
});

describe("the checks of a batch", () => {
  it("refuse it wherever it is cut off", () => {
    for (const golden of GOLDEN_BATCHES) {
      const batch = goldenBytes(golden);
      for (let length = 0; length < batch.length; length++) {
        assert.notEqual(batchFault(batch.subarray(0, length), 0, length), undefined, `${golden.name} cut to ${length}`);
        // Cut by the end that is known, although other bytes follow.
        assert.notEqual(batchFault(batch, 0, length), undefined, `${golden.name}: ${length} available`);
      }
      assert.equal(batchFault(concat(batch, batch), 0, batch.length * 2), undefined, `${golden.name} twice`);
    }
  });

  it("see every flipped bit that Kafka's CRC and the header's limits can see", () => {
    for (const golden of GOLDEN_BATCHES) {
      const batch = goldenBytes(golden);
      withEachBitFlipped(batch, batch.length, (flipped, byte) => {
        const fault = batchFault(flipped, 0, flipped.length);
        if (!isUnguarded(byte)) assert.notEqual(fault, undefined, `${golden.name}: byte ${byte}`);
      });
    }
  });

  it("leave only base offset and epoch to others, and the header's digest sees those", () => {
    for (const golden of GOLDEN_BATCHES) {
      const batch = goldenBytes(golden);
      const digest = headerDigest(batch, 0);
      assert.equal(digest, referenceCrc(batch.subarray(0, HEADER_BYTES)));
      withEachBitFlipped(batch, HEADER_BYTES, (flipped, byte) => {
        assert.notEqual(headerDigest(flipped, 0), digest, `${golden.name}: byte ${byte}`);
        if (batchFault(flipped, 0, flipped.length) !== undefined) return;
        const { baseOffset, epoch } = readHeader(flipped, 0);
        assert.ok(baseOffset !== golden.header.baseOffset || epoch !== golden.header.epoch, `byte ${byte}`);
      });
    }
  });

  it("name both checksums", () => {
    const batch = simpleBatch(0, 1);
    batch[70] ^= 1;
    const stored = readHeader(batch, 0).crc.toString(16).padStart(8, "0");
    const actual = referenceCrc(batch.subarray(21)).toString(16).padStart(8, "0");
    assert.equal(batchFault(batch, 0, batch.length), `the checksum is ${actual}, the header says ${stored}`);
  });
});

describe("patching a batch", () => {
  it("changes base offset and epoch and nothing else", () => {
    for (const baseOffset of [0, 1, 2 ** 31, 2 ** 32, 2 ** 53 - 100]) {
      const batch = concat(Uint8Array.of(1, 2, 3), simpleBatch(0, 4));
      const before = batch.slice();
      patchBatch(batch, 3, baseOffset, 0x1234_5678);
      const { epoch, baseOffset: patched, lastOffset } = readHeader(batch, 3);
      assert.deepEqual([epoch, patched, lastOffset], [0x1234_5678, baseOffset, baseOffset + 3]);
      assert.equal(batchFault(batch, 3, batch.length - 3), undefined);
      batch.set(before.subarray(3, 11), 3);
      batch.set(before.subarray(15, 19), 15);
      assert.deepEqual(batch, before);
    }
  });
});
