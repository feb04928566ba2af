/**
 * Walks through the records of one intact batch without making an object for each.
 *
 * @module
 */
import { LogError } from "../errors.ts";
import { type Codecs, MAX_UNPACKED_BYTES, missingCodec } from "./codecs.ts";
import {
  type BatchHeader,
  CODEC_MASK,
  CODECS,
  HEADER_BYTES,
  LOG_APPEND_TIME,
  readHeader,
  UNKNOWN_ATTRIBUTES,
} from "./format.ts";
import { VarintReader } from "./varint.ts";

/** Timestamp deltas of the fast path are smaller than this, either way. */
const PLAIN_DELTA = 0x2000;

/** The fields of the record it stands on, as places in {@linkcode RecordDecoder.bytes}. */
export class RecordDecoder {
  /** Where the record's bytes lie: the batch itself, or what it unpacked to. */
  bytes: Uint8Array;
  keyStart = 0;
  /** -1: null. */
  keyBytes = -1;
  valueStart = 0;
  /** -1: null. */
  valueBytes = -1;
  headersStart = 0;
  headersCount = 0;
  /** Where the record ends. */
  end = 0;
  readonly header: BatchHeader;
  /** Why decoding stopped early; `undefined` while all is well. */
  fault: string | undefined = undefined;
  /** Records stepped to. */
  #read = 0;
  /** Records to step to: those of the header, fewer once it was stopped. */
  #count: number;
  #position: number;
  #offsetDelta = -1;
  #timestampDelta = 0;
  /** Where the records end. */
  readonly #limit: number;
  readonly #baseOffset: number;
  readonly #maxDelta: number;
  readonly #baseTimestamp: number;
  readonly #isAppendTime: boolean;
  /** No timestamp of the fast path can leave the safe integers. */
  readonly #isPlain: boolean;

  /**
   * @param bytes Holds a batch whose header and CRC were checked.
   * @param at Where it starts.
   * @param codecs Unpacks compressed records.
   * @throws {LogError} `UNSUPPORTED` where the codec is not available, or a flag is set whose meaning nobody knows yet.
   */
  constructor(bytes: Uint8Array, at: number, codecs: Codecs) {
    this.header = readHeader(bytes, at);
    const codec = CODECS[this.header.attributes & CODEC_MASK];
    let start = at + HEADER_BYTES;
    let end = at + this.header.bytes;
    if (codec === undefined) {
      throw new LogError("UNSUPPORTED", `Cannot read a batch: codec ${this.header.attributes & CODEC_MASK} is unknown`);
    }
    if ((this.header.attributes & UNKNOWN_ATTRIBUTES) !== 0) {
      const flags = this.header.attributes.toString(16);
      throw new LogError("UNSUPPORTED", `Cannot read a batch: attributes 0x${flags} are unknown; upgrade @bimip/log`);
    }
    if (codec !== "none" && this.header.count > 0) {
      const packed = bytes.subarray(start, end);
      let unpacked: Uint8Array | undefined;
      try {
        unpacked = codecs.decompress(codec, packed, MAX_UNPACKED_BYTES);
      } catch (error) {
        this.fault = `its ${codec} data cannot be unpacked: ${error instanceof Error ? error.message : String(error)}`;
        unpacked = new Uint8Array(0);
      }
      if (unpacked === undefined) {
        throw missingCodec("read a batch", codec);
      }
      // A codec may answer with a Buffer, whose `slice` does not copy: records are plain bytes, compressed or not.
      bytes = new Uint8Array(unpacked.buffer, unpacked.byteOffset, unpacked.length);
      start = 0;
      end = bytes.length;
    }
    this.bytes = bytes;
    this.#position = start;
    this.#limit = end;
    const { header } = this;
    this.#count = this.fault === undefined ? header.count : 0;
    this.#baseOffset = header.baseOffset;
    this.#maxDelta = header.lastOffset - header.baseOffset;
    this.#isAppendTime = (header.attributes & LOG_APPEND_TIME) !== 0;
    this.#baseTimestamp = this.#isAppendTime ? header.maxTimestamp : header.baseTimestamp;
    this.#isPlain = Number.isSafeInteger(Math.abs(this.#baseTimestamp) + PLAIN_DELTA);
  }

