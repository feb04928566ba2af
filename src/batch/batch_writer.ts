/**
 * Encodes records one behind the other into a batch in memory that somebody else owns.
 *
 * @module
 */
import type { Compressor } from "./compressor.ts";
import { HEADER_BYTES, sealHeader } from "./format.ts";
import type { KeyObserver } from "./key_observer.ts";
import type { PreparedRecord } from "./record_input.ts";
import { varintSize, varlongSize, writeVarint, writeVarlong } from "./varint.ts";

/** Kafka counts offsets of one batch in 31 bits; this keeps every batch far below. */
const MAX_RECORDS = 0x3fff_ffff;

/** Largest number that a varint of two bytes holds. */
const PLAIN = 8191;
/** Length of a key in characters whose varint has one byte. */
const SHORT_KEY = 63;
/** The varint of -1: the length of a key that is null. */
const NULL_LENGTH = 1;
/** Attributes, time, two bytes of count, no key, two bytes of length, no headers. */
const USUAL_BODY_BYTES = 8;
const MAX_USUAL_BYTES: number = PLAIN - USUAL_BODY_BYTES;

/**
 * One open batch. The caller begins it at a place, asks for the size of the next record, makes room, and puts it.
 * Nothing is allocated a record.
 */
export class BatchWriter {
  /** The memory the batch lies in. */
  bytes: Uint8Array = new Uint8Array(0);
  /** Where its header starts. */
  start = 0;
  /** Where the next record goes. */
  position = 0;
  count = 0;
  /** One of its records has a key. */
  hasKeys = false;
  baseTimestamp = 0;
  maxTimestamp = 0;
  /** The same memory, for numbers of four bytes. */
  #view: DataView = new DataView(this.bytes.buffer);
  /** What the last {@linkcode BatchWriter.measure} found: the record without its length. */
  #bodyBytes = 0;
  readonly #compressor: Compressor | undefined;
  readonly #keys: KeyObserver | undefined;

  /**
   * @param compressor Packs the records of each batch that is sealed.
   * @param keys Is told of the keys.
   */
  constructor(compressor?: Compressor, keys?: KeyObserver) {
    this.#compressor = compressor;
    this.#keys = keys;
  }

  /** Begins an empty batch whose header is at `start`. */
  begin(bytes: Uint8Array, start: number): void {
    this.#use(bytes);
    this.start = start;
    this.position = start + HEADER_BYTES;
    this.count = 0;
    this.hasKeys = false;
    this.#keys?.begin();
  }

  /** Bytes of the batch so far, header included. */
  get size(): number {
    return this.position - this.start;
  }

  /** True while one more record can be counted. */
  get hasRoomForCount(): boolean {
    return this.count < MAX_RECORDS;
  }

  /** Bytes that `record` would take as the next one of this batch. */
  measure(record: PreparedRecord): number {
    const delta = this.count === 0 ? 0 : record.timestamp - this.baseTimestamp;
    const body = 1 + varlongSize(delta) + varintSize(this.count) + record.tailBytes;
    this.#bodyBytes = body;
    return varintSize(body) + body;
  }

