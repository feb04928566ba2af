/**
 * The commonest records in one step: bytes without headers, of ordinary size, with no key or one of few plain characters, at a time near
 * that of their batch. The bytes are those of any other way of writing them.
 *
 * Functions of numbers, not methods: who calls them a million times a second keeps the numbers where they are near.
 *
 * @module
 */

/** Largest number that a varint of two bytes holds. */
const PLAIN = 8191;
/** Length of a key in characters whose varint has one byte. */
const SHORT_KEY = 63;
/** The varint of -1: the length of a key that is null. */
const NULL_LENGTH = 1;
/** Attributes, time, two bytes of count, no key, two bytes of length, no headers. */
const USUAL_BODY_BYTES = 8;
const MAX_USUAL_BYTES: number = PLAIN - USUAL_BODY_BYTES;
/** The first number whose varint has two bytes. */
const FIRST_LONG = 64;

/**
 * Writes a plain record behind the first of its batch.
 *
 * @param view The same memory as `bytes`.
 * @param delta Milliseconds behind the batch's first record.
 * @returns Where it ends; 0 where it is not such a record, or would end behind `end`: what was written there counts for nothing.
 */
export function putPlain(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  end: number,
  key: string | null,
  value: Uint8Array,
  count: number,
  delta: number,
): number {
  if (key === null && isUsual(value.length, count, delta)) return putUsual(bytes, view, at, end, value, count, delta);
  return putAny(bytes, at, end, key, value, count, delta);
}

/** True where lengths and count take two bytes each, and the time one. */
function isUsual(length: number, count: number, delta: number): boolean {
  const isLength = length >= FIRST_LONG && length <= MAX_USUAL_BYTES;
  return isLength && count >= FIRST_LONG && count <= PLAIN && delta >= 0 && delta < FIRST_LONG;
}

/** One without a key that {@linkcode isUsual}: eight bytes in front of the value in two steps. */
function putUsual(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  end: number,
  value: Uint8Array,
  count: number,
  delta: number,
): number {
  const length = value.length;
  const body = length + USUAL_BODY_BYTES;
  const next = at + body + 2;
  if (next > end) return 0;
  view.setUint32(at, ((body << 1) & 0xff) | 0x80 | ((body >> 6) << 8) | (delta << 25), true);
  const counted = ((count << 1) & 0xff) | 0x80 | ((count >> 6) << 8) | (NULL_LENGTH << 16);
  view.setUint32(at + 4, counted | ((length << 1 | 0x80) << 24), true);
  bytes[at + 8] = length >> 6;
  bytes.set(value, at + 9);
  bytes[next - 1] = 0;
  return next;
}

function putAny(
  bytes: Uint8Array,
  start: number,
  end: number,
  key: string | null,
  value: Uint8Array,
  count: number,
  delta: number,
): number {
  const length = value.length;
  if (count === 0 || count > PLAIN || length > PLAIN || delta < 0 || delta > PLAIN) return 0;
  const keyBytes = key === null ? 0 : key.length;
  if (keyBytes > SHORT_KEY) return 0;
  // Every number is below 8,192 here: a varint of one or two bytes.
  const body = length + keyBytes + 6 + (delta < FIRST_LONG ? 0 : 1) + (count < FIRST_LONG ? 0 : 1) +
    (length < FIRST_LONG ? 0 : 1);
  if (body > PLAIN) return 0;
  let at = start;
  if (at + body + 2 > end) return 0;
  if (body < FIRST_LONG) bytes[at++] = body << 1;
  else {
    bytes[at++] = (body << 1) | 0x80;
    bytes[at++] = body >> 6;
  }
  bytes[at++] = 0;
  if (delta < FIRST_LONG) bytes[at++] = delta << 1;
  else {
    bytes[at++] = (delta << 1) | 0x80;
    bytes[at++] = delta >> 6;
  }
  if (count < FIRST_LONG) bytes[at++] = count << 1;
  else {
    bytes[at++] = (count << 1) | 0x80;
    bytes[at++] = count >> 6;
  }
  if (key === null) bytes[at++] = NULL_LENGTH;
  else {
    bytes[at++] = keyBytes << 1;
    for (let i = 0; i < keyBytes; i++) {
      const code = key.charCodeAt(i);
      if (code > 0x7f) return 0;
      bytes[at++] = code;
    }
  }
  if (length < FIRST_LONG) bytes[at++] = length << 1;
  else {
    bytes[at++] = (length << 1) | 0x80;
    bytes[at++] = length >> 6;
  }
  bytes.set(value, at);
  at += length;
  bytes[at++] = 0;
  return at;
}

/** Where the key of a plain record lies that ends at `next`: from its end, as its fields behind the key are of known sizes. */
export function plainKeyStart(next: number, keyBytes: number, length: number): number {
  return next - 1 - length - (length < FIRST_LONG ? 1 : 2) - keyBytes;
}
