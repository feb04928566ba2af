/** The shared memory of a shard and of a producer, looked at from one thread. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LogError } from "../../mod.ts";
import { Bell } from "../../src/claims/bell.ts";
import { ClaimBlock, CLOSING, OPEN, SLOTS, STOPPED } from "../../src/claims/claim_block.ts";
import { CONNECTED, FENCED, INVALID, NEW, ProducerMemory } from "../../src/claims/producer_memory.ts";
import { crc32c } from "../../src/batch/crc32c.ts";
import { ClaimedOffsets } from "../../src/producer/claimed.ts";

describe("claims", () => {
  it("take slots and offsets in one order", () => {
    const claims = ClaimBlock.create(1000, 7, 0);
    assert.deepEqual([claims.base, claims.epoch, claims.head, claims.reached("os")], [1000, 7, 0, 1000]);
    const first = claims.claim(5);
    const second = claims.claim(1);
    const third = claims.load();
    assert.deepEqual([first, second, third].map((word) => claims.slotOf(word, 0)), [0, 1, 2]);
    assert.deepEqual([first, second, third].map((word) => claims.offsetOf(word)), [1000, 1005, 1006]);
    assert.equal(claims.after(first, 5), second);
  });

  it("are extended only while nobody claimed behind them", () => {
    const claims = ClaimBlock.create(0, 1, 0);
    const expected = claims.after(claims.claim(1), 1);
    assert.equal(claims.extend(expected, 1n), true);
    assert.equal(claims.extend(expected, 1n), false);
    claims.claim(3);
    assert.equal(claims.extend(expected + 1n, 1n), false);
    assert.equal(claims.offsetOf(claims.load()), 5);
  });

  it("count slots beyond the twelve bits of the word", () => {
    const claims = ClaimBlock.create(0, 1, 0);
    for (let slot = 0; slot < 3 * SLOTS + 5; slot++) {
      const { head } = claims;
      const before = claims.claim(2);
      assert.equal(claims.slotOf(before, head), slot);
      assert.equal(claims.publish(slot, 3, slot % 9), true);
      assert.deepEqual(claims.published(slot), { producer: 3, slab: slot % 9 });
      claims.advance(slot);
      assert.equal(claims.published(slot), undefined);
    }
    assert.equal(claims.offsetOf(claims.load()), 2 * (3 * SLOTS + 5));
  });

  it("are published or void, never both, and not by somebody of an earlier round", () => {
    const claims = ClaimBlock.create(0, 1, 0);
    assert.equal(claims.void(0), true);
    assert.equal(claims.publish(0, 1, 1), false);
    assert.equal(claims.void(0), false);
    claims.advance(0);
    assert.equal(claims.publish(SLOTS, 0xffff, 0x3fff), true);
    assert.deepEqual(claims.published(SLOTS), { producer: 0xffff, slab: 0x3fff });
    assert.equal(claims.published(0), undefined);
    assert.equal(claims.publish(0, 1, 1), false);
    assert.equal(claims.void(SLOTS), false);
  });

  it("end with the reason, also where its text is too long", () => {
    for (const length of [10, 5000]) {
      const claims = ClaimBlock.create(0, 1, 0);
      assert.equal(claims.status, OPEN);
      claims.close();
      assert.equal(claims.status, CLOSING);
      const now = new LogError("DISK_FULL", `Cannot write: ${"ä".repeat(length)}`, {
        shard: 3,
        file: "/f".repeat(length),
      });
      claims.stop({ now, later: new LogError("POISONED", "Cannot append", { shard: 3, range: [5, 9] }) });
      claims.stop({ now: new LogError("CLOSED", "no"), later: new LogError("CLOSED", "no") });
      assert.equal(claims.status, STOPPED);
      const { failure } = new ClaimBlock(claims.buffer);
      assert.equal(failure.now.code, "DISK_FULL");
      assert.equal(failure.later.code, "POISONED");
      assert.deepEqual(failure.later.range, [5, 9]);
      assert.equal(failure.now.shard, 3);
    }
  });

  it("remember how far a sync is wanted, and never less", () => {
    const claims = ClaimBlock.create(0, 1, 0);
    for (const [end, wanted] of [[5, 5], [3, 5], [9, 9]]) {
      claims.wantSync(end);
      assert.equal(claims.syncWanted, wanted);
    }
  });
});

describe("a producer's memory", () => {
  it("has slabs that begin at pages, are taken from the lowest on, and come back", () => {
    const memory = ProducerMemory.create(4, 3, 65_536);
    assert.deepEqual([memory.take(), memory.take(), memory.take(), memory.take()], [0, 1, 2, -1]);
    assert.equal(memory.hasFree, false);
    memory.free(1);
    assert.equal(memory.hasFree, true);
    assert.equal(memory.take(), 1);
    const other = new ProducerMemory(memory.parts);
    other.slab(2)[65_535] = 9;
    assert.equal(memory.slab(2)[65_535], 9);
    for (let slab = 0; slab < 3; slab++) assert.equal(memory.slab(slab).byteOffset % 65_536, 0);
  });

  it("is checksummed in place", () => {
    const memory = ProducerMemory.create(0, 2, 65_536);
    const bytes = memory.slab(1);
    for (let i = 0; i < bytes.length; i++) bytes[i] = i * 7;
    for (const [start, end] of [[0, 65_536], [21, 65_000], [3, 40], [9, 9]]) {
      assert.equal(memory.checksum(bytes, start, end), crc32c(bytes.slice(), start, end));
    }
    assert.deepEqual([...memory.slab(0).slice(0, 8)], [0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it("is locked for one reason only", () => {
    const memory = ProducerMemory.create(0, 1, 65_536);
    assert.equal(memory.state, NEW);
    assert.equal(memory.moveState(NEW, CONNECTED), true);
    assert.equal(memory.moveState(NEW, CONNECTED), false);
    memory.fence(INVALID);
    memory.fence(FENCED);
    assert.equal(memory.state, INVALID);
    assert.equal(memory.isLockedOut, true);
  });
});

describe("the bell", () => {
  it("wakes who waits, and is not missed by who comes late", async () => {
    const bell = new Bell();
    const seen = bell.rings;
    const waiting = bell.wait(seen);
    assert.ok(waiting !== undefined);
    new Bell(bell.buffer).ring();
    const timer = setTimeout(() => {}, 10_000);
    await waiting;
    clearTimeout(timer);
    assert.equal(bell.wait(seen), undefined);
  });
});

describe("claimed offsets", () => {
  it("are found by number, the last ones at least", () => {
    const offsets = new ClaimedOffsets();
    assert.equal(offsets.find(0), undefined);
    let first = 0;
    const expected: number[] = [];
    for (let i = 0; i < 10_000; i++) {
      const count = 1 + i % 3;
      offsets.add(first, count, 5 * i);
      for (let k = 0; k < count; k++) expected[first + k] = 5 * i + k;
      first += count;
    }
    assert.equal(offsets.find(first), undefined);
    assert.equal(offsets.find(0), undefined);
    for (let number = first - 2 * 4096; number < first; number++) assert.equal(offsets.find(number), expected[number]);
    assert.equal(offsets.end, 5 * 9999 + 1 + 9999 % 3);
  });
});