  get offset(): number {
    return this.#baseOffset + this.#offsetDelta;
  }

  get timestamp(): number {
    return this.#isAppendTime ? this.#baseTimestamp : this.#baseTimestamp + this.#timestampDelta;
  }

  /** How many records it has stepped to. */
  get read(): number {
    return this.#read;
  }

  /** Where the next record starts in {@linkcode RecordDecoder.bytes}. */
  get position(): number {
    return this.#position;
  }

  /** Goes before a record that it once stood before, with `read` records in front of it. */
  seek(position: number, read: number): void {
    this.#position = position;
    this.#read = read;
    // Offsets are compared with those of one pass: the pass that found the place has compared this one.
    this.#offsetDelta = -1;
  }

  /**
   * Steps to the next record. False at the end, or where {@linkcode RecordDecoder.fault} is set.
   *
   * What stands here is the fast path, for nearly every record: without headers, and no number in it longer than two bytes. Every
   * other one, and what is wrong, is left to the slow path, and nothing is taken. Numbers may be read past the record's end: its
   * fields have to end exactly where it ends, and that is within the batch.
   */
  next(): boolean {
    if (this.#read >= this.#count) return this.ended();
    const bytes = this.bytes;
    let at = this.#position;
    let length = bytes[at++];
    if (length > 0x7f) {
      const high = bytes[at++];
      if (high > 0x7f) return this.#nextAny();
      length = (length & 0x7f) | (high << 7);
    }
    const end = at + (length >>> 1);
    let timestampDelta = bytes[++at];
    if (timestampDelta > 0x7f) {
      const high = bytes[++at];
      if (high > 0x7f) return this.#nextAny();
      timestampDelta = (timestampDelta & 0x7f) | (high << 7);
    }
    let offsetDelta = bytes[++at];
    if (offsetDelta > 0x7f) {
      const high = bytes[++at];
      if (high > 0x7f) return this.#nextAny();
      offsetDelta = (offsetDelta & 0x7f) | (high << 7);
    }
    let keyBytes = bytes[++at];
    if (keyBytes > 0x7f) {
      const high = bytes[++at];
      if (high > 0x7f) return this.#nextAny();
      keyBytes = (keyBytes & 0x7f) | (high << 7);
    }
    const keyStart = ++at;
    at += keyBytes >>> 1;
    let valueBytes = bytes[at++];
    if (valueBytes > 0x7f) {
      const high = bytes[at++];
      if (high > 0x7f) return this.#nextAny();
      valueBytes = (valueBytes & 0x7f) | (high << 7);
    }
    const valueStart = at;
    at += valueBytes >>> 1;
    const delta = offsetDelta >>> 1;
    // Odd numbers are negative: none may be, but -1 for a key or value that is null.
    const isOdd = ((length | offsetDelta) & 1) !== 0 || ((keyBytes & 1) !== 0 && keyBytes !== 1) ||
      ((valueBytes & 1) !== 0 && valueBytes !== 1);
    const fits = bytes[at] === 0 && at + 1 === end && end <= this.#limit && delta > this.#offsetDelta &&
      delta <= this.#maxDelta;
    if (isOdd || !fits || !this.#isPlain) return this.#nextAny();
    this.#offsetDelta = delta;
    this.#timestampDelta = (timestampDelta >>> 1) ^ -(timestampDelta & 1);
    this.keyStart = keyStart;
    this.keyBytes = keyBytes === 1 ? -1 : keyBytes >>> 1;
    this.valueStart = valueStart;
    this.valueBytes = valueBytes === 1 ? -1 : valueBytes >>> 1;
    this.headersCount = 0;
    this.end = this.#position = end;
    this.#read++;
    return true;
  }

  /** Ends it where it stands: there is no next record. */
  stop(fault: string): void {
    this.fault ??= fault;
    this.#count = 0;
  }

  #nextAny(): boolean {
    const reader = new VarintReader(this.bytes, this.#position, this.#limit);
    const length = reader.varint();
    const recordEnd = reader.position + length;
    if (reader.failed || length < 0 || recordEnd > this.#limit) return this.#refuse("has a wrong length");
    reader.end = recordEnd;
    reader.position++;
    const timestampDelta = reader.varlong();
    const offsetDelta = reader.varint();
    this.keyBytes = reader.varint();
    this.keyStart = reader.position;
    if (this.keyBytes > 0) reader.position += this.keyBytes;
    this.valueBytes = reader.position <= recordEnd ? reader.varint() : 0;
    this.valueStart = reader.position;
    if (this.valueBytes > 0) reader.position += this.valueBytes;
    this.headersCount = reader.position <= recordEnd ? reader.varint() : -1;
    this.headersStart = reader.position;
    this.end = recordEnd;
    if (reader.failed || this.keyBytes < -1 || this.valueBytes < -1 || this.headersCount < 0) {
      return this.#refuse("has a field that does not fit");
    }
    if (this.headersCount === 0 ? reader.position !== recordEnd : !this.#skipHeaders(reader)) {
      return this.#refuse("has headers that do not fit");
    }
    if (offsetDelta <= this.#offsetDelta || offsetDelta > this.#maxDelta) {
      return this.#refuse(`has offset delta ${offsetDelta}`);
    }
    this.#offsetDelta = offsetDelta;
    this.#timestampDelta = timestampDelta;
    if (!Number.isSafeInteger(this.timestamp)) return this.#refuse(`has timestamp delta ${timestampDelta}`);
    this.#position = recordEnd;
    this.#read++;
    return true;
  }

  /** Called where there is no next record: finds what is wrong with the end. */
  protected ended(): false {
    const left = this.#limit - this.#position;
    if (this.fault === undefined && left !== 0) this.fault = `${left} bytes follow its last record`;
    return false;
  }

  #refuse(what: string): false {
    this.stop(`record ${this.#read} of ${this.header.count} ${what}`);
    return this.ended();
  }

  #skipHeaders(reader: VarintReader): boolean {
    // A header takes at least two bytes: a count that lies is refused before the loop.
    if (this.headersCount > (reader.end - reader.position) / 2) return false;
    for (let i = 0; i < this.headersCount; i++) {
      const nameBytes = reader.varint();
      if (reader.failed || nameBytes < 0) return false;
      reader.position += nameBytes;
      const valueBytes = reader.position <= reader.end ? reader.varint() : -2;
      if (reader.failed || valueBytes < -1) return false;
      if (valueBytes > 0) reader.position += valueBytes;
      if (reader.position > reader.end) return false;
    }
    return reader.position === reader.end;
  }
}

/** Steps through the headers of a decoded record. */
export function readHeaders(
  bytes: Uint8Array,
  start: number,
  end: number,
  count: number,
): [name: string, value: Uint8Array | null][] {
  const reader = new VarintReader(bytes, start, end);
  const headers: [string, Uint8Array | null][] = [];
  for (let i = 0; i < count; i++) {
    const nameBytes = reader.varint();
    const name = readName(bytes, reader.position, nameBytes);
    reader.position += nameBytes;
    const valueBytes = reader.varint();
    headers.push([name, valueBytes < 0 ? null : bytes.subarray(reader.position, reader.position + valueBytes)]);
    if (valueBytes > 0) reader.position += valueBytes;
  }
  return headers;
}

/** Mostly a few plain letters, for which the decoder's fixed cost, and that of the copy it takes, would be most of the work. */
function readName(bytes: Uint8Array, start: number, length: number): string {
  if (length <= SHORT_NAME_BYTES) {
    let name = "";
    for (let i = 0; i < length && bytes[start + i] < 0x80; i++) name += String.fromCharCode(bytes[start + i]);
    if (name.length === length) return name;
  }
  return utf8.decode(bytes.slice(start, start + length));
}

const SHORT_NAME_BYTES = 16;
/** A leading byte order mark is part of a name: without this option it would be dropped. */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
