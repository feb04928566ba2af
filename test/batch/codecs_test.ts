/** Compressed batches: unpacked within a limit, and damage in them is damage, not a crash. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as zlib from "node:zlib";
import { runtimeCodecs } from "../../adapters/codecs.ts";
import type { Codecs, Compression } from "../../src/batch/codecs.ts";
import { MAX_UNPACKED_BYTES } from "../../src/batch/codecs.ts";
import { HEADER_BYTES, readHeader } from "../../src/batch/format.ts";
import { RecordDecoder } from "../../src/batch/record_decoder.ts";
import { decodeBatch } from "../fixtures/decode.ts";
import { referenceBatch, simpleBatch } from "../fixtures/reference_batch.ts";

const BOMB_BYTES = 8 * 1024 * 1024;
const plain = simpleBatch(40, 20, "a value that repeats ".repeat(10));

const packers: [codec: Compression, attribute: number, pack: (bytes: Uint8Array) => Uint8Array][] = [
  ["gzip", 1, (bytes) => zlib.gzipSync(bytes)],
  ["zstd", 4, (bytes) => zlib.zstdCompressSync(bytes)],
  ["lz4", 3, (bytes) => runtimeCodecs.compress!("lz4", bytes)!],
  ["snappy", 2, (bytes) => runtimeCodecs.compress!("snappy", bytes)!],
];

/** The same records in a compressed batch. */
function packed(attributes: number, records: Uint8Array): Uint8Array {
  const { count, baseOffset, baseTimestamp, maxTimestamp } = readHeader(plain, 0);
  return referenceBatch({ attributes, count, baseOffset, baseTimestamp, maxTimestamp }, records);
}

/** Decodes until the end or a fault; nothing may be thrown. */
function drain(batch: Uint8Array, codecs: Codecs = runtimeCodecs): { count: number; fault: string | undefined } {
  const decoder = new RecordDecoder(batch, 0, codecs);
  let count = 0;
  while (decoder.next()) count++;
  return { count, fault: decoder.fault };
}

for (const [codec, attribute, pack] of packers) {
  describe(`a ${codec} batch`, () => {
    const records = pack(plain.subarray(HEADER_BYTES));
    const batch = packed(attribute, records);

    it("holds the records of the plain one", () => {
      assert.ok(batch.length < plain.length);
      assert.deepEqual(decodeBatch(batch, 0, runtimeCodecs), decodeBatch(plain));
    });

    it("has a fault wherever its data is cut", () => {
      for (let length = 0; length < records.length; length++) {
        const { count, fault } = drain(packed(attribute, records.subarray(0, length)));
        assert.notEqual(fault, undefined, `cut to ${length}`);
        assert.ok(count <= 20);
      }
    });

    it("has a fault, or its records, with any bit flipped", () => {
      for (let bit = 0; bit < records.length * 8; bit++) {
        const flipped = records.slice();
        flipped[bit >> 3] ^= 1 << (bit & 7);
        const { count, fault } = drain(packed(attribute, flipped));
        assert.ok(count <= 20);
        if (fault === undefined) assert.equal(count, 20);
      }
    });

    it("has a fault that names the codec, where the data is none", () => {
      const { count, fault } = drain(packed(attribute, new Uint8Array(50).fill(7)));
      assert.equal(count, 0);
      assert.match(fault ?? "", new RegExp(`its ${codec} data cannot be unpacked: .`));
    });

    it("is unpacked only up to the limit [fault 50]", () => {
      const bomb = pack(new Uint8Array(BOMB_BYTES));
      assert.ok(bomb.length < BOMB_BYTES / (codec === "snappy" ? 15 : codec === "lz4" ? 200 : 500), `${bomb.length}`);
      for (const limit of [BOMB_BYTES - 1, 100_000, 1]) {
        assert.throws(() => runtimeCodecs.decompress(codec, bomb, limit), `limit ${limit}`);
      }
      assert.equal(runtimeCodecs.decompress(codec, bomb, BOMB_BYTES)?.length, BOMB_BYTES);
    });

    it("is unpacked once, with the engine's limit [fault 50]", () => {
      const calls: [Compression, number, number][] = [];
      const codecs: Codecs = {
        decompress(codec, data, maxBytes) {
          calls.push([codec, data.length, maxBytes]);
          return runtimeCodecs.decompress(codec, data, maxBytes);
        },
      };
      assert.deepEqual(drain(batch, codecs), { count: 20, fault: undefined });
      assert.deepEqual(calls, [[codec, records.length, MAX_UNPACKED_BYTES]]);
    });
  });
}

describe("a compressed batch without records", () => {
  it("needs no codec", () => {
    for (const attributes of [1, 2, 3, 4]) {
      const batch = referenceBatch({ attributes, lastOffsetDelta: 3 });
      assert.deepEqual(drain(batch, { decompress: () => assert.fail("nothing to unpack") }), {
        count: 0,
        fault: undefined,
      });
    }
  });
});

describe("a codec that nobody knows", () => {
  it("is UNSUPPORTED [fault 51]", () => {
    for (const attributes of [5, 6, 7]) {
      const batch = simpleBatch(0, 1, "v", { attributes });
      assert.throws(() => new RecordDecoder(batch, 0, runtimeCodecs), { code: "UNSUPPORTED", message: /codec [567]/ });
    }
  });
});
