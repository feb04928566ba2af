/**
 * Hashes of keys, made as records are appended: later, when their batch is written, its bytes have left the processor's caches.
 *
 * @module
 */
import type { KeyObserver } from "../batch/key_observer.ts";
import type { KeyHasher } from "./key_hash.ts";

/** The halves of a hash, and by how much the record's offset is behind that of its batch. */
export const HASHED_WORDS = 3;
const FIRST_WORDS = 512;

/** The hashed keys of one batch, in the order of its records. */
export interface HashedKeys {
  /** Three numbers each: see {@linkcode HASHED_WORDS}. */
  readonly words: Int32Array;
  /** How many numbers there are. */
  readonly length: number;
}

class Batch implements HashedKeys {
  words = new Int32Array(FIRST_WORDS);
  length = 0;
  baseOffset = 0;
  count = 0;
  /** The one sealed behind it, or the next one without use. */
  next: Batch | undefined = undefined;
}

/** Of one shard: batches are taken in the order in which they were sealed. */
export class AppendedKeys implements KeyObserver {
  readonly #hasher: KeyHasher;
  #left: number;
  #open: Batch | undefined = undefined;
  #first: Batch | undefined = undefined;
  #last: Batch | undefined = undefined;
  #unused: Batch | undefined = undefined;

  /** @param bytes Of memory, at most. Where it is full, keys have to be looked for in the batches. */
  constructor(hasher: KeyHasher, bytes: number) {
    this.#hasher = hasher;
    this.#left = Math.floor(bytes / 4);
  }

  begin(): void {
    if (this.#open === undefined) {
      this.#open = this.#unused ?? this.#make();
      this.#unused = this.#open?.next;
    }
    if (this.#open !== undefined) this.#open.length = 0;
  }

  key(bytes: Uint8Array, at: number, length: number, delta: number): void {
    const batch = this.#open;
    if (batch === undefined) return;
    const place = batch.length;
    if (place + HASHED_WORDS > batch.words.length && !this.#grow(batch)) return;
    const hasher = this.#hasher;
    hasher.hash(bytes, at, length);
    const { words } = batch;
    words[place] = hasher.halves[0];
    words[place + 1] = hasher.halves[1];
    words[place + 2] = delta;
    batch.length = place + HASHED_WORDS;
  }

  sealed(baseOffset: number, count: number): void {
    const batch = this.#open;
    if (batch === undefined) return;
    this.#open = undefined;
    batch.baseOffset = baseOffset;
    batch.count = count;
    batch.next = undefined;
    if (this.#last === undefined) this.#first = batch;
    else this.#last.next = batch;
    this.#last = batch;
  }

  /**
   * The keys of a batch that was written, until the next call; `undefined` where they were not kept, or the batch was made elsewhere. Those
   * of batches in front of it are forgotten.
   */
  take(baseOffset: number, count: number): HashedKeys | undefined {
    for (let batch = this.#first; batch !== undefined; batch = this.#first) {
      if (batch.baseOffset > baseOffset) break;
      if (batch.baseOffset === baseOffset) return batch.count === count ? batch : undefined;
      this.#first = batch.next;
      if (this.#first === undefined) this.#last = undefined;
      batch.next = this.#unused;
      this.#unused = batch;
    }
    return undefined;
  }

  /** Nobody asks for keys any more. */
  end(): void {
    this.#left = 0;
    this.#open =
      this.#first =
      this.#last =
      this.#unused =
        undefined;
  }

  #make(): Batch | undefined {
    if (this.#left < FIRST_WORDS) return undefined;
    this.#left -= FIRST_WORDS;
    return new Batch();
  }

  /** Where there is no memory for all of its keys, those of the open batch are not kept. */
  #grow(batch: Batch): boolean {
    const { words } = batch;
    if (this.#left >= words.length) {
      this.#left -= words.length;
      batch.words = new Int32Array(2 * words.length);
      batch.words.set(words);
      return true;
    }
    this.#open = undefined;
    batch.next = this.#unused;
    this.#unused = batch;
    return false;
  }
}