  /** Writes the record that was measured last, once the caller has made sure that it fits. */
  put(record: PreparedRecord): void {
    const count = this.count;
    const timestamp = record.timestamp;
    if (count === 0) {
      this.baseTimestamp = timestamp;
      this.maxTimestamp = timestamp;
    } else if (timestamp > this.maxTimestamp) this.maxTimestamp = timestamp;
    const delta = timestamp - this.baseTimestamp;
    const bytes = this.bytes;
    let at = writeVarint(bytes, this.position, this.#bodyBytes);
    bytes[at++] = 0;
    at = writeVarlong(bytes, at, delta);
    at = writeVarint(bytes, at, count);
    this.position = record.writeTail(bytes, at);
    const { keyBytes } = record;
    if (keyBytes >= 0) {
      this.hasKeys = true;
      this.#keys?.key(bytes, at + varintSize(keyBytes), keyBytes, count);
    }
    this.count = count + 1;
  }

  /**
   * The commonest record in one step: bytes without headers, of ordinary size, with no key or one of few plain characters, at a time near
   * that of the batch.
   *
   * @param end The record has to end before it.
   * @returns Bytes that it took; 0 where it is not such a record, or does not fit: the batch is as it was then.
   */
  putPlain(key: string | null, value: Uint8Array, timestamp: number, end: number): number {
    const count = this.count;
    const length = value.length;
    const delta = timestamp - this.baseTimestamp;
    const isUsual = key === null && length >= 64 && length <= MAX_USUAL_BYTES && count >= 64 && count <= PLAIN;
    if (isUsual && delta >= 0 && delta < 64) return this.#putUsual(value, timestamp, delta, end);
    if (count === 0 || count > PLAIN || length > PLAIN || delta < 0 || delta > PLAIN) return 0;
    const keyBytes = key === null ? 0 : key.length;
    if (keyBytes > SHORT_KEY) return 0;
    // Every number is below 8,192 here: a varint of one or two bytes.
    const body = length + keyBytes + 6 + (delta < 64 ? 0 : 1) + (count < 64 ? 0 : 1) + (length < 64 ? 0 : 1);
    if (body > PLAIN) return 0;
    const start = this.position;
    let at = start;
    if (at + body + 2 > end) return 0;
    const bytes = this.bytes;
    if (body < 64) bytes[at++] = body << 1;
    else {
      bytes[at++] = (body << 1) | 0x80;
      bytes[at++] = body >> 6;
    }
    bytes[at++] = 0;
    if (delta < 64) bytes[at++] = delta << 1;
    else {
      bytes[at++] = (delta << 1) | 0x80;
      bytes[at++] = delta >> 6;
    }
    if (count < 64) bytes[at++] = count << 1;
    else {
      bytes[at++] = (count << 1) | 0x80;
      bytes[at++] = count >> 6;
    }
    if (key === null) bytes[at++] = NULL_LENGTH;
    else {
      this.hasKeys = true;
      bytes[at++] = keyBytes << 1;
      for (let i = 0; i < keyBytes; i++) {
        const code = key.charCodeAt(i);
        if (code > 0x7f) return 0;
        bytes[at++] = code;
      }
      this.#keys?.key(bytes, at - keyBytes, keyBytes, count);
    }
    if (length < 64) bytes[at++] = length << 1;
    else {
      bytes[at++] = (length << 1) | 0x80;
      bytes[at++] = length >> 6;
    }
    bytes.set(value, at);
    at += length;
    bytes[at++] = 0;
    if (timestamp > this.maxTimestamp) this.maxTimestamp = timestamp;
    this.count = count + 1;
    this.position = at;
    return at - start;
  }

  /** The same where lengths and count take two bytes each and the time one: eight bytes in front of the value in two steps. */
  #putUsual(value: Uint8Array, timestamp: number, delta: number, end: number): number {
    const start = this.position;
    const count = this.count;
    const length = value.length;
    const body = length + USUAL_BODY_BYTES;
    const next = start + body + 2;
    if (next > end) return 0;
    const view = this.#view;
    view.setUint32(start, ((body << 1) & 0xff) | 0x80 | ((body >> 6) << 8) | (delta << 25), true);
    const counted = ((count << 1) & 0xff) | 0x80 | ((count >> 6) << 8) | (NULL_LENGTH << 16);
    view.setUint32(start + 4, counted | ((length << 1 | 0x80) << 24), true);
    const bytes = this.bytes;
    bytes[start + 8] = length >> 6;
    bytes.set(value, start + 9);
    bytes[next - 1] = 0;
    if (timestamp > this.maxTimestamp) this.maxTimestamp = timestamp;
    this.count = count + 1;
    this.position = next;
    return body + 2;
  }

  #use(bytes: Uint8Array): void {
    if (this.bytes === bytes) return;
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** Moves the open batch to another place, which has room for it. */
  moveTo(bytes: Uint8Array, start: number): void {
    bytes.set(this.bytes.subarray(this.start, this.position), start);
    this.position += start - this.start;
    this.#use(bytes);
    this.start = start;
  }

  /**
   * Fills in header and CRC. The batch is finished: `bytes[start, position)`.
   *
   * @returns By how many bytes it has grown: compressed it has shrunk.
   */
  seal(baseOffset: number, epoch: number): number {
    const end = this.position;
    if (this.hasKeys) this.#keys?.sealed(baseOffset, this.count);
    const attributes = this.#compressor === undefined ? 0 : this.#pack(this.#compressor);
    sealHeader(this.bytes, this.start, {
      bytes: this.size,
      epoch,
      baseOffset,
      lastOffsetDelta: this.count - 1,
      baseTimestamp: this.baseTimestamp,
      maxTimestamp: this.maxTimestamp,
      count: this.count,
      attributes,
    });
    return this.position - end;
  }

  /** Packs the records in place and answers the attributes; records that do not become smaller stay as they are. */
  #pack(compressor: Compressor): number {
    const from = this.start + HEADER_BYTES;
    const packed = compressor.pack(this.bytes.subarray(from, this.position));
    if (packed.length >= this.position - from) return 0;
    this.bytes.set(packed, from);
    this.position = from + packed.length;
    return compressor.attributes;
  }
}
