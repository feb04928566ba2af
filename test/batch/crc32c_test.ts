import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import process from "node:process";
import { describe, it } from "node:test";
import { buildCrc32cModules } from "../../scripts/build_crc32c.ts";
import {
  bindCrc32c,
  continueCrc32c,
  crc32c,
  CRC32C_SCRATCH_BYTES,
  CRC32C_TABLE_BYTES,
} from "../../src/batch/crc32c.ts";
import { equalBytes } from "../../src/bytes.ts";
import { advanceByTables } from "../../src/batch/crc32c_tables.ts";
import { acquireRegion, POOL_RESERVED_BYTES, poolMemory, releaseRegion } from "../../src/batch/memory_pool.ts";

const KIB = 1024;
/** Longer than the place that heap bytes are copied to, so that they go through it in pieces. */
const SEVERAL_COPIES = 600 * KIB + 7;

const seed = Number(process.env.SEED ?? Date.now() % 0x1_0000_0000);
console.log(`crc32c_test: SEED=${seed}`);

/** A sequence of unsigned 32-bit numbers that the seed determines. */
function makeRandom(from: number): () => number {
  let state = from | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

const random = makeRandom(seed);
const below = (limit: number): number => random() % limit;

function fillRandom(bytes: Uint8Array): Uint8Array {
  for (let i = 0; i < bytes.length; i++) bytes[i] = random() >>> 8;
  return bytes;
}

/** The definition, a bit at a time: shares nothing with what is tested. */
function bitwise(bytes: Uint8Array, start: number, end: number): number {
  let register = 0xffffffff;
  for (let i = start; i < end; i++) {
    register ^= bytes[i];
    for (let bit = 0; bit < 8; bit++) register = register & 1 ? (register >>> 1) ^ 0x82f63b78 : register >>> 1;
  }
  return ~register >>> 0;
}

const byTables = (bytes: Uint8Array, start: number, end: number): number =>
  ~advanceByTables(-1, bytes, start, end) >>> 0;

/** Runs `check` with views on memory of each kind, all with the same random bytes. */
function withEveryMemory(size: number, check: (kind: string, bytes: Uint8Array) => void): void {
  const source = fillRandom(new Uint8Array(size));
  const region = acquireRegion(size);
  try {
    assert.notEqual(region.address, -1, "the pool is available here");
    const kinds: [string, Uint8Array][] = [
      ["heap", new Uint8Array(size)],
      ["pool", region.bytes.subarray(0, size)],
      ["shared", new Uint8Array(new SharedArrayBuffer(size))],
    ];
    for (const [kind, bytes] of kinds) {
      bytes.set(source);
      check(kind, bytes);
    }
  } finally {
    releaseRegion(region);
  }
}

describe("crc32c", () => {
  it("gives the check value of CRC-32C", () => {
    assert.equal(crc32c(new TextEncoder().encode("123456789")), 0xe3069283);
  });

  it("gives the vectors of RFC 3720", () => {
    assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
    assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
    assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
    assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c);
  });

  it("is 0 for no bytes, wherever they are", () => {
    withEveryMemory(1000, (kind, bytes) => {
      for (const at of [0, 1, 1000]) assert.equal(crc32c(bytes, at, at), 0, kind);
    });
    assert.equal(crc32c(new Uint8Array(0)), 0);
  });

  it("agrees with the definition on every length from 0 to 2,000", () => {
    withEveryMemory(2100, (kind, bytes) => {
      for (let length = 0; length <= 2000; length++) {
        const start = below(100);
        const expected = bitwise(bytes, start, start + length);
        assert.equal(crc32c(bytes, start, start + length), expected, `${kind}, ${start}, ${length}`);
        assert.equal(byTables(bytes, start, start + length), expected, `tables, ${start}, ${length}`);
      }
    });
  });

  it("agrees with the definition on random lengths up to 300,000 at random alignments", () => {
    withEveryMemory(300_064, (kind, bytes) => {
      for (let round = 0; round < 6; round++) {
        const start = below(64);
        const end = start + below(300_001);
        const expected = bitwise(bytes, start, end);
        assert.equal(crc32c(bytes, start, end), expected, `${kind}, ${start} to ${end}`);
        assert.equal(byTables(bytes, start, end), expected, `tables, ${start} to ${end}`);
      }
    });
  });

  it("agrees with the tables around every length at which the way changes", () => {
    withEveryMemory(60_000, (kind, bytes) => {
      // 2,000 and less: above. Then the block of 16,384 (with 432 or 3,344 kept) and the longer way from 32,768.
      for (const around of [16_384 + 432, 2 * 16_384 + 432, 32_768, 2 * 16_384 + 3_344, 3 * 16_384 + 3_344]) {
        for (let length = around - 40; length <= around + 40; length++) {
          const start = below(64);
          const expected = byTables(bytes, start, start + length);
          assert.equal(crc32c(bytes, start, start + length), expected, `${kind}, ${start}, ${length}`);
        }
      }
    });
  });

  it("takes an input of several copies, whole and by range", () => {
    withEveryMemory(SEVERAL_COPIES, (kind, bytes) => {
      assert.equal(crc32c(bytes), byTables(bytes, 0, bytes.length), kind);
      assert.equal(crc32c(bytes, 5, bytes.length - 3), byTables(bytes, 5, bytes.length - 3), kind);
    });
  });

  it("tells the pool's memory from any other by more than the place in it", () => {
    const at = POOL_RESERVED_BYTES;
    const region = acquireRegion(20_000);
    try {
      fillRandom(region.bytes);
      for (const buffer of [new ArrayBuffer(at + 20_000), new SharedArrayBuffer(at + 20_000)]) {
        const bytes = fillRandom(new Uint8Array(buffer, at));
        for (const end of [100, 300, 20_000]) assert.equal(crc32c(bytes, 0, end), byTables(bytes, 0, end));
      }
    } finally {
      releaseRegion(region);
    }
  });

  it("sees every single flipped bit", () => {
    withEveryMemory(5_000, (kind, bytes) => {
      const whole = crc32c(bytes);
      for (let round = 0; round < 500; round++) {
        const at = below(bytes.length);
        const bit = 1 << below(8);
        bytes[at] ^= bit;
        assert.notEqual(crc32c(bytes), whole, `${kind}, byte ${at}, bit ${bit}`);
        bytes[at] ^= bit;
      }
    });
  });

  it("refuses a range that is not within the bytes", () => {
    const region = acquireRegion(1);
    try {
      for (const bytes of [new Uint8Array(400), region.bytes.subarray(0, 400)]) {
        for (const [start, end] of [[0, 401], [-1, 400], [300, 299], [0.5, 400], [0, NaN], [401, 401]]) {
          assert.throws(() => crc32c(bytes, start, end), RangeError, `${start} to ${end}`);
        }
      }
    } finally {
      releaseRegion(region);
    }
  });

  it("reads only: neither the input nor any other region changes", () => {
    const regions = [acquireRegion(1), acquireRegion(300 * KIB), acquireRegion(1)];
    try {
      const copies = regions.map((region) => fillRandom(region.bytes).slice());
      crc32c(regions[1].bytes);
      crc32c(fillRandom(new Uint8Array(SEVERAL_COPIES)));
      regions.forEach((region, i) => assert.ok(equalBytes(region.bytes, copies[i]), `region ${i}`));
    } finally {
      regions.forEach(releaseRegion);
    }
  });

  it("copies heap bytes into the pool's reserved part, and the pool's own bytes nowhere", () => {
    const memory = poolMemory();
    assert.ok(memory !== null);
    const region = acquireRegion(50_000);
    try {
      // Behind the tables and the scratch space.
      const reserved: Uint8Array = new Uint8Array(memory.buffer, 64 * KIB, POOL_RESERVED_BYTES - 64 * KIB);
      const heap = fillRandom(new Uint8Array(50_000));
      crc32c(heap);
      assert.ok(equalBytes(reserved.subarray(0, heap.length), heap), "the copy is there");
      const before = reserved.slice();
      crc32c(fillRandom(region.bytes), 0, 50_000);
      assert.ok(equalBytes(reserved, before), "nothing was copied");
    } finally {
      releaseRegion(region);
    }
  });

  it("reads up to the last byte of the pool and no further", () => {
    const memory = poolMemory();
    assert.ok(memory !== null);
    for (const length of [40, 767, 768, 1_003, 32_767, 32_768, 50_001]) {
      const bytes: Uint8Array = new Uint8Array(memory.buffer, memory.buffer.byteLength - length, length);
      fillRandom(bytes);
      assert.equal(crc32c(bytes), byTables(bytes, 0, length), `${length}`);
      bytes.fill(0);
    }
  });
});

