/** Claims of other threads, step by step: whatever those threads do in between, offsets go on without a hole. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type SimulatedClock, simulatedClock } from "../../adapters/memory.ts";
import { BatchBuilder } from "../../mod.ts";
import { patchBatch, readHeader } from "../../src/batch/format.ts";
import { poolBytesInUse } from "../../src/batch/memory_pool.ts";
import { PreparedRecord } from "../../src/batch/record_input.ts";
import { ClaimBlock } from "../../src/claims/claim_block.ts";
import { ProducerMemory } from "../../src/claims/producer_memory.ts";
import type { LogError } from "../../src/errors.ts";
import type { Chunk } from "../../src/shard/chunk.ts";
import { ClaimQueue } from "../../src/shard/claim_queue.ts";
import { OwnClaims } from "../../src/shard/own_claims.ts";

const EPOCH = 3;
const LEASE_MS = 10;
/** Where the ring of slots begins, in 64-bit words of the claim block. */
const RING_AT = 16;

function batch(offset: number, count: number): Uint8Array {
  const builder = new BatchBuilder();
  for (let i = 0; i < count; i++) builder.add({ value: `${offset + i}`, timestamp: 1 });
  const bytes = builder.finish();
  patchBatch(bytes, 0, offset, EPOCH);
  return bytes;
}

function record(value: string): PreparedRecord {
  const prepared = new PreparedRecord();
  prepared.prepare({ value, timestamp: 1 }, simulatedClock());
  return prepared;
}

/** A queue with one producer, number 0, whose other end is held here. */
class Bench {
  readonly claims: ClaimBlock = ClaimBlock.create(0, EPOCH, 0);
  readonly memory: ProducerMemory = ProducerMemory.create(0, 4, 64 * 1024);
  readonly clock: SimulatedClock = simulatedClock();
  readonly own: OwnClaims = new OwnClaims(this.claims, 16_384, 65_536, (bytes) => this.accounted += bytes, 0);
  readonly errors: LogError[] = [];
  accounted = 0;
  /** Called whenever the queue asks how long a lease is: between two of its steps. */
  meanwhile: () => void = () => {};
  readonly queue: ClaimQueue = new ClaimQueue({
    shard: 0,
    claims: this.claims,
    own: this.own,
    clock: this.clock,
    leaseMs: () => {
      this.meanwhile();
      return LEASE_MS;
    },
    producer: (id) => id === 0 ? this.memory : undefined,
    onDue: () => this.queue.collect(),
    onInvalid: (error) => this.errors.push(error),
  }, []);

  /** Fills a slab of the producer and publishes it in `slot`. */
  publish(slot: number, bytes: Uint8Array, offsets: number): number {
    const slab = this.memory.take();
    this.memory.slab(slab).set(bytes);
    this.memory.describe(slab, bytes.length, offsets, false);
    assert.ok(this.claims.publish(slot, 0, slab));
    return slab;
  }

  /** Base offset, exclusive end and count of the batches that are ready. */
  get batches(): number[][] {
    return this.queue.ready.map(({ region, from }: Chunk) => {
      const { baseOffset, lastOffset, count } = readHeader(region.bytes, from);
      return [baseOffset, lastOffset + 1, count];
    });
  }

  codes(): string[] {
    return this.errors.map(({ code }) => code);
  }
}

