/**
 * How long something takes, counted in fixed buckets: no memory grows, and percentiles are at most a quarter too high.
 *
 * @module
 */

/** Steps within a factor of ten: the E12 series, so that every bound is a short number. */
const STEPS = [1, 1.2, 1.5, 1.8, 2.2, 2.7, 3.3, 3.9, 4.7, 5.6, 6.8, 8.2];
/** 10 µs, 100 µs … 10 s. */
const DECADES = [-5, -4, -3, -2, -1, 0, 1];
/** Upper bounds in seconds, inclusive: 10 µs to 100 s. What is longer has a bucket of its own. */
const BOUNDS: readonly number[] = [
  ...DECADES.flatMap((exponent) => STEPS.map((step) => Number(`${step}e${exponent}`))),
  100,
];
/** Every fourth bound is a bucket of a {@linkcode Latency}: 10, 22, 47, 100 µs and so on. */
const PUBLIC_EVERY = 4;

/** One bucket of a {@linkcode Latency}. */
export interface LatencyBucket {
  /** Upper bound in milliseconds, inclusive; `Infinity` in the last one. */
  readonly leMs: number;
  /** How many took at most so long: buckets are cumulative. */
  readonly count: number;
}

/** How long something took, since the log was opened. All times in milliseconds; 0 where nothing was measured. */
export interface Latency {
  /** How many were measured. */
  readonly count: number;
  /** All of them together. */
  readonly sumMs: number;
  /** The longest. */
  readonly maxMs: number;
  /** Half of them took at most so long. Percentiles are bounds of buckets, so up to a quarter too high, and never above the maximum. */
  readonly p50Ms: number;
  /** 95 of 100 took at most so long. */
  readonly p95Ms: number;
  /** 99 of 100 took at most so long. */
  readonly p99Ms: number;
  /** From 10 µs to 100 s, three to a factor of ten. */
  readonly buckets: readonly LatencyBucket[];
}

const NOTHING_COUNTED = new Float64Array(BOUNDS.length + 1);

/** Counts durations. */
export class Histogram {
  /** Its own from the first one on: much is opened that never counts anything. */
  #counts: Float64Array = NOTHING_COUNTED;
  #count = 0;
  #sumMs = 0;
  #maxMs = 0;

  /** Counts one. A clock that went back counts as 0. */
  record(ms: number): void {
    const value = ms > 0 ? ms : 0;
    if (this.#count === 0) this.#counts = new Float64Array(BOUNDS.length + 1);
    this.#counts[bucketOf(value / 1000)]++;
    this.#count++;
    this.#sumMs += value;
    if (value > this.#maxMs) this.#maxMs = value;
  }

  /** Adds what another one has counted. */
  add(other: Histogram): void {
    if (other.#count === 0) return;
    if (this.#count === 0) this.#counts = new Float64Array(BOUNDS.length + 1);
    for (let i = 0; i < this.#counts.length; i++) this.#counts[i] += other.#counts[i];
    this.#count += other.#count;
    this.#sumMs += other.#sumMs;
    this.#maxMs = Math.max(this.#maxMs, other.#maxMs);
  }

  /** Everything counted so far, as plain data. */
  snapshot(): Latency {
    const buckets: LatencyBucket[] = [];
    let sum = 0;
    for (let i = 0; i < BOUNDS.length; i++) {
      sum += this.#counts[i];
      if (i % PUBLIC_EVERY === 0) buckets.push({ leMs: inMs(BOUNDS[i]), count: sum });
    }
    buckets.push({ leMs: Infinity, count: this.#count });
    return {
      count: this.#count,
      sumMs: this.#sumMs,
      maxMs: this.#maxMs,
      p50Ms: this.#percentile(0.5),
      p95Ms: this.#percentile(0.95),
      p99Ms: this.#percentile(0.99),
      buckets,
    };
  }

  #percentile(part: number): number {
    const rank = Math.ceil(this.#count * part);
    if (rank === 0) return 0;
    let sum = 0;
    for (let i = 0; i < BOUNDS.length; i++) {
      sum += this.#counts[i];
      if (sum >= rank) return Math.min(inMs(BOUNDS[i]), this.#maxMs);
    }
    return this.#maxMs;
  }
}

/** 0.00001 s times 1000 is not quite 0.01. */
function inMs(seconds: number): number {
  return Number((seconds * 1000).toPrecision(2));
}

function bucketOf(seconds: number): number {
  let low = 0;
  let high = BOUNDS.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (seconds <= BOUNDS[middle]) high = middle;
    else low = middle + 1;
  }
  return low;
}
