/**
 * The users of the newest records, in memory: a hash, an offset and a place for each, in typed arrays.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import { type BatchHeader, CODEC_MASK, CONTROL } from "../batch/format.ts";
import { RecordDecoder } from "../batch/record_decoder.ts";
import type { KeyHasher } from "./key_hash.ts";
import type { LastBatch } from "./table_format.ts";

/** What a posting takes: two halves of a hash, an offset, a position, its place in the order of a table, and what sorting needs. */
export const POSTING_BYTES = 22;
export const WORDS = 4;
const FIRST_SIZE = 256;
/** Offsets are kept in 32 bits. */
const MAX_OFFSETS = 0x7fff_ffff;

/** A stretch of offsets without a hole, and who wrote what in it. No object a record, none a user. */
export class Postings {
  first: number;
  /** Everything in front of this offset is here. */
  next: number;
  count = 0;
  /** Bytes of log that the records take. */
  logBytes = 0;
  last: LastBatch | undefined = undefined;
  /**
   * Four numbers a posting, side by side, since sorting goes through them in no order: the halves of the hash, the offset relative to
   * {@linkcode Postings.first}, and where the batch of the record starts in its `.log`.
   */
  data: Uint32Array = new Uint32Array(FIRST_SIZE * WORDS);
  /** Scratch for the order of a table. */
  order: Uint32Array = new Uint32Array(FIRST_SIZE);
  readonly #capacity: number;

  /** @param capacity Most postings, from 1. */
  constructor(first: number, capacity: number) {
    this.first = this.next = first;
    this.#capacity = capacity;
  }

  /** Empty again, from `first` on; the memory is kept. */
  reset(first: number): void {
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
    const from = this.next;
    const before = this.count;
    if (header.count > 0 && (header.attributes & CONTROL) === 0) {
      let decoder: RecordDecoder;
      try {
        decoder = new RecordDecoder(bytes, at, codecs);
      } catch {
        return "unknown";
      }
      const { first } = this;
      while (decoder.next()) {
        const { offset, keyBytes } = decoder;
        if (offset < from) continue;
        if (keyBytes >= 0) {
          if (this.count === this.#capacity) return this.#part(offset, header, position);
          if (this.count === this.order.length) this.#grow();
          hasher.hash(decoder.bytes, decoder.keyStart, keyBytes);
          const at = WORDS * this.count++;
          const { data } = this;
          data[at] = hasher.high;
          data[at + 1] = hasher.low;
          data[at + 2] = offset - first;
          data[at + 3] = position;
        }
        this.next = offset + 1;
      }
      if (decoder.fault !== undefined) {
        this.count = before;
        this.next = from;
        return "unknown";
      }
    }
    return this.pass(header, position);
  }

  /** The same of a batch whose records have no keys. */
  pass(header: BatchHeader, position: number): Taken {
    if (header.lastOffset + 1 - this.first > MAX_OFFSETS) return "full";
    this.next = header.lastOffset + 1;
    this.#note(header, position);
    this.logBytes += header.bytes;
    return "whole";
  }

  /** Visits the postings of one hash, the oldest first. */
  visit(high: number, low: number, visitor: (offset: number, position: number) => void): void {
    const { data } = this;
    const end = this.count * WORDS;
    for (let at = 0; at < end; at += WORDS) {
      if (data[at] === high && data[at + 1] === low) visitor(this.first + data[at + 2], data[at + 3]);
    }
  }

  /** Nothing that a user reads is in front of this offset any more. */
  advance(next: number): void {
    if (next > this.next) this.next = next;
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

  #grow(): void {
    const size = Math.min(this.#capacity, this.order.length * 2);
    const data = new Uint32Array(size * WORDS);
    data.set(this.data);
    this.data = data;
    this.order = new Uint32Array(size);
  }
}

/** What became of a batch. */
export type Taken = "whole" | "full" | "unknown";

/** True where a batch has to be unpacked first: that is not done beside a commit. */
export function isPacked(header: BatchHeader): boolean {
  return (header.attributes & CODEC_MASK) !== 0;
}
