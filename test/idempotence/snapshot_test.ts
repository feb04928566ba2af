/** Snapshots: Kafka's format, read back, and refused where a byte is wrong or they are somebody else's. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ProducerStates } from "../../src/idempotence/producer_states.ts";
import { decodeSnapshot, encodeSnapshot, readSnapshot, type SnapshotIdentity } from "../../src/idempotence/snapshot.ts";
import { toHex } from "../../src/bytes.ts";

const IDENTITY: SnapshotIdentity = { logId: new Uint8Array(16).fill(7), shard: 3, base: 100 };
const LAST = 2_147_483_647;

function example(): Uint8Array {
  const states = new ProducerStates(3, Infinity);
  const batch = { epoch: 1, baseOffset: 10, lastOffset: 12, timestamp: 1_760_000_000_000 };
  states.note(5, { ...batch, firstSequence: LAST - 1, lastSequence: 0 }, 0, 0);
  states.note(2 ** 52 + 1, { ...batch, baseOffset: 13, lastOffset: 13, firstSequence: 4, lastSequence: 4 }, 0, 0);
  states.note(5, { ...batch, baseOffset: 14, lastOffset: 15, firstSequence: 1, lastSequence: 2 }, 0, 0);
  return encodeSnapshot(IDENTITY, states.before(IDENTITY.base, 0));
}

describe("a snapshot of producers", () => {
  it("is Kafka's version 1, byte for byte, with an identity behind it", () => {
    const hex = toHex(example());
    assert.equal(hex.slice(0, 4), "0001");
    assert.equal(hex.slice(12, 20), "00000003");
    // Of each producer the newest batch comes last: a broker keeps that one.
    const entries = [
      "0010000000000001" + "0001" + "00000004" + "000000000000000d" + "00000000",
      "0000000000000005" + "0001" + "00000000" + "000000000000000c" + "00000002",
      "0000000000000005" + "0001" + "00000002" + "000000000000000f" + "00000001",
    ].map((entry) => entry + "00000199c82cc000" + "ffffffff" + "ffffffffffffffff");
    assert.equal(hex.slice(20, 20 + 3 * 92), entries.join(""));
    assert.equal(
      hex.slice(20 + 3 * 92),
      "42494d4950505244" + "07".repeat(16) + "00000003" + "00000000" + "0000000000000064",
    );
  });

  it("is read back, the first sequence of each batch included", () => {
    const entries = decodeSnapshot(example(), IDENTITY)!;
    assert.deepEqual(entries.map((entry) => [entry.id, entry.firstSequence, entry.lastSequence, entry.baseOffset]), [
      [2 ** 52 + 1, 4, 4, 13],
      [5, LAST - 1, 0, 10],
      [5, 1, 2, 14],
    ]);
    assert.deepEqual(decodeSnapshot(encodeSnapshot(IDENTITY, []), IDENTITY), []);
  });

  it("is refused where any bit is flipped, or it ends early", () => {
    const bytes = example();
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const copy = bytes.slice();
      copy[bit >> 3] ^= 1 << (bit & 7);
      assert.equal(decodeSnapshot(copy, IDENTITY), undefined, `bit ${bit}`);
    }
    for (let size = 0; size < bytes.length; size++) {
      assert.equal(decodeSnapshot(bytes.slice(0, size), IDENTITY), undefined);
    }
  });

  it("is refused where it belongs to another log, shard or offset", () => {
    const bytes = example();
    assert.ok(readSnapshot(bytes) !== undefined);
    assert.equal(decodeSnapshot(bytes, { ...IDENTITY, shard: 2 }), undefined);
    assert.equal(decodeSnapshot(bytes, { ...IDENTITY, base: 101 }), undefined);
    assert.equal(decodeSnapshot(bytes, { ...IDENTITY, logId: new Uint8Array(16) }), undefined);
  });
});
