/**
 * What a caller hands in as a record, and its one pass of checking and UTF-8 encoding.
 *
 * @module
 */
import { LogError } from "../errors.ts";
import { varintSize, writeVarint } from "./varint.ts";

/** Bytes, or text that is stored as UTF-8. */
export type BytesInput = string | Uint8Array;

/** Headers of a record. As pairs a name may stand more than once; they are always read back as pairs. */
export type HeadersInput =
  | Readonly<Record<string, BytesInput | null>>
  | readonly (readonly [string, BytesInput | null])[];

/** A record to append. */
export interface RecordInput {
  /** Decides the shard and names the user. Null or absent: any shard. */
  key?: BytesInput | null;
  /** The payload; null is a tombstone. */
  value: BytesInput | null;
  /** Names and values that travel with the record. @default {none} */
  headers?: HeadersInput;
  /**
   * Milliseconds since 1970, a whole number from 0.
   *
   * @default {now}
   */
  timestamp?: number;
}

/** No single record may be larger, whatever the options say. In bytes. */
export const MAX_RECORD_BYTES: number = 512 * 1024 * 1024;

const encoder = new TextEncoder();
const EMPTY = new Uint8Array(0);
/** Text up to this length is tried as ASCII in a loop: `encodeInto` has a fixed cost of about 50 ns. */
const SHORT_TEXT = 48;

/** Keys and headers are short: a log of a thousand shards has thousands of these. */
const FEWEST_BYTES = 64;

/** A growing scratch area for one encoded piece. */
class Scratch {
  bytes: Uint8Array = EMPTY;

  reserve(size: number): Uint8Array {
    if (this.bytes.length < size) {
      const larger = new Uint8Array(Math.max(size, this.bytes.length * 2, FEWEST_BYTES));
      larger.set(this.bytes);
      this.bytes = larger;
    }
    return this.bytes;
  }

  /** Gives back what one large record made it take. */
  trim(): void {
    if (this.bytes.length > 1024 * 1024) this.bytes = new Uint8Array(4096);
  }
}

/** Encodes `text` at `at`, where there is room for three bytes a character, and answers the end. */
function encodeText(text: string, into: Uint8Array, at: number): number {
  const length = text.length;
  if (length <= SHORT_TEXT) {
    let i = 0;
    for (; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) break;
      into[at + i] = code;
    }
    if (i === length) return at + length;
  }
  return at + encoder.encodeInto(text, into.subarray(at)).written;
}

/** Copies `source[0, length)` to `at`. */
function put(target: Uint8Array, at: number, source: Uint8Array, length: number): number {
  if (length === source.length) target.set(source, at);
  else if (length <= 32) { for (let i = 0; i < length; i++) target[at + i] = source[i]; }
  else target.set(source.subarray(0, length), at);
  return at + length;
}

function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array || Object.prototype.toString.call(value) === "[object Uint8Array]";
}

function refuse(what: string, value: unknown): never {
  const kind = value === undefined ? "undefined" : Array.isArray(value) ? "an array" : `a ${typeof value}`;
  throw new TypeError(`Cannot append a record: ${what} must be a string, a Uint8Array or null, not ${kind}`);
}

function tooLarge(what: string, size: number): never {
  throw new LogError(
    "RECORD_TOO_LARGE",
    `Cannot append a record: ${what} of at least ${size} bytes is over the limit of ${MAX_RECORD_BYTES}; split it`,
  );
}

/** The value of a record that has text as its key, or none, nothing else, and gets the time of its taking; else `undefined`. */
export function plainValue(record: RecordInput): Uint8Array | undefined {
  const { key, value, headers, timestamp } = record;
  const isPlain = (typeof key === "string" || key === undefined || key === null) && headers === undefined;
  return isPlain && timestamp === undefined && value instanceof Uint8Array ? value : undefined;
}

/** The key of a record with a {@linkcode plainValue}. */
export function plainKey(record: RecordInput): string | null {
  const { key } = record;
  return typeof key === "string" ? key : null;
}

/** Tells the time where a record brings none. */
export interface Now {
  now(): number;
}

/**
 * One record, checked and as bytes, ready to be written into any batch. There is one of these per writer and it is
 * filled anew for every record, so that appending allocates nothing.
 */
export class PreparedRecord {
  /** -1: null. */
  keyBytes = -1;
  /** -1: null. */
  valueBytes = -1;
  headersCount = 0;
  timestamp = 0;
  /** Everything behind the offset delta: key, value and headers with their lengths. */
  tailBytes = 0;
  /** The key is the first `keyBytes` bytes of it. */
  key: Uint8Array = EMPTY;
  #value: Uint8Array = EMPTY;
  #headersBytes = 0;
  readonly #keyScratch = new Scratch();
  readonly #valueScratch = new Scratch();
  readonly #headerScratch = new Scratch();

