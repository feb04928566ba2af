/**
 * Walks through the records of one intact batch without making an object for each.
 *
 * @module
 */
import { LogError } from "../errors.ts";
import { type Codecs, MAX_UNPACKED_BYTES } from "./codecs.ts";
import { type BatchHeader, CODEC_MASK, CODECS, HEADER_BYTES, LOG_APPEND_TIME, readHeader } from "./format.ts";
import { VarintReader } from "./varint.ts";

/** The fields of the record it stands on, as places in {@linkcode RecordDecoder.bytes}. */
export class RecordDecoder {
  /** Where the record's bytes lie: the batch itself, or what it unpacked to. */
  bytes: Uint8Array;
  offset = 0;
  timestamp = 0;
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
  #read = 0;
  #lastDelta = -1;
  readonly #reader: VarintReader;

  /**
   * @param bytes Holds a batch whose header and CRC were checked.
   * @param at Where it starts.
   * @param codecs Unpacks compressed records.
   * @throws {LogError} `UNSUPPORTED` where the codec is not available.
   */
  constructor(bytes: Uint8Array, at: number, codecs: Codecs) {
    this.header = readHeader(bytes, at);
    const codec = CODECS[this.header.attributes & CODEC_MASK];
    let start = at + HEADER_BYTES;
    let end = at + this.header.bytes;
    if (codec === undefined) {
      throw new LogError("UNSUPPORTED", `Cannot read a batch: codec ${this.header.attributes & CODEC_MASK} is unknown`);
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
        throw new LogError("UNSUPPORTED", `Cannot read a batch: codec ${codec} is not available here`);
      }
      // A codec may answer with a Buffer, whose `slice` does not copy: records are plain bytes, compressed or not.
      bytes = new Uint8Array(unpacked.buffer, unpacked.byteOffset, unpacked.length);
      start = 0;
      end = bytes.length;
    }
    this.bytes = bytes;
    this.#reader = new VarintReader(bytes, start, end);
  }

  /** Steps to the next record. False at the end, or where {@linkcode RecordDecoder.fault} is set. */
  next(): boolean {
    const reader = this.#reader;
    if (this.fault !== undefined) return false;
    if (this.#read === this.header.count) {
      if (reader.position !== reader.end) this.fault = `${reader.end - reader.position} bytes follow its last record`;
      return false;
    }
    const length = reader.varint();
    const recordEnd = reader.position + length;
    const limit = reader.end;
    if (reader.failed || length < 0 || recordEnd > limit) return this.#stop("has a wrong length");
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
      return this.#stop("has a field that does not fit");
    }
    if (this.headersCount === 0 ? reader.position !== recordEnd : !this.#skipHeaders()) {
      return this.#stop("has headers that do not fit");
    }
    if (offsetDelta <= this.#lastDelta || this.header.baseOffset + offsetDelta > this.header.lastOffset) {
      return this.#stop(`has offset delta ${offsetDelta}`);
    }
    this.#lastDelta = offsetDelta;
    this.offset = this.header.baseOffset + offsetDelta;
    this.timestamp = (this.header.attributes & LOG_APPEND_TIME) !== 0
      ? this.header.maxTimestamp
      : this.header.baseTimestamp + timestampDelta;
    if (!Number.isSafeInteger(this.timestamp)) return this.#stop(`has timestamp delta ${timestampDelta}`);
    reader.end = limit;
    this.#read++;
    return true;
  }

  #stop(what: string): false {
    this.fault = `record ${this.#read} of ${this.header.count} ${what}`;
    return false;
  }

  #skipHeaders(): boolean {
    const reader = this.#reader;
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
    const name = utf8.decode(bytes.slice(reader.position, reader.position + nameBytes));
    reader.position += nameBytes;
    const valueBytes = reader.varint();
    headers.push([name, valueBytes < 0 ? null : bytes.subarray(reader.position, reader.position + valueBytes)]);
    if (valueBytes > 0) reader.position += valueBytes;
  }
  return headers;
}

/** A leading byte order mark is part of a name: without this option it would be dropped. */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
