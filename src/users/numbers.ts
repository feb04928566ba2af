/**
 * Unsigned 32-bit numbers of 1 to 5 bytes, low bits first: how postings stand in a table.
 *
 * @module
 */

/** Writes a number and answers the position behind it. */
export function writeNumber(bytes: Uint8Array, at: number, value: number): number {
  while (value > 0x7f) {
    bytes[at++] = (value & 0x7f) | 0x80;
    value >>>= 7;
  }
  bytes[at++] = value;
  return at;
}

/** Reads numbers one behind the other; what does not fit sets {@linkcode NumberReader.failed}. */
export class NumberReader {
  bytes: Uint8Array;
  position = 0;
  end = 0;
  failed = false;

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
}
