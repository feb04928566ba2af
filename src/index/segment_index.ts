/**
 * The part of a segment's index that is kept in memory: a sample about every 16 KiB of the `.log`.
 *
 * @module
 */

/** Distance of two samples in the `.log`, in bytes: 1 GiB of log costs 1.5 MiB of memory, a lookup one short scan. */
export const SAMPLE_EVERY_BYTES: number = 16 * 1024;

/** Where to start scanning. */
export interface Sample {
  readonly baseOffset: number;
  readonly position: number;
  /** The largest timestamp of the segment in front of this position, -1 where there is none. */
  readonly maxTimestampBefore: number;
}

/** Samples of one segment in the order of the log. */
export class SegmentIndex {
  #offsets: Float64Array = new Float64Array(4);
  #positions: Float64Array = new Float64Array(4);
  #maximums: Float64Array = new Float64Array(4);
  #count = 0;
  /** The largest timestamp of all batches added. */
  maxTimestamp = -1;
  /** Batches added. */
  batches = 0;

  /** Adds the next batch. `maxTimestamp` is its own, -1 for a batch without records. */
  add(baseOffset: number, position: number, maxTimestamp: number): void {
    const count = this.#count;
    if (count === 0 || position - this.#positions[count - 1] >= SAMPLE_EVERY_BYTES) {
      if (count === this.#offsets.length) this.#grow();
      this.#offsets[count] = baseOffset;
      this.#positions[count] = position;
      this.#maximums[count] = this.maxTimestamp;
      this.#count = count + 1;
    }
    if (maxTimestamp > this.maxTimestamp) this.maxTimestamp = maxTimestamp;
    this.batches++;
  }

  /** Number of samples. */
  get length(): number {
    return this.#count;
  }

  sample(i: number): Sample {
    return {
      baseOffset: this.#offsets[i],
      position: this.#positions[i],
      maxTimestampBefore: this.#maximums[i],
    };
  }

  /** The last sample whose base offset is ≤ `offset`; -1 where there is none. */
  findOffset(offset: number): number {
    return lastAtMost(this.#offsets, this.#count, offset);
  }

  /** The last sample with only smaller timestamps than `timestamp` in front of it; -1 in an empty index. */
  findTime(timestamp: number): number {
    // The maximums never fall, so "smaller than" is "at most the number before".
    return lastAtMost(this.#maximums, this.#count, timestamp - 1);
  }

  #grow(): void {
    const size = this.#count * 2;
    this.#offsets = enlarged(this.#offsets, size);
    this.#positions = enlarged(this.#positions, size);
    this.#maximums = enlarged(this.#maximums, size);
  }
}

function enlarged(values: Float64Array, size: number): Float64Array {
  const larger = new Float64Array(size);
  larger.set(values);
  return larger;
}

function lastAtMost(values: Float64Array, count: number, limit: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle] <= limit) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
