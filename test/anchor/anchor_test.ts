/** Ends, anchors and states: the documented bytes, and the same meaning when read again. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { anchorIdentity, fillAnchor, instanceIds, readAnchor, sameInstance } from "../../src/anchor/anchor.ts";
import type { End } from "../../src/anchor/end.ts";
import { emptyEnd, END_BYTES, readEnd, writeEnd } from "../../src/anchor/end.ts";
import type { Slot } from "../../src/anchor/slot_file.ts";
import { SLOT_BYTES } from "../../src/anchor/slot_file.ts";
import type { State } from "../../src/anchor/state.ts";
import { fillState, readState, stateIdentity } from "../../src/anchor/state.ts";
import { referenceCrc } from "../fixtures/reference_batch.ts";
import { announceSeed } from "../fixtures/seed.ts";

announceSeed("anchor_test");

const PLAIN = { noNullPrototype: true } as const;
const unsigned = fc.nat({ max: 2 ** 32 - 1 });
const timestamp = fc.oneof(fc.constant(-1), fc.maxSafeNat());
const end: fc.Arbitrary<End> = fc.record({
  segment: fc.maxSafeNat(),
  nextOffset: fc.maxSafeNat(),
  position: unsigned,
  indexPosition: unsigned,
  last: fc.option(fc.record({ baseOffset: fc.maxSafeNat(), position: unsigned, crc: unsigned }, PLAIN), {
    nil: undefined,
  }),
  lastTimestamp: timestamp,
  maxTimestamp: timestamp,
}, PLAIN);

/** An end as docs/format.md has it. */
function documentedEnd(end: End): Uint8Array {
  const bytes = new Uint8Array(64);
  const view = new DataView(bytes.buffer);
  view.setBigInt64(0, BigInt(end.segment));
  view.setBigInt64(8, BigInt(end.nextOffset));
  view.setUint32(16, end.position);
  view.setUint32(20, end.indexPosition);
  if (end.last !== undefined) {
    view.setBigInt64(24, BigInt(end.last.baseOffset));
    view.setUint32(32, end.last.position);
    view.setUint32(36, end.last.crc);
    view.setUint32(56, 1);
  }
  view.setBigInt64(40, BigInt(end.lastTimestamp));
  view.setBigInt64(48, BigInt(end.maxTimestamp));
  return bytes;
}

function slotWith(epoch: number, generation: number, fill: (slot: Uint8Array) => void): Slot {
  const bytes = new Uint8Array(SLOT_BYTES);
  fill(bytes);
  return { epoch, generation, bytes };
}

describe("an end", () => {
  it("has the documented bytes and says the same again, over whatever stood there", () => {
    fc.assert(fc.property(end, (end) => {
      const bytes = new Uint8Array(END_BYTES + 10).fill(0xee);
      writeEnd(bytes, 5, end);
      assert.deepEqual(bytes.slice(5, 5 + END_BYTES), documentedEnd(end));
      assert.deepEqual(readEnd(bytes, 5), end);
      assert.ok([...bytes.subarray(0, 5), ...bytes.subarray(5 + END_BYTES)].every((byte) => byte === 0xee));
    }));
  });

  it("of nothing is where the segment begins", () => {
    const empty = emptyEnd(2 ** 40);
    assert.deepEqual([empty.segment, empty.nextOffset, empty.position, empty.indexPosition], [2 ** 40, 2 ** 40, 0, 0]);
    assert.deepEqual([empty.last, empty.lastTimestamp, empty.maxTimestamp], [undefined, -1, -1]);
    assert.deepEqual(documentedEnd(empty).subarray(24, 40), new Uint8Array(16));
  });
});

const UUID = "01234567-89ab-cdef-0011-223344556677";
const UUID_BYTES = Uint8Array.from(UUID.replaceAll("-", "").match(/../g)!.map((digits) => Number.parseInt(digits, 16)));

/** Four checksums of a text that is no UUID. */
function hashedId(text: string): Uint8Array {
  const id = new Uint8Array(16);
  for (let i = 0; i < 4; i++) {
    new DataView(id.buffer).setUint32(4 * i, referenceCrc(new TextEncoder().encode(`${i}${text}`)));
  }
  return id;
}

