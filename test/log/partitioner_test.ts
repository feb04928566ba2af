/** Keys go where Kafka's default partitioner sends them. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { fromHex } from "../../src/bytes.ts";
import { murmur2, shardOfKey } from "../../src/log/partitioner.ts";
import { announceSeed } from "../fixtures/seed.ts";

announceSeed("partitioner_test");

/** Computed by Kafka's own class. */
const TEXT_HASHES: readonly (readonly [key: string, hash: number])[] = [
  ["", 275646681],
  ["a", -1563381124],
  ["ab", 316155434],
  ["abc", 479470107],
  ["abcd", -1323649548],
  ["21", -973932308],
  ["foobar", -790332482],
  ["a-little-bit-long-string", -985981536],
  ["user-42", 1459644460],
  ["events", -66873287],
  ["äöü", -2070914556],
  ["事件", -241873192],
  ["0123456789abcdef", 1438427052],
];
const HEX_HASHES: readonly (readonly [key: string, hash: number])[] = [
  ["ff8001", 1034853807],
  ["deadbeefff", -1493115066],
];
const VECTORS: readonly (readonly [key: Uint8Array, hash: number])[] = [
  ...TEXT_HASHES.map(([key, hash]) => [new TextEncoder().encode(key), hash] as const),
  ...HEX_HASHES.map(([key, hash]) => [fromHex(key)!, hash] as const),
];

/** The hash as its author wrote it down, in BigInt and modulo 2^32. */
function referenceMurmur2(bytes: Uint8Array): number {
  const m = 0x5bd1e995n;
  const mask = 0xffff_ffffn;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let h = 0x9747b28cn ^ BigInt(bytes.length);
  let at = 0;
  for (; bytes.length - at >= 4; at += 4) {
    let k = (BigInt(view.getUint32(at, true)) * m) & mask;
    k ^= k >> 24n;
    h = ((h * m) & mask) ^ ((k * m) & mask);
  }
  for (let rest = bytes.length - at - 1; rest >= 0; rest--) h ^= BigInt(bytes[at + rest]) << BigInt(8 * rest);
  if (at < bytes.length) h = (h * m) & mask;
  h ^= h >> 13n;
  h = (h * m) & mask;
  return Number(BigInt.asIntN(32, h ^ (h >> 15n)));
}

describe("murmur2", () => {
  it("gives Kafka's hashes", () => {
    for (const [key, hash] of VECTORS) assert.equal(murmur2(key), hash, String(key));
  });

  it("looks at no byte behind the length", () => {
    for (const [key, hash] of VECTORS) {
      const longer = new Uint8Array(key.length + 8).fill(0xee);
      longer.set(key);
      assert.equal(murmur2(longer, key.length), hash, String(key));
    }
  });

  it("agrees with a reference on any bytes", () => {
    for (const [key, hash] of VECTORS) assert.equal(referenceMurmur2(key), hash);
    fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      assert.equal(murmur2(bytes), referenceMurmur2(bytes));
    }));
  });
});

describe("the shard of a key", () => {
  it("is the hash without its sign, modulo the number of shards", () => {
    for (const [key, hash] of VECTORS) {
      for (const shards of [1, 2, 3, 4, 7, 50, 65_536]) {
        // Kafka drops the sign bit; it does not negate.
        const expected = Number((BigInt(hash) & 0x7fff_ffffn) % BigInt(shards));
        assert.equal(shardOfKey(key, key.length, shards), expected, `${key} of ${shards}`);
      }
    }
  });

  it("is within range, and all shards get their share", () => {
    const shards = 8;
    const counts = new Array<number>(shards).fill(0);
    for (let i = 0; i < 8000; i++) {
      const key = new TextEncoder().encode(`user-${i}`);
      counts[shardOfKey(key, key.length, shards)]++;
    }
    for (const count of counts) assert.ok(count > 800 && count < 1200, `counts ${counts}`);
  });
});
