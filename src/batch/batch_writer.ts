/**
 * Encodes records one behind the other into a batch in memory that somebody else owns.
 *
 * @module
 */
import type { Compressor } from "./compressor.ts";
import { HEADER_BYTES, sealHeader } from "./format.ts";
import type { KeyObserver } from "./key_observer.ts";
import { plainKeyStart, putPlain } from "./plain_record.ts";
import type { PreparedRecord } from "./record_input.ts";
import { varintSize, varlongSize, writeVarint, writeVarlong } from "./varint.ts";

/** Kafka counts offsets of one batch in 31 bits; this keeps every batch far below. */
const MAX_RECORDS = 0x3fff_ffff;

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
    const start = this.position;
    const count = this.count;
    const delta = timestamp - this.baseTimestamp;
    const { bytes } = this;
    const next = putPlain(bytes, this.#view, start, end, key, value, count, delta);
    if (next === 0) return 0;
    if (key !== null) {
      this.hasKeys = true;
      this.#keys?.key(bytes, plainKeyStart(next, key.length, value.length), key.length, count);
    }
    if (timestamp > this.maxTimestamp) this.maxTimestamp = timestamp;
    this.count = count + 1;
    this.position = next;
    return next - start;
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
