/**
 * A key as bytes.
 *
 * @module
 */
import type { BytesInput } from "../batch/record_input.ts";

const utf8 = new TextEncoder();

/** The bytes of a key. Throws a `TypeError` where it is none. */
export function bytesOf(key: BytesInput): Uint8Array {
  if (typeof key === "string") return utf8.encode(key);
  if (key instanceof Uint8Array) return key;
  throw new TypeError(`Cannot use a key: it must be a string or a Uint8Array, not a ${typeof key}`);
}
