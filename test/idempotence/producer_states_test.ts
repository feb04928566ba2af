/** Kafka's rules for a producer's next batch, one by one. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { nextSequence } from "../../src/batch/producer_fields.ts";
import { type ConflictReason, LogError } from "../../src/errors.ts";
import { FIRST_NAMED_ID, ProducerStates } from "../../src/idempotence/producer_states.ts";

const LAST = 2_147_483_647;

/** Finds, notes where it is the next one, and answers where the batch stands. */
class Shard {
  readonly states: ProducerStates;
  next = 0;
  nowMs = 0;

  constructor(expiryMs = Infinity, max?: number) {
    this.states = new ProducerStates(0, expiryMs, max);
  }

  send(id: number, epoch: number, sequence: number, count: number, written = Infinity): number {
    const found = this.states.find({ id, epoch, sequence }, count, this.nowMs);
    if (found !== undefined) return found;
    const baseOffset = this.next;
    this.next += count;
    this.states.note(
      id,
      {
        epoch,
        firstSequence: sequence,
        lastSequence: nextSequence(sequence, count - 1),
        baseOffset,
        lastOffset: baseOffset + count - 1,
        timestamp: 0,
      },
      this.nowMs,
      written,
    );
    return baseOffset;
  }

  refuses(
    reason: ConflictReason,
    expected: number,
    ...batch: [id: number, epoch: number, sequence: number, n: number]
  ) {
    assert.throws(() => this.send(...batch), (error) => {
      assert.ok(error instanceof LogError);
      assert.equal(error.code, "CONFLICT");
      assert.deepEqual([error.reason, error.expected], [reason, expected], error.message);
      assert.equal(error.actual, reason === "INVALID_PRODUCER_EPOCH" ? batch[1] : batch[2]);
      return true;
    });
  }
}

describe("a producer's batches", () => {
  it("are taken in order, and answered again with their first offset", () => {
    const shard = new Shard();
    for (const [sequence, offset] of [[0, 0], [10, 10], [20, 20]]) assert.equal(shard.send(1, 0, sequence, 10), offset);
    for (const [sequence, offset] of [[20, 20], [0, 0], [10, 10]]) assert.equal(shard.send(1, 0, sequence, 10), offset);
    assert.equal(shard.next, 30);
  });

  it("are refused with a gap, an overlap, or other borders", () => {
    const shard = new Shard();
    shard.send(1, 0, 0, 10);
    shard.send(1, 0, 10, 10);
    shard.refuses("OUT_OF_ORDER_SEQUENCE_NUMBER", 20, 1, 0, 21, 1);
    shard.refuses("OUT_OF_ORDER_SEQUENCE_NUMBER", 20, 1, 0, 15, 10);
    shard.refuses("OUT_OF_ORDER_SEQUENCE_NUMBER", 20, 1, 0, 10, 9);
    shard.refuses("OUT_OF_ORDER_SEQUENCE_NUMBER", 20, 1, 0, 5, 10);
    shard.refuses("OUT_OF_ORDER_SEQUENCE_NUMBER", 20, 1, 0, 0, 20);
    assert.equal(shard.send(1, 0, 20, 1), 20);
  });

  it("are known among the last five, and only those", () => {
    const shard = new Shard();
    for (let n = 0; n < 6; n++) shard.send(1, 0, n * 2, 2);
    for (let n = 1; n < 6; n++) assert.equal(shard.send(1, 0, n * 2, 2), n * 2);
    shard.refuses("DUPLICATE_SEQUENCE_NUMBER", 12, 1, 0, 0, 2);
    // Five, also while more are remembered as they are not written yet.
    const slow = new Shard();
    for (let n = 0; n < 9; n++) slow.send(1, 0, n, 1, 0);
    slow.refuses("DUPLICATE_SEQUENCE_NUMBER", 9, 1, 0, 3, 1);
    assert.equal(slow.send(1, 0, 4, 1), 4);
  });

  it("begin with any sequence where the producer is not known", () => {
    const shard = new Shard();
    assert.equal(shard.send(1, 3, 500, 1), 0);
    assert.equal(shard.send(2, 0, LAST, 1), 1);
    shard.refuses("DUPLICATE_SEQUENCE_NUMBER", 501, 1, 3, 0, 1);
  });

  it("wrap from 2147483647 to 0, between two batches and within one", () => {
    const shard = new Shard();
    shard.send(1, 0, LAST - 1, 2);
    assert.equal(shard.send(1, 0, 0, 1), 2);
    assert.equal(shard.send(1, 0, LAST - 1, 2), 0);
    shard.send(2, 0, LAST - 1, 5);
    shard.refuses("OUT_OF_ORDER_SEQUENCE_NUMBER", 3, 2, 0, 4, 1);
    assert.equal(shard.send(2, 0, 3, 1), 8);
    assert.equal(shard.send(2, 0, LAST - 1, 5), 3);
    shard.refuses("DUPLICATE_SEQUENCE_NUMBER", 4, 2, 0, LAST - 3, 2);
  });

  it("begin with 0 in a new epoch, which locks the earlier one out", () => {
    const shard = new Shard();
    shard.send(1, 4, 0, 3);
    shard.refuses("OUT_OF_ORDER_SEQUENCE_NUMBER", 0, 1, 5, 3, 1);
    assert.equal(shard.send(1, 5, 0, 3), 3);
    shard.refuses("INVALID_PRODUCER_EPOCH", 5, 1, 4, 3, 1);
    // The same sequences in another epoch are other batches.
    assert.equal(shard.send(1, 5, 0, 3), 3);
    assert.equal(shard.send(1, 5, 3, 1), 6);
  });

  it("of different producers do not know of each other", () => {
    const shard = new Shard();
    for (let id = 0; id < 100; id++) assert.equal(shard.send(id, 0, 0, 2), id * 2);
    for (let id = 0; id < 100; id++) assert.equal(shard.send(id, 0, 0, 2), id * 2);
  });
});

