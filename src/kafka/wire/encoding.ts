/**
 * The primitive types of Kafka's protocol; those with "compact" in their name, counts and tags are those of its flexible versions.
 *
 * @module
 */
import { readI16, readI32, readI64, writeI32, writeI64, writeU16 } from "../../bytes.ts";

const utf8 = new TextEncoder();
const utf8Decoder = new TextDecoder("utf-8", { fatal: true });

/** Builds a request; it grows as needed. */
export class WireWriter {
  #bytes: Uint8Array = new Uint8Array(256);
  #at = 0;

  /** What was written. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#at);
  }

  int8(value: number): this {
    const at = this.#take(1);
    this.#bytes[at] = value;
    return this;
  }

  int16(value: number): this {
    const at = this.#take(2);
    writeU16(this.#bytes, at, value & 0xffff);
    return this;
  }

  int32(value: number): this {
    const at = this.#take(4);
    writeI32(this.#bytes, at, value);
    return this;
  }

  int64(value: number): this {
    const at = this.#take(8);
    writeI64(this.#bytes, at, value);
    return this;
  }

  bool(value: boolean): this {
    return this.int8(value ? 1 : 0);
  }

  string(value: string | null): this {
    if (value === null) return this.int16(-1);
    const bytes = utf8.encode(value);
    if (bytes.length > 0x7fff) throw new RangeError("Cannot send a text of more than 32767 bytes");
    this.int16(bytes.length);
    return this.raw(bytes);
  }

  /** Bytes with their length in front. */
  sized(value: Uint8Array | null): this {
    if (value === null) return this.int32(-1);
    this.int32(value.length);
    return this.raw(value);
  }

  /** How many elements follow, in a flexible version. */
  count(value: number): this {
    return this.#varint(value + 1);
  }

  compactString(value: string): this {
    const bytes = utf8.encode(value);
    return this.count(bytes.length).raw(bytes);
  }

  /** No tagged field: what ends each structure of a flexible version. */
  tags(): this {
    return this.#varint(0);
  }

  raw(value: Uint8Array): this {
    const at = this.#take(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  #varint(value: number): this {
    for (; value > 0x7f; value >>>= 7) this.int8(value | 0x80);
    return this.int8(value);
  }

  #take(size: number): number {
    const at = this.#at;
    if (at + size > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#bytes.length * 2, at + size));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
    }
    this.#at = at + size;
    return at;
  }
}

/** A response that is not what the protocol says. */
export class WireError extends Error {
  override readonly name: string = "WireError";
}

/** Takes a response apart; whatever it claims is checked against what is there. */
export class WireReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  int8(): number {
    return (this.#bytes[this.#take(1)] << 24) >> 24;
  }

  int16(): number {
    return readI16(this.#bytes, this.#take(2));
  }

  int32(): number {
    return readI32(this.#bytes, this.#take(4));
  }

  int64(): number {
    const value = readI64(this.#bytes, this.#take(8));
    if (!Number.isSafeInteger(value)) throw new WireError(`it has the number ${value}, which is out of range`);
    return value;
  }

  bool(): boolean {
    return this.int8() !== 0;
  }

  string(): string | null {
    const length = this.int16();
    if (length < 0) return null;
    const at = this.#take(length);
    return utf8Decoder.decode(this.#bytes.subarray(at, at + length));
  }

  /** Bytes with their length in front: a view. */
  sized(): Uint8Array {
    const length = this.int32();
    if (length < 0) return new Uint8Array(0);
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  array<T>(read: () => T): T[] {
    return this.#elements(this.int32(), read);
  }

  compactArray<T>(read: () => T): T[] {
    return this.#elements(this.#varint() - 1, read);
  }

  compactString(): string | null {
    const length = this.#varint() - 1;
    if (length < 0) return null;
    const at = this.#take(length);
    return utf8Decoder.decode(this.#bytes.subarray(at, at + length));
  }

  /** Passes over tagged fields. */
  tags(): void {
    for (let left = this.#varint(); left > 0; left--) {
      this.#varint();
      this.#take(this.#varint());
    }
  }

  #varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.int8();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte >= 0) return value;
    }
    throw new WireError("it has a number without an end");
  }

  #elements<T>(length: number, read: () => T): T[] {
    // Every element has a byte at least: a count cannot make more memory be taken than the response has.
    if (length > this.#bytes.length - this.#at) throw new WireError(`it claims ${length} elements`);
    const values: T[] = [];
    for (let i = 0; i < length; i++) values.push(read());
    return values;
  }

  #take(size: number): number {
    const at = this.#at;
    if (size < 0 || at + size > this.#bytes.length) throw new WireError("it ends early");
    this.#at = at + size;
    return at;
  }
}
