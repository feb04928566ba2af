/** Varints against a BigInt reference. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { VarintReader, varintSize, varlongSize, writeVarint, writeVarlong } from "../../src/batch/varint.ts";
import { referenceVarint } from "../fixtures/reference_batch.ts";
import { announceSeed } from "../fixtures/seed.ts";

announceSeed("varint_test");

const INT_32_MIN = -(2 ** 31);
const INT_32_MAX = 2 ** 31 - 1;
/** A byte that nobody may touch. */
const GUARD = 0xa5;

/** Every power of two with its neighbours, both signs, as far as the range goes. */
function edges(low: number, high: number): number[] {
  const values = new Set<number>([0, low, high, low + 1, high - 1]);
  for (let power = 0; power <= 53; power++) {
    for (const near of [-1, 0, 1]) for (const sign of [-1, 1]) values.add(sign * (2 ** power + near));
  }
  return [...values].filter((value) => value >= low && value <= high);
}

/** Writes and reads `value` between two guards and compares with the reference. */
function checkRoundTrip(
  value: number,
  size: (value: number) => number,
  write: (bytes: Uint8Array, at: number, value: number) => number,
  read: (reader: VarintReader) => number,
): void {
  const expected = referenceVarint(value);
  assert.equal(size(value), expected.length, `size of ${value}`);
  const bytes = new Uint8Array(expected.length + 2).fill(GUARD);
  assert.equal(write(bytes, 1, value), expected.length + 1, `end of ${value}`);
  assert.deepEqual(bytes.subarray(1, -1), expected, `bytes of ${value}`);
  assert.deepEqual([bytes[0], bytes.at(-1)], [GUARD, GUARD]);
  const reader = new VarintReader(bytes, 1, bytes.length);
  assert.equal(read(reader), value === 0 ? 0 : value);
  assert.equal(reader.failed, false);
  assert.equal(reader.position, expected.length + 1);
}

const checkVarint = (value: number) => checkRoundTrip(value, varintSize, writeVarint, (reader) => reader.varint());
const checkVarlong = (value: number) => checkRoundTrip(value, varlongSize, writeVarlong, (reader) => reader.varlong());

/** Reads from exactly these bytes; anything behind them would look like the end of a number. */
function readAll(bytes: Uint8Array, read: (reader: VarintReader) => number): VarintReader {
  const padded = new Uint8Array(bytes.length + 16);
  padded.set(bytes);
  const reader = new VarintReader(padded, 0, bytes.length);
  assert.equal(read(reader), 0);
  return reader;
}

describe("a varint", () => {
  it("has the reference's bytes at every edge of 32 bits", () => {
    for (const value of edges(INT_32_MIN, INT_32_MAX)) checkVarint(value);
  });

  it("has the reference's bytes for any 32-bit integer", () => {
    fc.assert(fc.property(fc.integer(), checkVarint));
  });

  it("is refused outside 32 bits, where it is too long, and where it is cut off", () => {
    for (const value of [2 ** 31, INT_32_MIN - 1, 2 ** 32, -(2 ** 53), 2n ** 63n - 1n]) {
      assert.equal(readAll(referenceVarint(value), (reader) => reader.varint()).failed, true, String(value));
    }
    for (const value of [INT_32_MAX, INT_32_MIN, 300, -70]) {
      const bytes = referenceVarint(value);
      for (let length = 0; length < bytes.length; length++) {
        const reader = readAll(bytes.subarray(0, length), (reader) => reader.varint());
        assert.deepEqual([reader.failed, reader.position], [true, 0], `${value} cut to ${length}`);
      }
    }
    assert.equal(readAll(new Uint8Array(64).fill(0x80), (reader) => reader.varint()).failed, true);
  });

  it("may be longer than necessary, as Kafka reads it", () => {
    const reader = new VarintReader(Uint8Array.of(0x82, 0x80, 0x80, 0x80, 0x00), 0, 5);
    assert.equal(reader.varint(), 1);
    assert.deepEqual([reader.failed, reader.position], [false, 5]);
  });
});

describe("a varlong", () => {
  it("has the reference's bytes at every edge of the safe integers", () => {
    for (const value of edges(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)) checkVarlong(value);
  });

  it("has the reference's bytes for any safe integer", () => {
    fc.assert(fc.property(fc.maxSafeInteger(), checkVarlong));
  });

  it("is refused outside the safe integers, where it is too long, and where it is cut off", () => {
    const outside = [2n ** 53n, -(2n ** 53n), 2n ** 53n + 1n, 2n ** 62n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 64n];
    for (const value of outside) {
      assert.equal(readAll(referenceVarint(value), (reader) => reader.varlong()).failed, true, String(value));
    }
    for (const value of [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 2 ** 31, -(2 ** 32)]) {
      const bytes = referenceVarint(value);
      for (let length = 0; length < bytes.length; length++) {
        const reader = readAll(bytes.subarray(0, length), (reader) => reader.varlong());
        assert.deepEqual([reader.failed, reader.position], [true, 0], `${value} cut to ${length}`);
      }
    }
    assert.equal(readAll(new Uint8Array(64).fill(0x80), (reader) => reader.varlong()).failed, true);
    // Bits above the 64th: without a look at them these would be small numbers.
    for (const tenth of [0x02, 0x03, 0x04, 0x40, 0x7f]) {
      const bytes = Uint8Array.of(0x84, ...new Array<number>(8).fill(0x80), tenth);
      assert.equal(readAll(bytes, (reader) => reader.varlong()).failed, true, `tenth byte ${tenth}`);
    }
  });

  it("may be longer than necessary, as Kafka reads it", () => {
    const bytes = new Uint8Array(10).fill(0x80);
    bytes[0] = 0x81;
    bytes[9] = 0x00;
    const reader = new VarintReader(bytes, 0, 10);
    assert.equal(reader.varlong(), -1);
    assert.deepEqual([reader.failed, reader.position], [false, 10]);
  });
});

describe("a reader of varints", () => {
  it("stays failed, so that one look at the end of a record is enough", () => {
    const reader = new VarintReader(Uint8Array.of(0x80, 0x80), 0, 2);
    reader.varint();
    reader.end = 0;
    reader.varlong();
    assert.equal(reader.failed, true);
  });
});
