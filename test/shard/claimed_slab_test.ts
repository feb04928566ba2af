/** What a producer in another thread published is written only where it continues the shard exactly. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BatchBuilder } from "../../mod.ts";
import { crc32c } from "../../src/batch/crc32c.ts";
import {
  ATTRIBUTES_AT,
  CODEC_MASK,
  CONTROL,
  CRC_AT,
  CRC_FROM,
  LAST_OFFSET_DELTA_AT,
  patchBatch,
  RECORDS_COUNT_AT,
  UNKNOWN_ATTRIBUTES,
} from "../../src/batch/format.ts";
import { writeI32, writeU16 } from "../../src/bytes.ts";
import type { ProducerMemory } from "../../src/claims/producer_memory.ts";
import { checkSlab } from "../../src/shard/claimed_slab.ts";

const BASE = 100;
const EPOCH = 4;

/** Two records at an offset. */
function batch(offset: number, change: (bytes: Uint8Array) => void = () => {}): Uint8Array {
  const builder = new BatchBuilder();
  for (const value of ["a", "b"]) builder.add({ value, timestamp: 1 });
  const bytes = builder.finish();
  patchBatch(bytes, 0, offset, EPOCH);
  change(bytes);
  writeI32(bytes, CRC_AT, crc32c(bytes, CRC_FROM, bytes.length));
  return bytes;
}

/** A slab as it lies in shared memory, which any thread can have written. */
function check(batches: readonly Uint8Array[], claimed: number, says?: number): number | string {
  const slab = new Uint8Array(4096);
  let size = 0;
  for (const bytes of batches) {
    slab.set(bytes, size);
    size += bytes.length;
  }
  const memory = {
    parts: { slabBytes: slab.length },
    bytesOf: () => says ?? size,
    slab: () => slab,
    offsetsOf: () => claimed,
    checksum: crc32c,
    checksCrc: true,
  };
  return checkSlab(memory as unknown as ProducerMemory, 0, BASE, EPOCH);
}

describe("a slab of another thread", () => {
  it("is taken where its batches follow each other from the claimed offset on", () => {
    assert.equal(check([batch(BASE)], 2), BASE + 2);
    assert.equal(check([batch(BASE), batch(BASE + 2)], 4), BASE + 4);
  });

  const attributes = (value: number) => (bytes: Uint8Array) => writeU16(bytes, ATTRIBUTES_AT, value);
  const REFUSED: readonly [string, () => number | string, RegExp][] = [
    ["no bytes", () => check([], 0), /0 bytes/],
    ["a negative size", () => check([batch(BASE)], 2, -1), /-1 bytes/],
    ["more bytes than it has", () => check([batch(BASE)], 2, 4097), /4097 bytes/],
    ["half a batch", () => check([batch(BASE)], 2, 70), /70 are left/],
    ["a wrong checksum", () => check([batch(BASE).fill(7, 62, 64)], 2), /checksum/],
    ["another base offset", () => check([batch(BASE + 1)], 2), /base offset is 101, not 100/],
    ["a hole between two batches", () => check([batch(BASE), batch(BASE + 3)], 5), /base offset is 103, not 102/],
    ["another epoch", () => check([batch(BASE, (bytes) => patchBatch(bytes, 0, BASE, 3))], 2), /epoch is 3, not 4/],
    ["no record", () => check([batch(BASE, (bytes) => writeI32(bytes, RECORDS_COUNT_AT, 0))], 2), /0 records for 2/],
    [
      "fewer records than offsets",
      () => check([batch(BASE, (bytes) => writeI32(bytes, LAST_OFFSET_DELTA_AT, 4))], 5),
      /2 records for 5/,
    ],
    ["a control batch", () => check([batch(BASE, attributes(CONTROL))], 2), /attributes 0x20/],
    ["unknown attributes", () => check([batch(BASE, attributes(UNKNOWN_ATTRIBUTES))], 2), /attributes 0xff80/],
    ["an unknown codec", () => check([batch(BASE, attributes(CODEC_MASK))], 2), /attributes 0x7/],
    ["fewer offsets than were claimed", () => check([batch(BASE)], 3), /2 offsets, 3 were claimed/],
  ];
  for (const [what, checked, reason] of REFUSED) {
    it(`is refused with ${what}`, () => {
      const said = checked();
      assert.equal(typeof said, "string");
      assert.match(String(said), reason);
    });
  }
});
