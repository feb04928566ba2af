/**
 * The users of the newest records, in memory: a hash, an offset and a place for each, in typed arrays.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import { type BatchHeader, CODEC_MASK, CONTROL, HEADER_BYTES, UNKNOWN_ATTRIBUTES } from "../batch/format.ts";
import { RecordDecoder } from "../batch/record_decoder.ts";
import { HASHED_WORDS, type HashedKeys } from "./appended_keys.ts";
import type { KeyHasher } from "./key_hash.ts";
import { BLOCK_WORDS, NO_BLOCK, placeInSlab, type PostingPool, SLAB_SHIFT, WORDS } from "./posting_pool.ts";
import type { LastBatch } from "./table_format.ts";

/** Offsets are kept in 32 bits. */
const MAX_OFFSETS = 0x7fff_ffff;

/**
 * A stretch of offsets without a hole, and who wrote what in it. No object a record, none a user. Postings are divided by the first bits
 * of their hashes as they come: a reader looks through one chain, and a table is sorted chain by chain, each of which is small.
 */
export class Postings {
  first: number;
  /** Everything in front of this offset is here. */
  next: number;
  count = 0;
  /** Bytes of log that the records take. */
  logBytes = 0;
  last: LastBatch | undefined = undefined;
  readonly #pool: PostingPool;
  readonly #shift: number;
  readonly #mask: number;
  readonly #slabs: readonly Uint32Array[];
  /** Of each chain its first block, the place for the next posting, and how many blocks it has. */
  readonly #heads: Uint32Array;
  readonly #tails: Uint32Array;
  readonly #blocks: Uint32Array;

  constructor(first: number, pool: PostingPool) {
    this.first = this.next = first;
    this.#pool = pool;
    this.#slabs = pool.slabs;
    const { partitions } = pool;
    this.#shift = 32 - Math.log2(partitions);
    this.#mask = partitions - 1;
    this.#heads = new Uint32Array(partitions);
    this.#tails = new Uint32Array(partitions);
    this.#blocks = new Uint32Array(partitions);
  }

  /** Gives the memory back: nothing is here any more, and `first` comes next. */
  reset(first: number): void {
    for (let i = 0; i < this.#blocks.length; i++) {
      if (this.#blocks[i] > 0) this.#pool.give(this.#heads[i], (this.#tails[i] - 1) / BLOCK_WORDS >>> 0);
    }
    this.#blocks.fill(0);
    this.#tails.fill(0);
    this.first = this.next = first;
    this.count = this.logBytes = 0;
    this.last = undefined;
  }

  /**
   * Takes the records of an intact batch from {@linkcode Postings.next} on.
   *
   * @returns `whole`; `full` where there is room for only a part, which was taken; `unknown` where its records cannot be decoded here.
   */
  add(bytes: Uint8Array, at: number, header: BatchHeader, position: number, hasher: KeyHasher, codecs: Codecs): Taken {
    if (header.lastOffset + 1 - this.first > MAX_OFFSETS) return "full";
    if (header.count > 0 && (header.attributes & CONTROL) === 0) {
      const isPlain = (header.attributes & (CODEC_MASK | UNKNOWN_ATTRIBUTES)) === 0;
      if (!isPlain || !this.#walk(bytes, at, header, position, hasher)) {
        const taken = this.#decode(bytes, at, header, position, hasher, codecs);
        if (taken !== "whole") return taken;
      }
    }
    return this.#whole(header, position);
  }

  /** The same where the keys of all records were hashed already. */
  addHashed(header: BatchHeader, position: number, { words, length }: HashedKeys): Taken {
    if (header.lastOffset + 1 - this.first > MAX_OFFSETS) return "full";
    const relative = header.baseOffset - this.first;
    const from = this.next - header.baseOffset;
    for (let at = 0; at < length; at += HASHED_WORDS) {
      const delta = words[at + 2];
      if (delta < from) continue;
      if (!this.#put(words[at], words[at + 1], relative + delta, position)) {
        return this.#part(header.baseOffset + delta, header, position);
      }
    }
    return this.#whole(header, position);
  }

  #whole(header: BatchHeader, position: number): Taken {
    this.next = header.lastOffset + 1;
    this.#note(header, position);
    this.logBytes += header.bytes;
    return "whole";
  }

