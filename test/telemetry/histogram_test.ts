/** Durations in buckets: counts, percentiles, merging. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Histogram } from "../../src/telemetry/histogram.ts";

function of(...durations: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const ms of durations) histogram.record(ms);
  return histogram;
}

describe("a histogram", () => {
  it("is all zeros without a measurement", () => {
    const { buckets, ...rest } = new Histogram().snapshot();
    assert.deepEqual(rest, { count: 0, sumMs: 0, maxMs: 0, p50Ms: 0, p95Ms: 0, p99Ms: 0 });
    assert.ok(buckets.every(({ count }) => count === 0));
  });

  it("has three buckets to a factor of ten, from 10 µs to 100 s, and one for the rest", () => {
    const bounds = of().snapshot().buckets.map(({ leMs }) => leMs);
    assert.deepEqual(bounds.slice(0, 4), [0.01, 0.022, 0.047, 0.1]);
    assert.deepEqual(bounds.slice(-3), [47_000, 100_000, Infinity]);
    assert.equal(bounds.length, 23);
  });

  it("counts what lies on a bound below it, and what is longer than all bounds in the last bucket", () => {
    const { buckets, maxMs, p99Ms } = of(0.01, 0.0101, 1e9).snapshot();
    assert.equal(buckets[0].count, 1);
    assert.equal(buckets[1].count, 2);
    assert.deepEqual(buckets.at(-1), { leMs: Infinity, count: 3 });
    assert.deepEqual([maxMs, p99Ms], [1e9, 1e9]);
  });

  it("takes a clock that went back, or nonsense, for no time at all", () => {
    const { sumMs, buckets } = of(-5, NaN).snapshot();
    assert.deepEqual([sumMs, buckets[0].count], [0, 2]);
  });

  it("has percentiles that are at most a quarter above the exact ones, and never below", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0.02, max: 90_000, noNaN: true }), { minLength: 1 }), (durations) => {
        const sorted = [...durations].sort((a, b) => a - b);
        const { p50Ms, p95Ms, p99Ms, count, buckets } = of(...durations).snapshot();
        assert.equal(count, durations.length);
        for (const [part, found] of [[0.5, p50Ms], [0.95, p95Ms], [0.99, p99Ms]]) {
          const exact = sorted[Math.ceil(sorted.length * part) - 1];
          assert.ok(found >= exact * 0.999 && found <= exact * 1.26, `${part}: ${found}, exactly ${exact}`);
        }
        for (const { leMs, count } of buckets) assert.equal(count, durations.filter((ms) => ms <= leMs).length);
      }),
    );
  });

  it("adds another one up as if everything had been counted in one place", () => {
    const both = of(1, 2, 300);
    both.add(of(4, 5000));
    assert.deepEqual(both.snapshot(), of(1, 2, 300, 4, 5000).snapshot());
  });
});
