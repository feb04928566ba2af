/** Finding the next intact batch behind damage. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { memoryVfs } from "../../adapters/memory.ts";
import { batchFault, HEADER_BYTES, patchBatch, readHeader } from "../../src/batch/format.ts";
import type { Found } from "../../src/segment/search.ts";
import { findBatch } from "../../src/segment/search.ts";
import { concat, referenceBatch, simpleBatch } from "../fixtures/reference_batch.ts";
import { announceSeed, makeRandom } from "../fixtures/seed.ts";

const seed = announceSeed("search_test");

const PATH = "shard/segment.log";
/** What the search reads at once. */
const WINDOW_BYTES = 1024 * 1024;

async function find(
  content: Uint8Array,
  from: number,
  end = content.length,
  minOffset = 0,
  maxOffset = Number.MAX_SAFE_INTEGER,
): Promise<Found | undefined> {
  const vfs = memoryVfs();
  vfs.writeWhole(PATH, content);
  vfs.onOperation(({ kind, position, bytes }) => {
    if (kind === "read") assert.ok(position >= from && position + bytes <= end, `${bytes} bytes from ${position}`);
  });
  return await findBatch(await vfs.open(PATH, "read"), from, end, minOffset, maxOffset);
}

/** Every position, one after the other. */
function findSlowly(content: Uint8Array, from: number, end: number, min: number, max: number): Found | undefined {
  for (let at = from; at + HEADER_BYTES <= end; at++) {
    if (batchFault(content, at, end - at) !== undefined) continue;
    const { baseOffset, lastOffset, bytes, epoch } = readHeader(content, at);
    if (baseOffset >= min && baseOffset <= max) return { position: at, baseOffset, lastOffset, bytes, epoch };
  }
  return undefined;
}

/** Bytes in which the magic is more frequent than by chance. */
function noise(length: number, random: (limit: number) => number): Uint8Array {
  return Uint8Array.from({ length }, () => random(4) === 0 ? 2 : random(256));
}