describe("forgetting", () => {
  it("comes after the expiry, but never for names", () => {
    const shard = new Shard(1000);
    shard.send(1, 7, 0, 1);
    shard.send(FIRST_NAMED_ID, 0, 0, 1);
    shard.nowMs = 1000;
    assert.equal(shard.send(1, 7, 0, 1), 0);
    shard.nowMs = 1001;
    assert.equal([...shard.states.before(9, shard.nowMs)].length, 1);
    assert.equal(shard.send(1, 0, 40, 1), 2, "as if it had never been there");
    shard.refuses("OUT_OF_ORDER_SEQUENCE_NUMBER", 1, FIRST_NAMED_ID, 0, 5, 1);
  });

  it("takes the one that was idle longest where there are too many, and refuses one name too many", () => {
    const shard = new Shard(Infinity, 3);
    for (const id of [1, 2, 3]) shard.send(id, 0, 0, 1);
    shard.send(1, 0, 1, 1);
    shard.send(4, 0, 0, 1);
    assert.equal(shard.states.size, 3);
    assert.equal(shard.states.last(2), undefined);
    assert.equal(shard.states.last(1)?.lastSequence, 1);
    for (const n of [0, 1, 2]) shard.send(FIRST_NAMED_ID + n, 0, 0, 1);
    assert.throws(() => shard.send(FIRST_NAMED_ID + 3, 0, 0, 1), /never forgotten/);
    for (let id = 10; id < 20; id++) shard.send(id, 0, 0, 1);
    assert.ok(shard.states.size <= 4);
    for (const n of [0, 1, 2]) assert.equal(shard.states.last(FIRST_NAMED_ID + n)?.lastSequence, 0);
  });

  it("leaves what a snapshot in front of anything unwritten needs", () => {
    const shard = new Shard();
    for (let n = 0; n < 20; n++) shard.send(1, 0, n, 1, 5);
    const [{ batches }] = [...shard.states.before(5, 0)];
    assert.deepEqual(batches.map((batch) => batch.firstSequence), [0, 1, 2, 3, 4]);
    shard.send(1, 1, 0, 1, 5);
    const [{ batches: later }] = [...shard.states.before(20, 0)];
    assert.deepEqual(
      later.map(({ epoch, firstSequence }) => [epoch, firstSequence]),
      [15, 16, 17, 18, 19].map((n) => [0, n]),
    );
    assert.deepEqual([...shard.states.before(0, 0)], []);
  });
});
