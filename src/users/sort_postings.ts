/**
 * Brings one chain of postings into the order of a table: by hash, and by offset within a user.
 *
 * @module
 */
import { WORDS } from "./posting_pool.ts";
import type { Postings } from "./postings.ts";

/** As many stretches as half of the postings or more: so nearly each holds one user. */
const MAX_STRETCH_BITS = 14;
/** Below this an insertion sort is the fastest. */
const FEW = 24;
/** With more users than this in one stretch an ordinary sort does. */
const FEW_USERS = 16;

/** Goes through the users of a chain. Holds the memory that sorting takes; it goes from chain to chain. */
export class PostingSorter {
  /** Postings, four numbers each, as in {@linkcode Postings.blocks}; those in front of {@linkcode PostingSorter.to} are sorted. */
  data: Uint32Array = new Uint32Array(0);
  /** After each {@linkcode PostingSorter.next} that answered true: where the postings of a user stand. */
  from = 0;
  to = 0;
  #words = 0;
  /** By so much the first half of a hash is shifted left and right: what is left is the number of its stretch. */
  #left = 0;
  #right = 0;
  /** Stretches in front of it are sorted. */
  #sorted = 0;
  #ends = new Uint32Array(0);

  /** Takes a chain, and divides it into stretches. */
  load(postings: Postings, partition: number): void {
    const size = postings.sizeOf(partition);
    const words = size * WORDS;
    if (this.data.length < words) this.data = new Uint32Array(words + (words >>> 2));
    const bits = Math.max(1, Math.min(MAX_STRETCH_BITS, 32 - Math.clz32(size)));
    // The bits behind those that all hashes of the chain have in common.
    const left = Math.log2(postings.partitions);
    const right = 32 - bits;
    this.from = this.to = this.#sorted = 0;
    this.#words = words;
    this.#left = left;
    this.#right = right;
    const { data } = this;
    if (this.#ends.length < 1 << bits) this.#ends = new Uint32Array(1 << bits);
    else this.#ends.fill(0, 0, 1 << bits);
    const ends = this.#ends;
    postings.blocks(partition, (block, from, to) => {
      for (let at = from; at < to; at += WORDS) ends[block[at] << left >>> right] += WORDS;
    });
    let sum = 0;
    for (let stretch = 0; stretch < 1 << bits; stretch++) {
      const here = ends[stretch];
      ends[stretch] = sum;
      sum += here;
    }
    postings.blocks(partition, (block, from, to) => {
      for (let at = from; at < to; at += WORDS) {
        const high = block[at];
        const stretch = high << left >>> right;
        const place = ends[stretch];
        ends[stretch] = place + WORDS;
        data[place] = high;
        data[place + 1] = block[at + 1];
        data[place + 2] = block[at + 2];
        data[place + 3] = block[at + 3];
      }
    });
  }

  /** Steps to the next user in the order of hashes. */
  next(): boolean {
    const { data, to: from } = this;
    if (from === this.#words) return false;
    this.from = from;
    this.to = this.#endOfUser(from);
    if (from < this.#sorted || this.to === this.#words) return true;
    const stretch = data[from] << this.#left >>> this.#right;
    if (data[this.to] << this.#left >>> this.#right !== stretch) return true;
    // More than one user in the stretch.
    this.#sorted = this.#ends[stretch];
    sortStretch(data, from, this.#sorted);
    this.to = this.#endOfUser(from);
    return true;
  }

  #endOfUser(from: number): number {
    const { data } = this;
    const words = this.#words;
    const high = data[from];
    const low = data[from + 1];
    let to = from + WORDS;
    while (to < words && data[to] === high && data[to + 1] === low) to += WORDS;
    return to;
  }
}

/** Of one user the order of offsets stands already. */
function sortStretch(data: Uint32Array, from: number, to: number): void {
  if (to - from <= FEW * WORDS) insertionSort(data, from, to);
  else sortByUsers(data, from, to);
}

function insertionSort(data: Uint32Array, from: number, to: number): void {
  for (let i = from + WORDS; i < to; i += WORDS) {
    const high = data[i];
    const low = data[i + 1];
    const offset = data[i + 2];
    const position = data[i + 3];
    let at = i;
    for (; at > from; at -= WORDS) {
      const before = data[at - WORDS];
      if (before < high || (before === high && data[at - 3] <= low)) break;
      data[at] = before;
      data[at + 1] = data[at - 3];
      data[at + 2] = data[at - 2];
      data[at + 3] = data[at - 1];
    }
    data[at] = high;
    data[at + 1] = low;
    data[at + 2] = offset;
    data[at + 3] = position;
  }
}

/** Many postings, most often of a busy user and one or two others: they are taken user by user. */
function sortByUsers(data: Uint32Array, from: number, to: number): void {
  const stretch = data.slice(from, to);
  const users: number[] = [];
  for (let at = 0; at < stretch.length && users.length <= FEW_USERS; at += WORDS) {
    let known = 0;
    while (known < users.length && compare(stretch, users[known], at) !== 0) known++;
    if (known === users.length) users.push(at);
  }
  if (users.length > FEW_USERS) return sortByPlaces(data, from, stretch);
  let place = from;
  for (const user of users.sort((a, b) => compare(stretch, a, b))) {
    const high = stretch[user];
    const low = stretch[user + 1];
    for (let at = user; at < stretch.length; at += WORDS) {
      if (stretch[at] !== high || stretch[at + 1] !== low) continue;
      data[place] = high;
      data[place + 1] = low;
      data[place + 2] = stretch[at + 2];
      data[place + 3] = stretch[at + 3];
      place += WORDS;
    }
  }
}

/** Never seen but where somebody made hashes to be so: slower, and right. */
function sortByPlaces(data: Uint32Array, from: number, stretch: Uint32Array): void {
  const places = new Uint32Array(stretch.length / WORDS).map((_, i) => i * WORDS);
  places.sort((a, b) => compare(stretch, a, b) || a - b);
  for (const [i, place] of places.entries()) data.set(stretch.subarray(place, place + WORDS), from + i * WORDS);
}

function compare(data: Uint32Array, a: number, b: number): number {
  return data[a] - data[b] || data[a + 1] - data[b + 1];
}
