/**
 * A seeded generator: the one source of chance in a simulation, so that a run can be repeated from its seed.
 *
 * @module
 */
import type { Random } from "../../src/vfs.ts";

const TWO_32 = 4294967296;

/** Small fast counting generator (128 bits of state, of which 32 count, so no cycle is shorter than 2^32). */
export class SeededRandom {
  /** What the generator was made from. */
  readonly seed: number;
  private a: number;
  private b: number;
  private c = 0x6b79a3f1;
  private counter = 1;

  /**
   * Makes a generator; neighbouring seeds have nothing in common.
   *
   * @param seed A safe integer.
   */
  constructor(seed: number) {
    if (!Number.isSafeInteger(seed)) throw new RangeError(`Cannot seed: ${String(seed)} is not a safe integer`);
    this.seed = seed;
    this.a = seed | 0;
    this.b = Math.floor(seed / TWO_32) | 0;
    // Neighbouring seeds start alike: these rounds spread each bit over the whole state.
    for (let i = 0; i < 12; i++) this.nextU32();
  }

  /** An integer from 0 to 2^32 - 1. */
  nextU32(): number {
    const sum = (((this.a + this.b) | 0) + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = ((((this.c << 21) | (this.c >>> 11)) | 0) + sum) | 0;
    return sum >>> 0;
  }

  /**
   * An integer, each as likely as the others.
   *
   * @param end From 1 to 2^32.
   * @returns An integer from 0 to `end - 1`.
   */
  below(end: number): number {
    if (!(end >= 1 && end <= TWO_32)) throw new RangeError(`Cannot choose below ${end}: must be from 1 to 2^32`);
    return Math.floor((this.nextU32() / TWO_32) * end);
  }

  /**
   * True with the probability given.
   *
   * @param probability From 0 (never) to 1 (always).
   */
  chance(probability: number): boolean {
    return this.nextU32() < probability * TWO_32;
  }

  /**
   * One of the items.
   *
   * @param items At least one.
   */
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)];
  }

  /** Brings `items` into a random order, in place. */
  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const kept = items[i];
      items[i] = items[j];
      items[j] = kept;
    }
    return items;
  }

  /** Fills with random bytes. It may be passed on alone, as the `Random` of an engine. */
  readonly fill: Random = (into: Uint8Array): void => {
    for (let i = 0; i < into.length; i += 4) {
      const word = this.nextU32();
      into[i] = word;
      if (i + 1 < into.length) into[i + 1] = word >>> 8;
      if (i + 2 < into.length) into[i + 2] = word >>> 16;
      if (i + 3 < into.length) into[i + 3] = word >>> 24;
    }
  };

  /** A generator that gives what this one would give from here on. */
  clone(): SeededRandom {
    const copy = new SeededRandom(this.seed);
    copy.a = this.a;
    copy.b = this.b;
    copy.c = this.c;
    copy.counter = this.counter;
    return copy;
  }
}

/**
 * Makes a generator.
 *
 * @param seed A safe integer.
 */
export function seededRandom(seed: number): SeededRandom {
  return new SeededRandom(seed);
}
