/** Batches are packed when they are sealed, where that makes them smaller. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import * as lz4 from "lz4-napi";
import * as snappy from "snappy";
import { codecsWith, runtimeCodecs } from "../../adapters/codecs.ts";
import { BatchBuilder, type CodecName, type Codecs } from "../../mod.ts";
import type { Compression } from "../../src/batch/codecs.ts";
import { noCodecs } from "../../src/batch/codecs.ts";
import { ATTRIBUTES_AT, batchFault, CODEC_MASK, CODECS } from "../../src/batch/format.ts";
import { decodeBatch } from "../fixtures/decode.ts";
import { share } from "../fixtures/share.ts";

const NAMES = ["gzip", "snappy", "lz4", "zstd"] as const;

function codecOf(blob: Uint8Array): CodecName {
  return CODECS[blob[ATTRIBUTES_AT + 1] & CODEC_MASK];
}

for (const compression of NAMES) {
  describe(`a builder with ${compression}`, () => {
    it("packs, and what is unpacked is what a plain builder builds", () => {
      const packed = new BatchBuilder({ compression });
      const plain = new BatchBuilder();
      for (let i = 0; i < 500; i++) {
        const record = { key: `k${i}`, value: `value ${i} `.repeat(5), headers: { h: `${i}` }, timestamp: 1000 + i };
        assert.equal(packed.add(record), true);
        assert.equal(plain.add(record), true);
      }
      const [small, large] = [packed.finish(), plain.finish()];
      assert.equal(codecOf(small), compression);
      assert.ok(small.length < large.length / 2, `${small.length} of ${large.length}`);
      assert.equal(batchFault(small, 0, small.length), undefined);
      assert.deepEqual(decodeBatch(small, 0, runtimeCodecs), decodeBatch(large));
    });

    it("is used again for the next batch", () => {
      const builder = new BatchBuilder({ compression });
      for (let round = 0; round < 3; round++) {
        for (let i = 0; i < 50; i++) builder.add({ value: `${round} `.repeat(50), timestamp: 7 });
        const records = decodeBatch(builder.finish(), 0, runtimeCodecs);
        assert.equal(records.length, 50);
        assert.equal(builder.count, 0);
      }
    });

    it("stores plain what does not become smaller", () => {
      const builder = new BatchBuilder({ compression });
      const value = new Uint8Array(randomBytes(5000));
      builder.add({ value, timestamp: 1 });
      const blob = builder.finish();
      assert.equal(codecOf(blob), "none");
      assert.deepEqual(decodeBatch(blob)[0].value, value);
    });

    it("packs any bytes, and unpacks them to the same", () => {
      fc.assert(
        fc.property(fc.uint8Array({ minLength: 1, maxLength: 3000 }), fc.nat(60), (piece, times) => {
          const data = new Uint8Array(piece.length * (times + 1));
          for (let i = 0; i <= times; i++) data.set(piece, i * piece.length);
          const packed = runtimeCodecs.compress!(compression, data)!;
          const unpacked = runtimeCodecs.decompress(compression, packed, data.length)!;
          assert.deepEqual(new Uint8Array(unpacked), data);
          if (data.length > 1) assert.throws(() => runtimeCodecs.decompress(compression, packed, data.length - 1));
        }),
        { numRuns: share(60) },
      );
    });

    it("is UNSUPPORTED without the codec, before a record is taken [fault 51]", () => {
      const cannot: Codecs = { decompress: () => undefined, compress: () => undefined };
      for (const codecs of [noCodecs, cannot]) {
        assert.throws(() => new BatchBuilder({ compression, codecs }), { code: "UNSUPPORTED" });
      }
    });
  });
}

describe("a builder", () => {
  it("refuses a codec that nobody knows", () => {
    assert.throws(() => new BatchBuilder({ compression: "brotli" as CodecName }), RangeError);
  });
});

describe("codecs of packages that are not there", () => {
  for (const [codec, name] of [["lz4", "lz4-napi"], ["snappy", "snappy"]] as [Compression, string][]) {
    it(`name what to install for ${codec} [fault 51]`, () => {
      const codecs = codecsWith({});
      assert.throws(() => new BatchBuilder({ compression: codec as CodecName, codecs }), {
        code: "UNSUPPORTED",
        message: new RegExp(`npm install ${name}`),
      });
    });
  }

  it("come from what the program imported", () => {
    const codecs = codecsWith({ lz4, snappy });
    for (const codec of NAMES) {
      const packed = codecs.compress!(codec, new Uint8Array(900))!;
      assert.deepEqual(new Uint8Array(codecs.decompress(codec, packed, 900)!), new Uint8Array(900));
    }
  });
});

describe("snappy that others wrote", () => {
  const data = new TextEncoder().encode("some text ".repeat(400));

  it("may be one raw block", () => {
    assert.deepEqual(new Uint8Array(runtimeCodecs.decompress("snappy", snappy.compressSync(data), 4000)!), data);
  });

  it("may not claim a size that it cannot have [fault 50]", () => {
    const claims = Uint8Array.of(0xff, 0xff, 0xff, 0x7f, 0, 0, 0);
    assert.throws(() => runtimeCodecs.decompress("snappy", claims, 2 ** 28), /size that it can have/);
  });
});
