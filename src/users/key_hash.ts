/**
 * 64-bit hashes of record keys: what the user index knows a user by.
 *
 * @module
 */
import { readI32 } from "../bytes.ts";

const A = 0x85ebca77 | 0;
const B = 0xc2b2ae3d | 0;

/**
 * Hashes keys, seeded with the log's id: who does not know it cannot make keys that collide. The last hash stands in
 * {@linkcode KeyHasher.halves}, so that none of it costs an object.
 */
export class KeyHasher {
  /** The upper and the lower half, as signed numbers: unsigned ones may cost an object each. */
  readonly halves: Int32Array = new Int32Array(2);
  readonly #seedA: number;
  readonly #seedB: number;

  constructor(logId: Uint8Array) {
    this.#seedA = Math.imul(readI32(logId, 0), A) ^ readI32(logId, 4);
    this.#seedB = Math.imul(readI32(logId, 8), B) ^ readI32(logId, 12);
  }

  /** Unsigned 32 bits. */
  get high(): number {
    return this.halves[0] >>> 0;
  }

  /** Unsigned 32 bits. */
  get low(): number {
    return this.halves[1] >>> 0;
  }

  /** Hashes `length` bytes from `at`. */
  hash(bytes: Uint8Array, at: number, length: number): void {
    let a = this.#seedA ^ length;
    let b = this.#seedB ^ Math.imul(length, A);
    const end = at + length;
    for (const words = end - (length & 3); at < words; at += 4) {
      const word = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
      a = Math.imul(a ^ word, A);
      a = (a << 15) | (a >>> 17);
      b = Math.imul(b ^ word, B);
      b = (b << 13) | (b >>> 19);
    }
    if (at < end) {
      let word = bytes[at];
      if (at + 1 < end) word |= bytes[at + 1] << 8;
      if (at + 2 < end) word |= bytes[at + 2] << 16;
      a = Math.imul(a ^ word, A);
      a = (a << 15) | (a >>> 17);
      b = Math.imul(b ^ word, B);
      b = (b << 13) | (b >>> 19);
    }
    // MurmurHash3's finalizer of the sum and of one half, written out: what it makes of two states is never the same. The two do not wait
    // for each other.
    a = (a + b) | 0;
    a = Math.imul(a ^ (a >>> 16), 0x85ebca6b);
    b = Math.imul(b ^ (b >>> 16), 0x85ebca6b);
    a = Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
    b = Math.imul(b ^ (b >>> 13), 0xc2b2ae35);
    this.halves[0] = a ^ (a >>> 16);
    this.halves[1] = b ^ (b >>> 16);
  }
}
