/**
 * Unsigned 32-bit numbers of 1 to 5 bytes, low bits first: how postings stand in a table.
 *
 * @module
 */
import { WORDS } from "./posting_pool.ts";

/** A posting is two numbers of five bytes. */
export const MAX_POSTING_BYTES = 10;

/** Writes a number and answers the position behind it. */
export function writeNumber(bytes: Uint8Array, at: number, value: number): number {
  while (value > 0x7f) {
    bytes[at++] = (value & 0x7f) | 0x80;
    value >>>= 7;
  }
  bytes[at++] = value;
  return at;
}

/**
 * Writes postings in memory, each by what it is behind the one before, and answers the position behind them.
 *
 * @param data Four numbers a posting, of which the third is its offset and the fourth the position of its batch.
 * @param offset Of the posting before the first one.
 */
export function writePostings(
  bytes: Uint8Array,
  at: number,
  data: Uint32Array,
  from: number,
  to: number,
  offset: number,
  position: number,
): number {
  for (; from < to; from += WORDS) {
    const nextOffset = data[from + 2];
    const nextPosition = data[from + 3];
    let value = nextOffset - offset;
    while (value > 0x7f) {
      bytes[at++] = value | 0x80;
      value >>>= 7;
    }
    bytes[at++] = value;
    value = (nextPosition - position) >>> 0;
    while (value > 0x7f) {
      bytes[at++] = value | 0x80;
      value >>>= 7;
    }
    bytes[at++] = value;
    offset = nextOffset;
    position = nextPosition;
  }
  return at;
}

/** Reads numbers one behind the other; what does not fit sets {@linkcode NumberReader.failed}. */
export class NumberReader {
  bytes: Uint8Array;
  position = 0;
  end = 0;
  failed = false;
  /** Of the posting that was copied last. */
  offset = 0;
  place = 0;

  constructor(bytes: Uint8Array, position: number, end: number) {
    this.bytes = bytes;
    this.position = position;
    this.end = end;
  }

  next(): number {
    let value = 0;
    for (let shift = 0; shift < 35 && this.position < this.end; shift += 7) {
      const byte = this.bytes[this.position++];
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    this.failed = true;
    return 0;
  }

  /**
   * Copies postings byte by byte and answers the position behind them; `offset` and `place` are those of the last one then.
   *
   * @param offset Of the posting before the first one.
   */
  copyPostings(count: number, into: Uint8Array, at: number, offset: number, place: number): number {
    const { bytes, end } = this;
    let from = this.position;
    for (; count > 0 && from < end; count--) {
      let byte = bytes[from++];
      into[at++] = byte;
      let value = byte & 0x7f;
      for (let shift = 7; byte > 0x7f && shift < 35 && from < end; shift += 7) {
        byte = bytes[from++];
        into[at++] = byte;
        value |= (byte & 0x7f) << shift;
      }
      if (byte > 0x7f || from === end) break;
      offset += value >>> 0;
      byte = bytes[from++];
      into[at++] = byte;
      value = byte & 0x7f;
      for (let shift = 7; byte > 0x7f && shift < 35 && from < end; shift += 7) {
        byte = bytes[from++];
        into[at++] = byte;
        value |= (byte & 0x7f) << shift;
      }
      if (byte > 0x7f) break;
      place = (place + value) >>> 0;
    }
    if (count > 0) this.failed = true;
    this.position = from;
    this.offset = offset;
    this.place = place;
    return at;
  }
}