describe("the search for a batch", () => {
  it("finds what a look at every position finds", async () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 90 }),
      fc.constantFrom(new Uint8Array(100), new Uint8Array(130).fill(2)),
      fc.tuple(fc.nat({ max: 50 }), fc.integer({ min: 1, max: 3 }), fc.nat({ max: 60 })).map(([base, count, size]) =>
        simpleBatch(base, count, "\u0002".repeat(size))
      ),
      // Cut, and with a flipped bit.
      fc.tuple(fc.nat({ max: 50 }), fc.nat({ max: 70 })).map(([base, cut]) => simpleBatch(base, 1).subarray(0, cut)),
      fc.tuple(fc.nat({ max: 50 }), fc.nat({ max: 70 * 8 - 1 })).map(([base, bit]) => {
        const batch = simpleBatch(base, 1);
        batch[bit >> 3] ^= 1 << (bit & 7);
        return batch;
      }),
      fc.constant(referenceBatch({ baseOffset: 9, lastOffsetDelta: 4 })),
    );
    await fc.assert(fc.asyncProperty(
      fc.array(piece, { maxLength: 8 }),
      fc.nat({ max: 60 }),
      fc.nat({ max: 60 }),
      fc.nat({ max: 200 }),
      fc.nat({ max: 100 }),
      async (pieces, min, more, from, less) => {
        const content = concat(...pieces);
        const end = Math.max(0, content.length - less);
        from = Math.min(from, end);
        assert.deepEqual(
          await find(content, from, end, min, min + more),
          findSlowly(content, from, end, min, min + more),
        );
      },
    ));
  });

  it("finds a batch at every place around the end of what it reads at once", async () => {
    const random = makeRandom(seed);
    const batch = simpleBatch(40, 2, "some text");
    const content = new Uint8Array(WINDOW_BYTES + 400);
    content.set(noise(600, random), WINDOW_BYTES - 300);
    // The first window reaches to its end, the second one begins with the last place that the first could not judge.
    for (const edge of [WINDOW_BYTES, WINDOW_BYTES - (HEADER_BYTES - 1)]) {
      for (let before = -3; before <= batch.length + 3; before++) {
        const position = edge - before;
        const kept = content.slice(position, position + batch.length);
        content.set(batch, position);
        assert.deepEqual(await find(content, 0), {
          position,
          baseOffset: 40,
          lastOffset: 41,
          bytes: batch.length,
          epoch: 0,
        });
        content.set(kept, position);
      }
    }
    assert.equal(await find(content, 0), undefined);
  });

  it("finds a batch that is larger than what it reads at once", async () => {
    const random = makeRandom(seed);
    // Value lengths are varints: the reference knows them all.
    const batch = simpleBatch(7, 3, "x".repeat(WINDOW_BYTES / 2));
    const position = 1000;
    const content = concat(noise(position, random), batch, noise(300, random));
    assert.deepEqual(await find(content, 0), { position, baseOffset: 7, lastOffset: 9, bytes: batch.length, epoch: 0 });
    assert.equal(await find(content, 0, position + batch.length - 1), undefined);
    content[position + batch.length - 1] ^= 1;
    assert.equal(await find(content, 0), undefined);
  });

  it("passes by batches whose offsets do not count", async () => {
    const content = concat(...[3, 50, 7, 12].map((base) => simpleBatch(base, 2)));
    const position = (i: number) => i * (content.length / 4);
    assert.equal((await find(content, 0, content.length, 4, 20))?.position, position(2));
    assert.equal((await find(content, 0, content.length, 8, 12))?.position, position(3));
    assert.equal(await find(content, 0, content.length, 13, 49), undefined);
    assert.equal((await find(content, 0, content.length, 50, 50))?.position, position(1));
  });

  it("passes by batches of an earlier epoch", async () => {
    const old = simpleBatch(3, 2);
    patchBatch(old, 0, 3, 4);
    const current = simpleBatch(9, 2);
    patchBatch(current, 0, 9, 5);
    const vfs = memoryVfs();
    vfs.writeWhole(PATH, concat(old, current));
    const file = await vfs.open(PATH, "read");
    const end = old.length + current.length;
    assert.deepEqual((await findBatch(file, 0, end, 0, 100, 4))?.epoch, 4);
    assert.deepEqual((await findBatch(file, 0, end, 0, 100, 5))?.position, old.length);
    assert.equal(await findBatch(file, 0, end, 0, 100, 6), undefined);
  });

  it("takes bytes of a value for a batch only where they are one", async () => {
    const inner = simpleBatch(5, 1, "inside");
    const text = String.fromCharCode(...inner.subarray(0, HEADER_BYTES).map((byte) => byte & 0x7f));
    const almost = simpleBatch(4, 1, text);
    assert.equal(await find(concat(almost, Uint8Array.of(0)), 1), undefined);
    // The batch itself in another's bytes is one, and its offset has to tell.
    const around = concat(new Uint8Array(30).fill(2), inner, new Uint8Array(30).fill(2));
    assert.equal((await find(around, 0))?.position, 30);
    assert.equal(await find(around, 0, around.length, 6), undefined);
    patchBatch(inner, 0, 6, 1);
    around.set(inner, 30);
    assert.equal((await find(around, 0, around.length, 6))?.baseOffset, 6);
  });

  it("ends with the file, where that is shorter than its end", async () => {
    const content = concat(new Uint8Array(200), simpleBatch(1, 1));
    const vfs = memoryVfs();
    vfs.writeWhole(PATH, content.subarray(0, -1));
    const file = await vfs.open(PATH, "read");
    assert.equal(await findBatch(file, 0, content.length + 5000, 0, 10), undefined);
    assert.equal(await findBatch(file, content.length + 100, content.length + 5000, 0, 10), undefined);
    assert.equal(await findBatch(file, 10, 10, 0, 10), undefined);
    assert.equal(await findBatch(file, 20, 10, 0, 10), undefined);
  });

  it("is not held up by bytes that all look like the magic", async () => {
    const content = concat(new Uint8Array(2 * WINDOW_BYTES).fill(2), simpleBatch(1, 1));
    const started = performance.now();
    assert.equal((await find(content, 0))?.position, 2 * WINDOW_BYTES);
    assert.ok(performance.now() - started < 10_000);
  });
});
