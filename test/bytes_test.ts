/** Big-endian integers against DataView and BigInt. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  equalBytes,
  fromHex,
  readI16,
  readI32,
  readI64,
  readU16,
  readU32,
  toHex,
  writeI32,
  writeI64,
  writeU16,
} from "../src/bytes.ts";
import { announceSeed } from "./fixtures/seed.ts";

announceSeed("bytes_test");

const AT = 3;

describe("big-endian integers", () => {
  it("are read as DataView reads them", () => {
    fc.assert(fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      assert.equal(readU16(bytes, AT), view.getUint16(AT));
      assert.equal(readI16(bytes, AT), view.getInt16(AT));
      assert.equal(readU32(bytes, AT), view.getUint32(AT));
      assert.equal(readI32(bytes, AT), view.getInt32(AT));
      assert.equal(readI64(bytes, AT), Number(view.getBigInt64(AT)));
    }));
  });

  it("are written as DataView writes them, and touch nothing else", () => {
    fc.assert(fc.property(fc.integer(), fc.nat({ max: 0xffff }), (value, short) => {
      const bytes = new Uint8Array(12).fill(0xee);
      const expected = new Uint8Array(12).fill(0xee);
      writeI32(bytes, AT, value);
      writeU16(bytes, AT + 4, short);
      new DataView(expected.buffer).setInt32(AT, value);
      new DataView(expected.buffer).setUint16(AT + 4, short);
      assert.deepEqual(bytes, expected);
      assert.equal(readI32(bytes, AT), value);
      assert.equal(readU16(bytes, AT + 4), short);
    }));
  });

  it("have 64 bits wherever a safe integer has them", () => {
    const edges = [0, 1, 2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 52, Number.MAX_SAFE_INTEGER].flatMap((edge) =>
      [edge - 1, edge, -edge, -edge + 1].filter(Number.isSafeInteger)
    );
    const check = (value: number) => {
      const bytes = new Uint8Array(12).fill(0xee);
      const expected = new Uint8Array(12).fill(0xee);
      writeI64(bytes, 2, value);
      new DataView(expected.buffer).setBigInt64(2, BigInt(value));
      assert.deepEqual(bytes, expected, String(value));
      assert.equal(readI64(bytes, 2), value === 0 ? 0 : value);
    };
    edges.forEach(check);
    fc.assert(fc.property(fc.maxSafeInteger(), check));
  });

  it("show as no safe integer where 64 bits are too many", () => {
    fc.assert(fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setBigInt64(0, value);
      assert.equal(Number.isSafeInteger(readI64(bytes, 0)), Number.isSafeInteger(Number(value)));
    }));
    for (const value of [2n ** 53n, -(2n ** 53n), 2n ** 53n + 1n, -(2n ** 53n) - 1n, 2n ** 63n - 1n, -(2n ** 63n)]) {
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setBigInt64(0, value);
      assert.equal(Number.isSafeInteger(readI64(bytes, 0)), false, String(value));
    }
  });
});

describe("hexadecimal", () => {
  it("goes there and back, in either case of the letters", () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => {
      const text = toHex(bytes);
      assert.equal(text, [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(""));
      assert.deepEqual(fromHex(text), bytes);
      assert.deepEqual(fromHex(text.toUpperCase()), bytes);
    }));
  });

  it("is none where a digit is missing or is no digit", () => {
    for (const text of ["0", "abc", "0g", "0x00", " 00", "00\n", "-1", "é0"]) {
      assert.equal(fromHex(text), undefined, text);
    }
  });
});

describe("equalBytes", () => {
  it("compares length and every byte", () => {
    const bytes = Uint8Array.of(1, 2, 3, 4);
    assert.equal(equalBytes(bytes, bytes.slice()), true);
    assert.equal(equalBytes(bytes, bytes.subarray(0, 3)), false);
    assert.equal(equalBytes(bytes.subarray(0, 3), bytes), false);
    assert.equal(equalBytes(new Uint8Array(0), new Uint8Array(0)), true);
    for (let i = 0; i < bytes.length; i++) {
      const other = bytes.slice();
      other[i] ^= 1;
      assert.equal(equalBytes(bytes, other), false, `byte ${i}`);
    }
  });
});
