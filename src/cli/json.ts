/**
 * Records as JSON: bytes that are text as text, others as base64.
 *
 * @module
 */
import type { LogRecord } from "../read/stored_record.ts";

// `ignoreBOM` keeps a byte order mark, which is a part of the value like any other.
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
/** Bytes turned into text with one call: so many arguments every runtime takes. */
const BASE64_STEP_BYTES = 0x6000;

/** Bytes as JSON has them. */
export type JsonBytes = string | { readonly base64: string } | null;

/** Text, `{ base64 }` where the bytes are not UTF-8, or null. */
export function jsonBytes(bytes: Uint8Array | null): JsonBytes {
  if (bytes === null) return null;
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return { base64: base64(bytes) };
  }
}

/** One record as one line without its end. Put together by hand: that takes half the time of one large `stringify`. */
export function recordJson({ shard, offset, timestamp, key, value, headers }: LogRecord): string {
  const pairs = headers.length === 0 ? "[]" : JSON.stringify(headers.map(([name, value]) => [name, jsonBytes(value)]));
  return `{"shard":${shard},"offset":${offset},"timestamp":${timestamp},"key":${JSON.stringify(jsonBytes(key))},` +
    `"value":${JSON.stringify(jsonBytes(value))},"headers":${pairs}}`;
}

function base64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += BASE64_STEP_BYTES) {
    text += String.fromCharCode(...bytes.subarray(at, at + BASE64_STEP_BYTES));
  }
  return btoa(text);
}