describe("the queue of claims", () => {
  it("makes void at once what nobody known has published", () => {
    for (const [producer, slab] of [[7, 0], [0, 4]]) {
      const bench = new Bench();
      bench.claims.claim(3);
      assert.ok(bench.claims.publish(0, producer, slab));
      bench.queue.collect();
      assert.deepEqual(bench.batches, [[0, 3, 0]]);
      assert.ok(bench.queue.isSettled);
    }
  });

  it("makes void what was published out of place behind a claim that nobody published, and locks its producer out", () => {
    const bench = new Bench();
    bench.claims.claim(2);
    bench.claims.claim(2);
    // Its base offset would be 2.
    bench.publish(1, batch(0, 2), 2);
    bench.queue.collect();
    assert.deepEqual(bench.batches, []);
    bench.clock.advance(LEASE_MS);
    assert.deepEqual(bench.batches, [[0, 4, 0]]);
    assert.deepEqual(bench.codes(), ["BATCH_INVALID"]);
    assert.ok(bench.memory.isInvalid);
    bench.claims.claim(1);
    bench.publish(2, batch(9, 1), 1);
    bench.queue.collect();
    assert.deepEqual(bench.batches, [[0, 4, 0], [4, 5, 0]]);
    assert.equal(bench.errors.length, 1, "that is told once");
  });

  it("writes what is published at the last moment", () => {
    const bench = new Bench();
    bench.claims.claim(2);
    bench.queue.collect();
    bench.meanwhile = () => {
      bench.meanwhile = () => {};
      bench.publish(0, batch(0, 2), 2);
    };
    bench.clock.advance(LEASE_MS);
    assert.deepEqual(bench.batches, [[0, 2, 2]]);
    assert.deepEqual(bench.errors, []);
  });

  it("gives a claim that comes in between a lease of its own", () => {
    const bench = new Bench();
    bench.claims.claim(2);
    bench.queue.collect();
    bench.meanwhile = () => {
      bench.meanwhile = () => {};
      bench.claims.claim(3);
    };
    bench.clock.advance(LEASE_MS);
    assert.deepEqual(bench.batches, [], "how far the first one goes is not known");
    bench.publish(1, batch(2, 3), 3);
    bench.queue.collect();
    assert.deepEqual(bench.batches, [[0, 2, 0], [2, 5, 3]]);
  });

  it("goes on behind a slot with a word that nobody can have written", () => {
    const bench = new Bench();
    bench.claims.claim(1);
    bench.claims.claim(1);
    new BigUint64Array(bench.claims.buffer)[RING_AT + 1] = 1n << 40n;
    bench.queue.collect();
    bench.clock.advance(LEASE_MS);
    assert.deepEqual(bench.batches, [[0, 2, 0]]);
    assert.ok(bench.queue.isSettled);
  });

  it("gives everything back when the shard stops: slabs to their producer, its own chunks to whoever asked", () => {
    const before = poolBytesInUse();
    const bench = new Bench();
    bench.claims.claim(2);
    bench.publish(0, batch(0, 2), 2);
    assert.equal(bench.own.append(record("own")), 2);
    bench.own.finish();
    bench.queue.collect();
    assert.equal(bench.own.append(record("open")), 3);
    assert.deepEqual(bench.batches, [[0, 2, 2], [2, 3, 1]]);
    assert.equal(bench.memory.slabsInUse, 1);
    const own = bench.queue.discard();
    assert.equal(own.length, 1);
    assert.equal(readHeader(own[0].region.bytes, own[0].from).baseOffset, 2);
    assert.equal(bench.memory.slabsInUse, 0);
    assert.equal(bench.memory.take(), 0, "the slab is free again");
    // Only the chunk that was answered is still out.
    assert.equal(poolBytesInUse() - before, own[0].region.bytes.length);
  });
});

describe("what the log's own thread claims", () => {
  it("begins a new slot where somebody else has claimed since, for a blob too", () => {
    const bench = new Bench();
    assert.equal(bench.own.appendBlob(batch(0, 2), 2), 0);
    bench.claims.claim(5);
    assert.equal(bench.own.appendBlob(batch(0, 3), 3), 7);
    assert.deepEqual(bench.own.finished.map(({ slot, base, end }) => [slot, base, end]), [[0, 0, 2]]);
    assert.deepEqual([bench.own.open?.slot, bench.own.open?.base, bench.own.open?.end], [2, 7, 10]);
    assert.equal(bench.accounted, batch(0, 2).length + batch(0, 3).length);
    bench.own.discard();
  });
});