  /**
   * Takes in a record.
   *
   * @throws {TypeError} where a field has a wrong type.
   * @throws {RangeError} where the timestamp is not a whole number of milliseconds from 0.
   * @throws {LogError} `RECORD_TOO_LARGE`
   */
  prepare(record: RecordInput, clock: Now): void {
    const key = record.key;
    if (key === undefined || key === null) this.keyBytes = -1;
    else if (typeof key === "string") {
      this.keyBytes = this.#text(key, this.#keyScratch, "a key");
      this.key = this.#keyScratch.bytes;
    } else if (isBytes(key)) {
      this.keyBytes = key.length;
      this.key = key;
    } else refuse("the key", key);

    const value = record.value;
    if (value === null) this.valueBytes = -1;
    else if (typeof value === "string") {
      this.valueBytes = this.#text(value, this.#valueScratch, "a value");
      this.#value = this.#valueScratch.bytes;
    } else if (isBytes(value)) {
      this.valueBytes = value.length;
      this.#value = value;
    } else refuse("the value", value);

    const timestamp = record.timestamp;
    if (timestamp === undefined) this.timestamp = clock.now();
    else if (Number.isSafeInteger(timestamp) && timestamp >= 0) this.timestamp = timestamp;
    else {
      throw new RangeError(
        `Cannot append a record: the timestamp must be whole milliseconds since 1970, not ${String(timestamp)}`,
      );
    }

    if (record.headers === undefined) {
      this.headersCount = 0;
      this.#headersBytes = 0;
    } else this.#prepareHeaders(record.headers);
    this.tailBytes = varintSize(this.keyBytes) + Math.max(0, this.keyBytes) + varintSize(this.valueBytes) +
      Math.max(0, this.valueBytes) + varintSize(this.headersCount) + this.#headersBytes;
    if (this.tailBytes > MAX_RECORD_BYTES) tooLarge("a record", this.tailBytes);
  }

  /** Writes key, value and headers and answers the position behind them: `tailBytes` further. */
  writeTail(bytes: Uint8Array, at: number): number {
    at = writeVarint(bytes, at, this.keyBytes);
    if (this.keyBytes > 0) at = put(bytes, at, this.key, this.keyBytes);
    at = writeVarint(bytes, at, this.valueBytes);
    if (this.valueBytes > 0) at = put(bytes, at, this.#value, this.valueBytes);
    at = writeVarint(bytes, at, this.headersCount);
    if (this.#headersBytes > 0) at = put(bytes, at, this.#headerScratch.bytes, this.#headersBytes);
    return at;
  }

  /** Lets go of the caller's bytes and of large scratch memory; called where a writer goes idle. */
  release(): void {
    this.key = EMPTY;
    this.#value = EMPTY;
    this.#keyScratch.trim();
    this.#valueScratch.trim();
    this.#headerScratch.trim();
  }

  #text(text: string, scratch: Scratch, what: string): number {
    if (text.length > MAX_RECORD_BYTES) tooLarge(what, text.length);
    return encodeText(text, scratch.reserve(text.length * 3), 0);
  }

  #prepareHeaders(headers: HeadersInput): void {
    if (typeof headers !== "object" || headers === null) {
      throw new TypeError("Cannot append a record: headers must be an object or an array of pairs");
    }
    const pairs = Array.isArray(headers)
      ? headers as readonly (readonly [string, BytesInput | null])[]
      : Object.entries(headers as Record<string, BytesInput | null>);
    let at = 0;
    for (const [name, value] of pairs) {
      if (typeof name !== "string") throw new TypeError("Cannot append a record: a header's name must be a string");
      at = this.#putText(name, at, "a header's name");
      if (value === null) at = writeVarint(this.#headerScratch.reserve(at + 5), at, -1);
      else if (typeof value === "string") at = this.#putText(value, at, "a header");
      else if (isBytes(value)) {
        const scratch = this.#headerScratch.reserve(at + 5 + value.length);
        at = put(scratch, writeVarint(scratch, at, value.length), value, value.length);
      } else refuse("a header's value", value);
      if (at > MAX_RECORD_BYTES) tooLarge("headers", at);
    }
    this.headersCount = pairs.length;
    this.#headersBytes = at;
  }

  /** Appends a length and the text itself to the encoded headers. */
  #putText(text: string, at: number, what: string): number {
    const length = this.#text(text, this.#keyTextScratch, what);
    const scratch = this.#headerScratch.reserve(at + 5 + length);
    return put(scratch, writeVarint(scratch, at, length), this.#keyTextScratch.bytes, length);
  }

  /** A header's text on its way: the key's own scratch is in use by then. */
  readonly #keyTextScratch = new Scratch();
}
