/**
 * Brings one chain of postings into the order of a table: by hash, and by offset within a user.
 *
 * @module
 */
import { WORDS } from "./posting_pool.ts";
import type { Postings } from "./postings.ts";

/** About as many stretches as postings, so that nearly each holds one user. */
const MAX_STRETCH_BITS = 14;
/** Below this an insertion sort is the fastest. */
const FEW = 24;
/** With more users than this in one stretch an ordinary sort does. */
const FEW_USERS = 16;

/** Holds the memory that sorting takes; it goes from chain to chain. */
export class PostingSorter {
  /** The sorted postings, four numbers each, as in {@linkcode Postings.blocks}. */
  data: Uint32Array = new Uint32Array(0);
  readonly #ends = new Uint32Array(1 << MAX_STRETCH_BITS);

  /** Sorts a chain into {@linkcode PostingSorter.data} and answers how many numbers stand there. */
  sort(postings: Postings, partition: number): number {
    const size = postings.sizeOf(partition);
    const words = size * WORDS;
    if (this.data.length < words) this.data = new Uint32Array(words + (words >>> 2));
    if (size === 0) return 0;
    const bits = Math.min(MAX_STRETCH_BITS, 33 - Math.clz32(size));
    // The bits behind those that all hashes of the chain have in common.
    const skipped = Math.log2(postings.partitions);
    const shift = 32 - bits;
    const { data } = this;
    const ends = this.#ends;
    ends.fill(0, 0, 1 << bits);
    postings.blocks(partition, (block, from, to) => {
      for (let at = from; at < to; at += WORDS) ends[block[at] << skipped >>> shift]++;
    });
    let sum = 0;
    for (let stretch = 0; stretch < 1 << bits; stretch++) {
      const here = ends[stretch];
      ends[stretch] = sum;
      sum += here * WORDS;
    }
    postings.blocks(partition, (block, from, to) => {
      for (let at = from; at < to; at += WORDS) {
        const high = block[at];
        const stretch = high << skipped >>> shift;
        const place = ends[stretch];
        ends[stretch] = place + WORDS;
        data[place] = high;
        data[place + 1] = block[at + 1];
        data[place + 2] = block[at + 2];
        data[place + 3] = block[at + 3];
      }
    });
    let start = 0;
    for (let stretch = 0; stretch < 1 << bits; stretch++) {
      const end = ends[stretch];
      if (end - start > WORDS) sortStretch(data, start, end);
      start = end;
    }
    return words;
  }
}

/** Of one user the order of offsets stands already. */
function sortStretch(data: Uint32Array, from: number, to: number): void {
  const high = data[from];
  const low = data[from + 1];
  let at = from + WORDS;
  while (at < to && data[at] === high && data[at + 1] === low) at += WORDS;
  if (at === to) return;
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
