import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import {
  acquireRegion,
  acquireVisibleRegion,
  POOL_RESERVED_BYTES,
  poolBytesInUse,
  poolMemory,
  type Region,
  releaseRegion,
} from "../../src/batch/memory_pool.ts";

const UNIT = 65_536;

/** Acquires, checks, and releases whatever is still held in the end. */
function withRegions(check: (acquire: (minBytes: number) => Region, held: Set<Region>) => void): void {
  const held = new Set<Region>();
  try {
    check((minBytes) => {
      const region = acquireRegion(minBytes);
      held.add(region);
      return region;
    }, held);
  } finally {
    held.forEach(releaseRegion);
  }
}

function poolBytes(): number {
  const memory = poolMemory();
  assert.ok(memory !== null, "WebAssembly is available here");
  return memory.buffer.byteLength;
}

describe("memory pool", () => {
  it("rounds up to units, and hands out aligned addresses from the lowest up", () => {
    withRegions((acquire) => {
      const before = poolBytesInUse();
      const regions = [1, UNIT, UNIT + 1, 0].map(acquire);
      const units = [1, 1, 2, 1];
      let address = POOL_RESERVED_BYTES;
      regions.forEach((region, i) => {
        assert.equal(region.bytes.length, units[i] * UNIT);
        assert.equal(region.address, address);
        assert.equal(region.bytes.byteOffset, address);
        assert.equal(address % 4096, 0);
        address += units[i] * UNIT;
      });
      assert.equal(poolBytesInUse() - before, 5 * UNIT);
    });
    assert.equal(poolBytesInUse(), 0);
  });

  it("reuses the lowest gap that is large enough", () => {
    withRegions((acquire, held) => {
      const [a, b, c, d] = [2, 1, 3, 1].map((units) => acquire(units * UNIT));
      for (const region of [a, c]) {
        releaseRegion(region);
        held.delete(region);
      }
      assert.equal(acquire(3 * UNIT).address, c.address);
      assert.equal(acquire(UNIT).address, a.address);
      assert.equal(acquire(2 * UNIT).address, d.address + UNIT);
      assert.equal(acquire(UNIT).address, b.address - UNIT);
    });
  });

  it("joins neighbouring gaps", () => {
    withRegions((acquire, held) => {
      const regions = [1, 1, 1, 1].map((units) => acquire(units * UNIT));
      for (const region of [regions[1], regions[2]]) {
        releaseRegion(region);
        held.delete(region);
      }
      assert.equal(acquire(2 * UNIT).address, regions[1].address);
    });
  });

  it("falls back to heap memory when it is exhausted, and recovers", () => {
    withRegions((acquire, held) => {
      const all = acquire(poolBytes() - POOL_RESERVED_BYTES);
      assert.equal(all.address, POOL_RESERVED_BYTES);
      assert.equal(all.address + all.bytes.length, poolBytes());
      const inUse = poolBytesInUse();
      const heap = acquire(100_000);
      assert.equal(heap.address, -1);
      assert.equal(heap.bytes.length, 2 * UNIT);
      assert.equal(heap.bytes.byteOffset, 0);
      assert.equal(poolBytesInUse(), inUse);
      releaseRegion(heap);
      held.delete(heap);
      assert.equal(poolBytesInUse(), inUse);
      releaseRegion(all);
      held.delete(all);
      assert.equal(poolBytesInUse(), 0);
      assert.equal(acquire(1).address, POOL_RESERVED_BYTES);
    });
  });

  it("answers a request larger than the pool from the heap", () => {
    withRegions((acquire) => {
      const region = acquire(poolBytes());
      assert.equal(region.address, -1);
      assert.equal(region.bytes.length, poolBytes());
    });
  });

  it("refuses to release a region twice, from the pool or the heap", () => {
    const pooled = acquireRegion(1);
    const blocker = acquireRegion(poolBytes() - POOL_RESERVED_BYTES - UNIT);
    const heap = acquireRegion(1);
    assert.equal(heap.address, -1);
    for (const region of [pooled, heap]) {
      releaseRegion(region);
      assert.throws(() => releaseRegion(region), /released before/);
    }
    releaseRegion(blocker);
    assert.equal(poolBytesInUse(), 0);
  });

  it("refuses what it did not hand out", () => {
    const region = acquireRegion(1);
    const { bytes, address } = region;
    assert.throws(() => releaseRegion({ bytes, address }), TypeError);
    assert.equal(poolBytesInUse(), UNIT);
    releaseRegion(region);
  });

  it("is shared memory on Bun alone; what a program gets to see is never of it", async () => {
    const isShared = poolMemory()!.buffer instanceof SharedArrayBuffer;
    assert.equal(isShared, process.versions.bun !== undefined);
    const region = acquireVisibleRegion(10);
    assert.equal(region.bytes.length, UNIT);
    assert.ok(region.bytes.buffer instanceof ArrayBuffer);
    assert.equal((await crypto.subtle.digest("SHA-256", region.bytes as Uint8Array<ArrayBuffer>)).byteLength, 32);
    releaseRegion(region);
    assert.throws(() => releaseRegion(region), /released before/);
  });

  it("refuses a size that is none", () => {
    for (const acquire of [acquireRegion, acquireVisibleRegion]) {
      for (const size of [-1, 0.5, NaN, Infinity, 2 ** 53]) assert.throws(() => acquire(size), RangeError);
    }
    assert.equal(poolBytesInUse(), 0);
  });

  it("never grows: the memory and its buffer stay the same", () => {
    const memory = poolMemory();
    assert.ok(memory !== null);
    const { buffer } = memory;
    withRegions((acquire) => {
      for (let i = 0; i < 10; i++) acquire(20 * 1024 * 1024);
    });
    assert.equal(poolMemory(), memory);
    assert.equal(memory.buffer, buffer);
    assert.throws(() => memory.grow(1));
  });

  it("never lets two holders share a byte", () => {
    const seed = Number(process.env.SEED ?? Date.now() % 0x1_0000_0000);
    console.log(`memory_pool_test: SEED=${seed}`);
    let state = seed | 1;
    const below = (limit: number): number => {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return (state >>> 0) % limit;
    };
    withRegions((acquire, held) => {
      const owners = new Map<number, Region>();
      for (let round = 0; round < 20_000; round++) {
        if (held.size > 0 && below(2) === 0) {
          const region = [...held][below(held.size)];
          for (let at = 0; at < region.bytes.length; at += UNIT) {
            if (region.address !== -1) assert.ok(owners.delete(region.address + at));
          }
          releaseRegion(region);
          held.delete(region);
        } else {
          const region = acquire(below(40) * UNIT + below(2));
          if (region.address === -1) continue;
          assert.ok(region.address >= POOL_RESERVED_BYTES);
          for (let at = region.address; at < region.address + region.bytes.length; at += UNIT) {
            assert.ok(!owners.has(at), `round ${round}: the unit at ${at} has two holders`);
            owners.set(at, region);
          }
        }
        assert.equal(poolBytesInUse(), owners.size * UNIT);
      }
    });
  });
});
