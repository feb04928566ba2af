/** Changes bytes the way broken disks, broken programs and enemies do. */
import fc from "fast-check";
import { CRC_AT, CRC_FROM, HEADER_BYTES } from "../../src/batch/format.ts";
import { crc32c } from "../../src/batch/crc32c.ts";
import { readI32, writeI32 } from "../../src/bytes.ts";

/** One change. Places are fractions of the length, so that one list fits every file. */
export type Mutation =
  | { readonly kind: "flip"; readonly at: number; readonly bit: number }
  | { readonly kind: "number"; readonly at: number; readonly value: number }
  | { readonly kind: "cut"; readonly at: number }
  | { readonly kind: "grow"; readonly bytes: Uint8Array }
  | { readonly kind: "zero"; readonly at: number; readonly length: number }
  | { readonly kind: "copy"; readonly at: number; readonly to: number; readonly length: number }
  | { readonly kind: "remove"; readonly at: number; readonly length: number };

/** Numbers at which programs break. */
const HOSTILE = [0, 1, -1, 2, 60, 61, 0x7fffffff, -0x80000000, 0x7ffffff3, 0x40000000, 0xffff, 0x10000, 0x00ffffff];
const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const length = fc.integer({ min: 1, max: 600 });

/** Between one and six changes. */
export const mutations: fc.Arbitrary<Mutation[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("flip" as const), at: place, bit: fc.nat(7) }),
    fc.record({
      kind: fc.constant("number" as const),
      at: place,
      value: fc.oneof(fc.constantFrom(...HOSTILE), fc.integer()),
    }),
    fc.record({ kind: fc.constant("cut" as const), at: place }),
    fc.record({ kind: fc.constant("grow" as const), bytes: fc.uint8Array({ minLength: 1, maxLength: 200 }) }),
    fc.record({ kind: fc.constant("zero" as const), at: place, length }),
    fc.record({ kind: fc.constant("copy" as const), at: place, to: place, length }),
    fc.record({ kind: fc.constant("remove" as const), at: place, length }),
  ),
  { minLength: 1, maxLength: 6 },
);

/** A changed copy of `bytes`. */
export function mutate(bytes: Uint8Array, list: readonly Mutation[]): Uint8Array {
  let out: Uint8Array = bytes.slice();
  for (const mutation of list) out = mutateOnce(out, mutation);
  return out;
}

function mutateOnce(bytes: Uint8Array, mutation: Mutation): Uint8Array {
  if (mutation.kind === "grow") return joined(bytes, mutation.bytes);
  if (bytes.length === 0) return bytes;
  const at = Math.floor(mutation.at * bytes.length);
  switch (mutation.kind) {
    case "flip":
      bytes[at] ^= 1 << mutation.bit;
      return bytes;
    case "number":
      if (at + 4 <= bytes.length) writeI32(bytes, at, mutation.value);
      return bytes;
    case "cut":
      return bytes.slice(0, at);
    case "zero":
      return bytes.fill(0, at, at + mutation.length);
    case "copy":
      bytes.copyWithin(Math.floor(mutation.to * bytes.length), at, at + mutation.length);
      return bytes;
    case "remove":
      return joined(bytes.subarray(0, at), bytes.subarray(at + mutation.length));
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const out = new Uint8Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
}

/** Gives a batch a length and a checksum that fit, so that what its records say is believed. */
export function withTrueChecksum(batch: Uint8Array): Uint8Array {
  if (batch.length < HEADER_BYTES) return batch;
  writeI32(batch, 8, batch.length - 12);
  batch[16] = 2;
  writeI32(batch, CRC_AT, crc32c(batch, CRC_FROM, batch.length));
  return batch;
}

/** Gives both slots of a slot file, or the rows of an index, checksums that fit. */
export function withTrueSlots(content: Uint8Array): Uint8Array {
  for (const at of [0, 4096]) {
    if (at + 512 <= content.length) writeI32(content, at + 4, crc32c(content, at + 8, at + 512));
  }
  return content;
}

/** The same for the rows of an index, 64 bytes each. */
export function withTrueRows(content: Uint8Array): Uint8Array {
  for (let at = 0; at + 64 <= content.length; at += 64) {
    writeI32(content, at + 4, 0);
    if (readI32(content, at) >>> 16 === 64) writeI32(content, at + 4, crc32c(content, at, at + 64));
  }
  return content;
}