describe("continueCrc32c", () => {
  it("gives for the pieces of an input what crc32c gives for the whole", () => {
    withEveryMemory(120_000, (kind, bytes) => {
      const expected = byTables(bytes, 0, bytes.length);
      for (let round = 0; round < 20; round++) {
        const cuts = [0, ...Array.from({ length: below(8) }, () => below(bytes.length)), bytes.length];
        cuts.sort((a, b) => a - b);
        let crc = 0;
        for (let i = 1; i < cuts.length; i++) crc = continueCrc32c(crc, bytes, cuts[i - 1], cuts[i]);
        assert.equal(crc, expected, `${kind}, cut at ${cuts.join(", ")}`);
      }
    });
  });
});

describe("bindCrc32c", () => {
  const bindings = (): [string, WebAssembly.Memory][] => [
    ["unshared", new WebAssembly.Memory({ initial: 4, maximum: 4 })],
    ["shared", new WebAssembly.Memory({ initial: 4, maximum: 4, shared: true })],
  ];

  it("checksums in place in a memory of the caller's, shared or not", () => {
    for (const [kind, memory] of bindings()) {
      const advance = bindCrc32c(memory, CRC32C_TABLE_BYTES);
      assert.ok(advance !== null, kind);
      const bytes = fillRandom(new Uint8Array(memory.buffer, 64 * KIB));
      for (let round = 0; round < 60; round++) {
        const start = below(1_000);
        const end = start + below(round < 40 ? 5_000 : bytes.length - start + 1);
        const actual: number = ~advance(-1, bytes.byteOffset + start, end - start) >>> 0;
        assert.equal(actual, byTables(bytes, start, end), `${kind}, ${start} to ${end}`);
      }
    }
  });

  it("lets two instances share a memory: each writes to its own scratch space only", () => {
    for (const [kind, memory] of bindings()) {
      const second = CRC32C_TABLE_BYTES + CRC32C_SCRATCH_BYTES;
      const addresses = [CRC32C_TABLE_BYTES, second];
      const instances = addresses.map((address) => bindCrc32c(memory, address));
      const from = second + CRC32C_SCRATCH_BYTES;
      const bytes = fillRandom(new Uint8Array(memory.buffer, from));
      const expected = byTables(bytes, 0, bytes.length);
      instances.forEach((advance, i) => {
        assert.ok(advance !== null, kind);
        const before = new Uint8Array(memory.buffer).slice();
        assert.equal(~advance(-1, from, bytes.length) >>> 0, expected, kind);
        const after = new Uint8Array(memory.buffer).slice();
        for (const copy of [before, after]) copy.fill(0, addresses[i], addresses[i] + CRC32C_SCRATCH_BYTES);
        assert.ok(equalBytes(after, before), kind);
      });
    }
  });

  it("refuses scratch space that is not aligned, lies in the tables, or ends behind the memory", () => {
    const memory = new WebAssembly.Memory({ initial: 2, maximum: 2 });
    for (const address of [CRC32C_TABLE_BYTES + 8, 0, CRC32C_TABLE_BYTES - 16, 128 * KIB - 16, -16, NaN]) {
      assert.throws(() => bindCrc32c(memory, address), RangeError, `${address}`);
    }
  });

  it("refuses a memory that could grow without bound", () => {
    const memory = new WebAssembly.Memory({ initial: 2 });
    assert.throws(() => bindCrc32c(memory, CRC32C_TABLE_BYTES), WebAssembly.LinkError);
  });
});

describe("crc32c_wasm.ts", () => {
  it("is what crc32c.wat builds to", async () => {
    const checkedIn = readFileSync(new URL("../../src/batch/crc32c_wasm.ts", import.meta.url), "utf8");
    assert.equal(checkedIn, await buildCrc32cModules());
  });
});