  /** Visits the postings of one hash, the oldest first. */
  visit(high: number, low: number, visitor: (offset: number, position: number) => void): void {
    this.blocks(high >>> this.#shift & this.#mask, (data, from, to) => {
      for (let at = from; at < to; at += WORDS) {
        if (data[at] === high && data[at + 1] === low) visitor(this.first + data[at + 2], data[at + 3]);
      }
    });
  }

  /** How many chains there are, in the order of hashes. */
  get partitions(): number {
    return this.#blocks.length;
  }

  /** How many postings a chain has. */
  sizeOf(partition: number): number {
    const blocks = this.#blocks[partition];
    if (blocks === 0) return 0;
    // The last block is full where the place behind it is the first of another one.
    const inLast = this.#tails[partition] % BLOCK_WORDS || BLOCK_WORDS;
    return ((blocks - 1) * BLOCK_WORDS + inLast) / WORDS;
  }

  /**
   * Visits the blocks of a chain, those with the oldest postings first. Four numbers are a posting: the halves of the hash, the offset
   * relative to {@linkcode Postings.first}, and where the batch of the record starts in its `.log`.
   */
  blocks(partition: number, visitor: (data: Uint32Array, from: number, to: number) => void): void {
    const pool = this.#pool;
    let block = this.#heads[partition];
    for (let left = this.sizeOf(partition) * WORDS; left > 0; left -= BLOCK_WORDS) {
      const from = placeInSlab(block * BLOCK_WORDS);
      visitor(this.#slabs[block * BLOCK_WORDS >>> SLAB_SHIFT], from, from + Math.min(left, BLOCK_WORDS));
      block = pool.next[block];
    }
  }

  /** Nothing that a user reads is in front of this offset any more. */
  advance(next: number): void {
    if (next > this.next) this.next = next;
  }

  /**
   * Goes from key to key of a batch that is not compressed, and looks at nothing else in it. False where something is unusual; what was
   * taken is in front of {@linkcode Postings.next} then, and the rest is for somebody who looks at everything.
   */
  #walk(bytes: Uint8Array, at: number, header: BatchHeader, position: number, hasher: KeyHasher): boolean {
    const limit = at + header.bytes;
    const maxDelta = header.lastOffset - header.baseOffset;
    const relative = header.baseOffset - this.first;
    const from = this.next - header.baseOffset;
    let before = -1;
    at += HEADER_BYTES;
    for (let left = header.count; left > 0; left--) {
      let byte = bytes[at++];
      let length = byte & 0x7f;
      for (let shift = 7; byte > 0x7f && shift < 35; shift += 7) {
        byte = bytes[at++];
        length |= (byte & 0x7f) << shift;
      }
      const end = at + (length >>> 1);
      // Attributes stand in front of the timestamp.
      while (bytes[++at] > 0x7f && at < end);
      byte = bytes[++at];
      let delta = byte & 0x7f;
      for (let shift = 7; byte > 0x7f && shift < 35; shift += 7) {
        byte = bytes[++at];
        delta |= (byte & 0x7f) << shift;
      }
      byte = bytes[++at];
      let keyBytes = byte & 0x7f;
      for (let shift = 7; byte > 0x7f && shift < 35; shift += 7) {
        byte = bytes[++at];
        keyBytes |= (byte & 0x7f) << shift;
      }
      at++;
      const isOdd = ((length | delta) & 1) !== 0 || ((keyBytes & 1) !== 0 && keyBytes !== 1);
      delta >>>= 1;
      if (isOdd || end > limit || delta <= before || delta > maxDelta) return this.#stopAt(header.baseOffset + before);
      if (keyBytes !== 1 && delta >= from) {
        const keyEnd = at + (keyBytes >>> 1);
        if (keyEnd >= end) return this.#stopAt(header.baseOffset + before);
        hasher.hash(bytes, at, keyBytes >>> 1);
        if (!this.#put(hasher.halves[0], hasher.halves[1], relative + delta, position)) {
          return this.#stopAt(header.baseOffset + before);
        }
      }
      before = delta;
      at = end;
    }
    return at === limit || this.#stopAt(header.baseOffset + before);
  }

  #stopAt(offset: number): false {
    if (offset >= this.next) this.next = offset + 1;
    return false;
  }

  /** Takes records one by one, whatever they look like. */
  #decode(
    bytes: Uint8Array,
    at: number,
    header: BatchHeader,
    position: number,
    hasher: KeyHasher,
    codecs: Codecs,
  ): Taken {
    let decoder: RecordDecoder;
    try {
      decoder = new RecordDecoder(bytes, at, codecs);
    } catch {
      return "unknown";
    }
    const from = this.next;
    while (decoder.next()) {
      const { offset, keyBytes } = decoder;
      if (offset < from) continue;
      if (keyBytes >= 0) {
        hasher.hash(decoder.bytes, decoder.keyStart, keyBytes);
        if (!this.#put(hasher.halves[0], hasher.halves[1], offset - this.first, position)) {
          return this.#part(offset, header, position);
        }
      }
      this.next = offset + 1;
    }
    return decoder.fault === undefined ? "whole" : "unknown";
  }

  /** False where there is no room. */
  #put(high: number, low: number, offset: number, position: number): boolean {
    const partition = high >>> this.#shift & this.#mask;
    const tails = this.#tails;
    let place = tails[partition];
    if (place % BLOCK_WORDS === 0) {
      place = this.#takeBlock(partition, place);
      if (place === NO_BLOCK) return false;
    }
    const data = this.#slabs[place >>> SLAB_SHIFT];
    const at = placeInSlab(place);
    data[at] = high;
    data[at + 1] = low;
    data[at + 2] = offset;
    data[at + 3] = position;
    tails[partition] = place + WORDS;
    this.count++;
    return true;
  }

  /** The first place of another block of a chain whose next place would be `place`. */
  #takeBlock(partition: number, place: number): number {
    const blocks = this.#blocks[partition];
    const block = this.#pool.take(blocks === 0 ? NO_BLOCK : place / BLOCK_WORDS - 1);
    if (block === NO_BLOCK) return NO_BLOCK;
    if (blocks === 0) this.#heads[partition] = block;
    this.#blocks[partition] = blocks + 1;
    return block * BLOCK_WORDS;
  }

  #part(next: number, header: BatchHeader, position: number): Taken {
    if (next > this.first) {
      this.next = next;
      this.#note(header, position);
    }
    return "full";
  }

  #note({ baseOffset, crc, epoch }: BatchHeader, position: number): void {
    this.last = { baseOffset, position, crc, epoch };
  }
}

/** What became of a batch. */
export type Taken = "whole" | "full" | "unknown";

/** True where a batch has to be unpacked first: that is not done beside a commit. */
export function isPacked(header: BatchHeader): boolean {
  return (header.attributes & CODEC_MASK) !== 0;
}
