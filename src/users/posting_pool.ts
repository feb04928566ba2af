/**
 * Memory for postings: small blocks in slabs, handed out in chains.
 *
 * @module
 */

/** Numbers of a posting: the halves of the hash, its offset, and where its batch starts. */
export const WORDS = 4;
/** Bytes of a posting in memory. */
export const POSTING_BYTES: number = 4 * WORDS;
/** Postings of a block: in shorter ones the processor has nothing to read ahead. */
export const BLOCK_POSTINGS = 128;
const BLOCK_SHIFT = 9;
/** Numbers of a block. */
export const BLOCK_WORDS: number = 1 << BLOCK_SHIFT;
/** A place is shifted right by so much to get its slab. */
export const SLAB_SHIFT = 14;
const SLAB_BLOCKS: number = 1 << (SLAB_SHIFT - BLOCK_SHIFT);
const SLAB_WORDS: number = 1 << SLAB_SHIFT;
/** Tables are sorted and written partition by partition: each of them should be small, and there should not be many open blocks. */
const MAX_PARTITIONS = 256;
const BLOCKS_A_PARTITION = 16;
/** Less would not even be a table. */
const MIN_BLOCKS = 4;
/** The end of a chain. */
export const NO_BLOCK = 0xffff_ffff;

/** Gives blocks to the postings of one shard, takes memory for them as it is needed, and never more than it may. */
export class PostingPool {
  /** A place is a number of 32 bits: its slab, and its place in the slab. */
  readonly slabs: Uint32Array[] = [];
  /** The block behind each block in its chain. */
  next: Uint32Array = new Uint32Array(0);
  /** Postings are kept in so many chains, by the first bits of their hashes: a power of two. */
  readonly partitions: number;
  /** Most postings. */
  readonly capacity: number;
  readonly #maxBlocks: number;
  #blocks = 0;
  #free = NO_BLOCK;

  /** @param bytes Of memory, at most, from a few kilobytes on. */
  constructor(bytes: number) {
    this.#maxBlocks = Math.max(MIN_BLOCKS, Math.floor(bytes / BLOCK_WORDS / 4));
    this.capacity = this.#maxBlocks * BLOCK_POSTINGS;
    let partitions = 1;
    while (partitions < MAX_PARTITIONS && 2 * partitions * BLOCKS_A_PARTITION <= this.#maxBlocks) partitions *= 2;
    this.partitions = partitions;
  }

  /** A block behind another one, or at the front of a chain; {@linkcode NO_BLOCK} where memory is full. */
  take(behind: number): number {
    let block = this.#free;
    if (block !== NO_BLOCK) this.#free = this.next[block];
    else {
      if (this.#blocks === this.#maxBlocks) return NO_BLOCK;
      if (this.#blocks % SLAB_BLOCKS === 0) this.#grow();
      block = this.#blocks++;
    }
    this.next[block] = NO_BLOCK;
    if (behind !== NO_BLOCK) this.next[behind] = block;
    return block;
  }

  /** Takes a chain back. */
  give(first: number, last: number): void {
    this.next[last] = this.#free;
    this.#free = first;
  }

  #grow(): void {
    const blocks = Math.min(SLAB_BLOCKS, this.#maxBlocks - this.#blocks);
    this.slabs.push(new Uint32Array(blocks * BLOCK_WORDS));
    if (this.next.length >= this.#blocks + blocks) return;
    const next = new Uint32Array(Math.min(this.#maxBlocks, 2 * (this.#blocks + blocks)));
    next.set(this.next);
    this.next = next;
  }
}

/** The place in its slab of a place. */
export function placeInSlab(place: number): number {
  return place & (SLAB_WORDS - 1);
}
