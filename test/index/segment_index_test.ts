/** Lookups in a segment's samples against a search through all batches. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { SAMPLE_EVERY_BYTES, SegmentIndex } from "../../src/index/segment_index.ts";
import { announceSeed } from "../fixtures/seed.ts";

announceSeed("segment_index_test");

interface Batch {
  readonly base: number;
  readonly last: number;
  readonly position: number;
  readonly bytes: number;
  /** -1: no record. */
  readonly maxTimestamp: number;
}

/** Batches of any size; offsets may have holes; timestamps go up and down. */
const batches: fc.Arbitrary<Batch[]> = fc.array(
  fc.record({
    hole: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, fc.nat({ max: 20 })),
    count: fc.integer({ min: 1, max: 500 }),
    bytes: fc.oneof(fc.integer({ min: 61, max: 300 }), fc.integer({ min: 61, max: 40_000 })),
    maxTimestamp: fc.oneof(fc.integer({ min: -1, max: 50 }), fc.nat({ max: 2 ** 50 })),
  }),
  { maxLength: 60 },
).map((shapes) => {
  let base = 0;
  let position = 0;
  return shapes.map(({ hole, count, bytes, maxTimestamp }) => {
    base += hole;
    const batch = { base, last: base + count - 1, position, bytes, maxTimestamp };
    base += count;
    position += bytes;
    return batch;
  });
});

function indexOf(list: readonly Batch[]): SegmentIndex {
  const index = new SegmentIndex();
  for (const batch of list) index.add(batch.base, batch.position, batch.maxTimestamp);
  return index;
}

/** Position where a scan has to begin, -1 where there is none. */
function startOf(index: SegmentIndex, sample: number): number {
  return sample < 0 ? -1 : index.sample(sample).position;
}

describe("samples of a segment", () => {
  it("are batches, about one in 16 KiB, the first one always", () => {
    fc.assert(fc.property(batches, (list) => {
      const index = indexOf(list);
      assert.equal(index.batches, list.length);
      assert.equal(index.maxTimestamp, list.reduce((max, batch) => Math.max(max, batch.maxTimestamp), -1));
      let from = -SAMPLE_EVERY_BYTES;
      const expected = list.filter((batch) => {
        const taken = batch.position - from >= SAMPLE_EVERY_BYTES;
        if (taken) from = batch.position;
        return taken;
      });
      assert.deepEqual(
        Array.from({ length: index.length }, (_, i) => index.sample(i)),
        expected.map((batch) => ({
          baseOffset: batch.base,
          position: batch.position,
          maxTimestampBefore: list.filter((other) => other.position < batch.position).reduce(
            (max, other) => Math.max(max, other.maxTimestamp),
            -1,
          ),
        })),
      );
    }));
  });

  it("lead to any offset: nothing with it lies in front, and less than a stretch and a batch is scanned", () => {
    fc.assert(fc.property(batches, fc.nat({ max: 40_000 }), (list, offset) => {
      const index = indexOf(list);
      const start = startOf(index, index.findOffset(offset));
      const wanted = list.find((batch) => batch.last >= offset);
      const nothing = list.length === 0 || list[0].base > offset;
      assert.equal(start === -1, nothing);
      if (nothing || wanted === undefined || wanted.base > offset) return;
      assert.ok(start <= wanted.position, `starts at ${start}, behind ${wanted.position}`);
      const next = list.find((batch) => batch.position - start >= SAMPLE_EVERY_BYTES);
      assert.ok(next === undefined || wanted.position < next.position, "a later sample would have done");
    }));
  });

  it("lead to any time: the first batch with it is never in front of the scan", () => {
    fc.assert(
      fc.property(batches, fc.oneof(fc.integer({ min: 0, max: 60 }), fc.nat({ max: 2 ** 51 })), (list, time) => {
        const index = indexOf(list);
        const start = startOf(index, index.findTime(time));
        assert.equal(start === -1, list.length === 0);
        const wanted = list.find((batch) => batch.maxTimestamp >= time);
        if (wanted === undefined) {
          // Too late for every batch: the scan is the last stretch only.
          assert.equal(start, startOf(index, index.length - 1));
          return;
        }
        assert.ok(start <= wanted.position, `starts at ${start}, behind ${wanted.position}`);
        const next = list.find((batch) => batch.position - start >= SAMPLE_EVERY_BYTES);
        assert.ok(next === undefined || wanted.position < next.position, "a later sample would have done");
      }),
    );
  });

  it("are one a batch where batches are larger than a stretch", () => {
    const index = new SegmentIndex();
    const bytes = 65_536;
    for (let i = 0; i < 16_384; i++) index.add(i * 600, i * bytes, i);
    assert.equal(index.length, 16_384);
    assert.deepEqual(index.sample(9_999), {
      baseOffset: 9_999 * 600,
      position: 9_999 * bytes,
      maxTimestampBefore: 9_998,
    });
    assert.equal(index.findOffset(9_999 * 600 + 599), 9_999);
    assert.equal(index.findTime(10_000), 10_000);
  });
});