describe("the ids of an instance", () => {
  it("are a UUID's own bytes, else four checksums, zeros where they are unknown", () => {
    for (const text of [UUID, UUID.toUpperCase(), UUID.replaceAll("-", "")]) {
      assert.deepEqual(instanceIds({ bootId: text, mountId: "" }), { boot: UUID_BYTES, mount: new Uint8Array(16) });
    }
    for (const text of ["8:1", "1760000000", "事件", UUID + "0", UUID.replace("0", "g")]) {
      assert.deepEqual(instanceIds({ bootId: "", mountId: text }), { boot: new Uint8Array(16), mount: hashedId(text) });
    }
  });

  it("are the same instance only where both are known and equal", () => {
    const known = instanceIds({ bootId: UUID, mountId: "8:1" });
    assert.equal(sameInstance(known, instanceIds({ bootId: UUID, mountId: "8:1" })), true);
    const others = [["", ""], [UUID, ""], ["", "8:1"], [UUID, "8:2"], [UUID.replace("0", "1"), "8:1"], ["8:1", UUID]];
    for (const [bootId, mountId] of others) {
      const other = instanceIds({ bootId, mountId });
      assert.equal(sameInstance(known, other), false, `${bootId} ${mountId}`);
      assert.equal(sameInstance(other, known), false, `${bootId} ${mountId}`);
      if (bootId === "" || mountId === "") assert.equal(sameInstance(other, other), false, "unknown equals nothing");
    }
  });
});

describe("an anchor", () => {
  it("has the documented bytes and says the same again", () => {
    fc.assert(fc.property(end, end, fc.string(), fc.string(), (written, synced, bootId, mountId) => {
      const instance = instanceIds({ bootId, mountId });
      const slot = slotWith(7, 9, (bytes) => fillAnchor(bytes, instance, written, synced));
      const expected = new Uint8Array(SLOT_BYTES);
      expected.set(instance.boot, 40);
      expected.set(instance.mount, 56);
      expected.set(documentedEnd(written), 72);
      expected.set(documentedEnd(synced), 136);
      assert.deepEqual(slot.bytes, expected);
      assert.deepEqual(readAnchor(slot), { epoch: 7, generation: 9, instance, written, synced });
    }));
  });

  it("keeps what it read when the memory it was read from is used again", () => {
    const instance = instanceIds({ bootId: UUID, mountId: "8:1" });
    const slot = slotWith(1, 1, (bytes) => fillAnchor(bytes, instance, emptyEnd(3), emptyEnd(2)));
    const anchor = readAnchor(slot);
    slot.bytes.fill(0xff);
    assert.deepEqual(anchor.instance, instance);
    assert.deepEqual([anchor.written, anchor.synced], [emptyEnd(3), emptyEnd(2)]);
  });
});

describe("a state", () => {
  const state: fc.Arbitrary<State> = fc.record({
    epoch: fc.nat({ max: 2 ** 31 - 1 }),
    epochStart: fc.option(fc.maxSafeNat(), { nil: undefined }),
    logStart: fc.maxSafeNat(),
    holes: fc.boolean(),
    hasTrims: fc.boolean(),
    clean: fc.option(end, { nil: undefined }),
  }, PLAIN);

  it("has the documented bytes and says the same again", () => {
    fc.assert(fc.property(state, (state) => {
      const slot = slotWith(state.epoch, 1, (bytes) => fillState(bytes, state));
      const expected = new Uint8Array(SLOT_BYTES);
      const view = new DataView(expected.buffer);
      view.setUint32(
        40,
        (state.clean ? 1 : 0) + (state.holes ? 2 : 0) + (state.epochStart === undefined ? 0 : 4) +
          (state.hasTrims ? 8 : 0),
      );
      view.setBigInt64(120, BigInt(state.epochStart ?? 0));
      view.setBigInt64(48, BigInt(state.logStart));
      if (state.clean) expected.set(documentedEnd(state.clean), 56);
      assert.deepEqual(slot.bytes, expected);
      assert.deepEqual(readState(slot), state);
    }));
  });

  it("has no end without the flag, whatever stands in its place", () => {
    const slot = slotWith(1, 1, (bytes) => bytes.fill(0xff, 56));
    assert.equal(readState(slot).clean, undefined);
  });
});

describe("the identities of anchor and state", () => {
  it("differ in the documented four letters", () => {
    const logId = new Uint8Array(16);
    const text = (magic: number) => String.fromCharCode(...[24, 16, 8, 0].map((shift) => (magic >>> shift) & 0xff));
    assert.equal(text(anchorIdentity(logId, 3).magic), "BMAN");
    assert.equal(text(stateIdentity(logId, 3).magic), "BMST");
    assert.deepEqual([anchorIdentity(logId, 3).shard, stateIdentity(logId, 4).shard], [3, 4]);
  });
});
