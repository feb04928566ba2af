/**
 * Zigzag variable-length integers as Kafka's records use them: 7 bits a byte, low bits first.
 *
 * @module
 */

const TWO_32 = 0x1_0000_0000;
/** Below this distance from 0 a value is handled in 32 bits. */
const SMALL = 0x4000_0000;

/** Bytes of `value` as a varint: 1–5. `value` is a 32-bit integer. */
export function varintSize(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  if (zigzag < 0x80) return 1;
  if (zigzag < 0x4000) return 2;
  if (zigzag < 0x20_0000) return 3;
  return zigzag < 0x1000_0000 ? 4 : 5;
}

/** Writes `value` (a 32-bit integer) and answers the position behind it. */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  while (zigzag > 0x7f) {
    bytes[at++] = zigzag | 0x80;
    zigzag >>>= 7;
  }
  bytes[at++] = zigzag;
  return at;
}

/** Bytes of `value` as a varlong: 1–10. `value` is a safe integer. */
export function varlongSize(value: number): number {
  if (value < SMALL && value >= -SMALL) return varintSize(value);
  const high = Math.floor(value / TWO_32);
  const sign = high >> 31;
  let zigzagLow = ((value << 1) ^ sign) >>> 0;
  let zigzagHigh = (((high << 1) | ((value | 0) >>> 31)) ^ sign) >>> 0;
  let size = 1;
  while (zigzagHigh !== 0 || zigzagLow > 0x7f) {
    zigzagLow = ((zigzagLow >>> 7) | (zigzagHigh << 25)) >>> 0;
    zigzagHigh >>>= 7;
    size++;
  }
  return size;
}

/** Writes `value` (a safe integer) and answers the position behind it. */
export function writeVarlong(bytes: Uint8Array, at: number, value: number): number {
  if (value < SMALL && value >= -SMALL) return writeVarint(bytes, at, value);
  const high = Math.floor(value / TWO_32);
  const sign = high >> 31;
  let zigzagLow = ((value << 1) ^ sign) >>> 0;
  let zigzagHigh = (((high << 1) | ((value | 0) >>> 31)) ^ sign) >>> 0;
  while (zigzagHigh !== 0 || zigzagLow > 0x7f) {
    bytes[at++] = (zigzagLow & 0x7f) | 0x80;
    zigzagLow = ((zigzagLow >>> 7) | (zigzagHigh << 25)) >>> 0;
    zigzagHigh >>>= 7;
  }
  bytes[at++] = zigzagLow;
  return at;
}

/**
 * Reads varints one behind the other. Instead of throwing it sets {@linkcode VarintReader.failed} and answers 0: a
 * decoder checks once at the end of a record, so the hot path has no exception handling.
 */
export class VarintReader {
  bytes: Uint8Array;
  position: number;
  /** Exclusive: nothing at or behind it is read. */
  end: number;
  /** True once something did not fit: a number too long, or past the end. */
  failed: boolean;

  constructor(bytes: Uint8Array, position: number, end: number) {
    this.bytes = bytes;
    this.position = position;
    this.end = end;
    this.failed = false;
  }

  /** A 32-bit integer. */
  varint(): number {
    const bytes = this.bytes;
    let at = this.position;
    let zigzag = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      if (at >= this.end) break;
      const byte = bytes[at++];
      zigzag |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        if (shift === 28 && byte > 0x0f) break;
        this.position = at;
        return (zigzag >>> 1) ^ -(zigzag & 1);
      }
    }
    this.failed = true;
    return 0;
  }

  /** A 64-bit integer; outside the safe integers it counts as failed. */
  varlong(): number {
    const bytes = this.bytes;
    let at = this.position;
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (at >= this.end) break;
      const byte = bytes[at++];
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high |= bits >>> 4;
      } else if (shift < 63) high |= bits << (shift - 32);
      else if (byte > 1) break;
      else high |= bits << 31;
      if (byte < 0x80) {
        this.position = at;
        const sign = -(low & 1);
        const valueLow = (((low >>> 1) | (high << 31)) ^ sign) >>> 0;
        const valueHigh = (high >>> 1) ^ sign;
        const value = valueHigh * TWO_32 + valueLow;
        if (Number.isSafeInteger(value)) return value;
        break;
      }
    }
    this.failed = true;
    return 0;
  }
}
