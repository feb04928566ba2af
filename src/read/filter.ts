/**
 * Which records a reader hands out, judged on the encoded bytes.
 *
 * @module
 */
import type { RecordDecoder } from "../batch/record_decoder.ts";
import type { BytesInput } from "../batch/record_input.ts";
import { VarintReader } from "../batch/varint.ts";

/** What records must have to be handed out. A record has to meet all that is named. */
export interface RecordFilter {
  /** Exactly this key; null: records without a key. */
  key?: BytesInput | null;
  /**
   * By name, the value that a header must have; null: the header has no value; true: whatever its value is. Where a name stands more
   * than once in a record, one of them is enough.
   */
  headers?: Readonly<Record<string, BytesInput | null | true>>;
}

/** Judges the record that a decoder stands on. */
export type Predicate = (decoder: RecordDecoder) => boolean;

/** A header that is wanted; `value` is `undefined` where any will do. */
interface WantedHeader {
  readonly name: Uint8Array;
  readonly value: Uint8Array | null | undefined;
}

const encoder = new TextEncoder();

/**
 * Makes a filter ready to be asked for every record: nothing is allocated then.
 *
 * @returns `undefined` where every record passes.
 * @throws {TypeError} where a field has a wrong type.
 */
export function compileFilter(filter: RecordFilter | undefined): Predicate | undefined {
  if (filter === undefined) return undefined;
  if (typeof filter !== "object" || filter === null) {
    throw new TypeError("Cannot read: where must be an object with key or headers");
  }
  const unknown = Object.keys(filter).find((name) => name !== "key" && name !== "headers");
  if (unknown !== undefined) throw new TypeError(`Cannot read: where has key and headers, but no ${unknown}`);
  const key = filter.key === undefined || filter.key === null ? filter.key : bytesOf(filter.key, "where.key");
  const headers = wantedHeaders(filter.headers);
  if (headers.length === 0) return key === undefined ? undefined : (decoder) => hasKey(decoder, key);
  const hasAll = headerPredicate(headers);
  return key === undefined ? hasAll : (decoder) => hasKey(decoder, key) && hasAll(decoder);
}

function wantedHeaders(headers: RecordFilter["headers"]): WantedHeader[] {
  if (headers === undefined) return [];
  if (typeof headers !== "object" || headers === null || Array.isArray(headers)) {
    throw new TypeError("Cannot read: where.headers must be an object of names and values");
  }
  return Object.entries(headers).map(([name, value]) => ({
    name: encoder.encode(name),
    value: value === true ? undefined : value === null ? null : bytesOf(value, `where.headers.${name}`),
  }));
}

function bytesOf(value: BytesInput, what: string): Uint8Array {
  if (typeof value === "string") return encoder.encode(value);
  // A copy: what the caller does with its bytes later changes nothing.
  if (value instanceof Uint8Array) return new Uint8Array(value);
  throw new TypeError(`Cannot read: ${what} must be a string, a Uint8Array or null, not a ${typeof value}`);
}

function hasKey({ bytes, keyStart, keyBytes }: RecordDecoder, key: Uint8Array | null): boolean {
  return key === null ? keyBytes < 0 : isAt(bytes, keyStart, keyBytes, key);
}

/** True where `wanted` is what stands in `length` bytes from `start` on. */
function isAt(bytes: Uint8Array, start: number, length: number, wanted: Uint8Array): boolean {
  if (length !== wanted.length) return false;
  for (let i = 0; i < length; i++) if (bytes[start + i] !== wanted[i]) return false;
  return true;
}

function headerPredicate(wanted: readonly WantedHeader[]): Predicate {
  const reader = new VarintReader(EMPTY, 0, 0);
  const isFound = new Uint8Array(wanted.length);
  return ({ bytes, headersStart, headersCount, end }) => {
    if (headersCount === 0) return false;
    reader.bytes = bytes;
    reader.position = headersStart;
    reader.end = end;
    isFound.fill(0);
    let missing = wanted.length;
    for (let i = 0; i < headersCount && missing > 0; i++) {
      const nameBytes = reader.varint();
      const nameStart = reader.position;
      reader.position += nameBytes;
      const valueBytes = reader.varint();
      const valueStart = reader.position;
      if (valueBytes > 0) reader.position += valueBytes;
      for (let w = 0; w < wanted.length; w++) {
        const { name, value } = wanted[w];
        if (isFound[w] === 1 || !isAt(bytes, nameStart, nameBytes, name)) continue;
        if (value === null ? valueBytes >= 0 : value !== undefined && !isAt(bytes, valueStart, valueBytes, value)) {
          continue;
        }
        isFound[w] = 1;
        missing--;
      }
    }
    // What was read stays in memory no longer than its reader.
    reader.bytes = EMPTY;
    return missing === 0;
  };
}

const EMPTY = new Uint8Array(0);
