/**
 * Random schedules of claims: the log's own thread and several producers, step by step in one thread, with workers that die, sleep or
 * publish nonsense. `SEED=n` replays one of them.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BatchWriter } from "../../src/batch/batch_writer.ts";
import { batchBytesAt, readHeader } from "../../src/batch/format.ts";
import { noCodecs } from "../../src/batch/codecs.ts";
import { RecordDecoder } from "../../src/batch/record_decoder.ts";
import { PreparedRecord } from "../../src/batch/record_input.ts";
import { ClaimBlock } from "../../src/claims/claim_block.ts";
import { ProducerMemory } from "../../src/claims/producer_memory.ts";
import { type Chunk, chunkBytes } from "../../src/shard/chunk.ts";
import { ClaimQueue } from "../../src/shard/claim_queue.ts";
import { OwnClaims } from "../../src/shard/own_claims.ts";
import { releaseRegion } from "../../src/batch/memory_pool.ts";
import { writeI64 } from "../../src/bytes.ts";
import { announceSeed, makeRandom } from "../fixtures/seed.ts";

const LEASE_MS = 100;
const BASE = 5;
const EPOCH = 3;

/** What a producer has claimed and not published. */
interface Held {
  readonly slab: number;
  readonly values: readonly string[];
  slot: number;
  base: number;
}

function memoryOf(id: number): ProducerMemory {
  const memory = ProducerMemory.create(id, 3, 65_536);
  memory.checksCrc = true;
  return memory;
}

class Schedule {
  readonly claims: ClaimBlock = ClaimBlock.create(BASE, EPOCH, 0);
  readonly own: OwnClaims = new OwnClaims(this.claims, 300, 1000, () => {}, 0);
  readonly memories: ProducerMemory[] = [];
  readonly held = new Map<number, Held>();
  readonly dead = new Set<number>();
  readonly #numbers = new Map<number, number>();
  /** Offset by offset, what must be there; what may not be there is absent. */
  readonly expected = new Map<number, string>();
  readonly found = new Map<number, string>();
  nowMs = 0;
  next = BASE;
  refused = 0;
  voids = 0;
  #ownNumber = 0;
  readonly random: (limit: number) => number;
  readonly queue: ClaimQueue;

  constructor(seed: number) {
    this.random = makeRandom(seed);
    const clock = { now: () => 1, monotonic: () => this.nowMs, setTimer: () => 0, clearTimer: () => {} };
    this.queue = new ClaimQueue({
      shard: 0,
      claims: this.claims,
      own: this.own,
      clock,
      leaseMs: () => LEASE_MS,
      producer: (id) => this.memories[id],
      onDue: () => {},
      onInvalid: () => this.refused++,
    }, []);
    // A worker may publish at the last moment, just before its slot would become void.
    const { claims } = this;
    claims.void = (slot) => {
      for (const [id, held] of this.held) {
        if (held.slot === slot && !this.dead.has(id) && this.random(3) === 0) this.publish(id);
      }
      return ClaimBlock.prototype.void.call(claims, slot);
    };
    for (let id = 0; id < 4; id++) this.memories.push(memoryOf(id));
  }

  step(): void {
    const id = this.random(this.memories.length);
    switch (this.random(9)) {
      case 0:
      case 1:
        this.appendHere();
        break;
      case 2:
      case 3:
        if (!this.held.has(id) && !this.dead.has(id)) this.claim(id);
        break;
      case 4:
      case 5:
        if (!this.dead.has(id)) this.publish(id);
        break;
      case 6:
        this.nowMs += this.random(LEASE_MS / 2);
        break;
      case 7:
        if (this.random(2) === 0) this.own.finish();
        this.queue.collect();
        this.drain();
        break;
      default:
        switch (this.random(20)) {
          case 0:
            this.dead.add(id);
            break;
          case 1:
            this.replace(id);
        }
    }
  }

  appendHere(): void {
    const value = `own:${this.#ownNumber++}`;
    const record = new PreparedRecord();
    record.prepare({ value, timestamp: 1 }, Date);
    this.expected.set(this.own.append(record), value);
  }

  claim(id: number): void {
    const memory = this.memories[id];
    const slab = memory.take();
    if (slab < 0) return;
    const values: string[] = [];
    const writer = new BatchWriter();
    const record = new PreparedRecord();
    let end = 0;
    for (let batch = this.random(3); batch >= 0; batch--) {
      writer.begin(memory.slab(slab), end);
      const first = values.length;
      for (let i = this.random(5); i >= 0; i--) {
        const number = this.#numbers.get(id) ?? 0;
        this.#numbers.set(id, number + 1);
        values.push(`p${id}:${number}`);
        record.prepare({ value: values[values.length - 1], timestamp: 1 }, Date);
        writer.measure(record);
        writer.put(record);
      }
      writer.seal(first, EPOCH);
      end = writer.position;
    }
    memory.describe(slab, end, values.length, false);
    const held: Held = { slab, values, slot: 0, base: 0 };
    this.take(held);
    this.held.set(id, held);
  }

  take(held: Held): void {
    const { head } = this.claims;
    const before = this.claims.claim(held.values.length);
    held.slot = this.claims.slotOf(before, head);
    held.base = this.claims.offsetOf(before);
  }

  publish(id: number): void {
    const held = this.held.get(id);
    const memory = this.memories[id];
    if (held === undefined || memory.isLockedOut) return;
    const bytes = memory.slab(held.slab);
    let base = held.base;
    for (let at = 0; at < memory.bytesOf(held.slab); at += batchBytesAt(bytes, at)) {
      const { count } = readHeader(bytes, at);
      writeI64(bytes, at, base);
      base += count;
    }
    const isGarbage = this.random(60) === 0;
    if (isGarbage) bytes[70] ^= 1 << this.random(8);
    if (!this.claims.publish(held.slot, id, held.slab)) {
      if (isGarbage) this.dead.add(id);
      return this.take(held);
    }
    this.held.delete(id);
    if (isGarbage) this.dead.add(id);
    else for (const [i, value] of held.values.entries()) this.expected.set(held.base + i, value);
  }

  /** Another worker takes the place of a dead one; its memory is another's, and the dead one's is left alone. */
  replace(id: number): void {
    if (!this.dead.has(id) || this.memories[id].slabsInUse > 0 || !this.queue.isSettled) return;
    this.memories[id] = memoryOf(id);
    this.dead.delete(id);
    this.held.delete(id);
  }

  /** Writes what is ready. */
  drain(): void {
    for (const chunk of this.queue.ready.splice(0)) {
      this.read(chunk);
      if (!this.queue.release(chunk)) releaseRegion(chunk.region);
    }
    assert.equal(this.next, this.queue.readyEnd);
  }

  read(chunk: Chunk): void {
    assert.ok(chunkBytes(chunk) > 0);
    const { bytes } = chunk.region;
    for (let at = chunk.from; at < chunk.sealed; at += batchBytesAt(bytes, at)) {
      const header = readHeader(bytes, at);
      assert.equal(header.baseOffset, this.next, "offsets are not consecutive");
      this.next = header.lastOffset + 1;
      if (header.count === 0) this.voids++;
      const decoder = new RecordDecoder(bytes, at, noCodecs);
      while (decoder.next()) {
        const { valueStart, valueBytes } = decoder;
        this.found.set(decoder.offset, new TextDecoder().decode(bytes.slice(valueStart, valueStart + valueBytes)));
      }
      assert.equal(decoder.fault, undefined);
    }
  }

  /** The living publish, the dead do not, and time passes: everything must come out. */
  finish(): void {
    for (let round = 0; round < 10; round++) {
      for (const id of this.held.keys()) if (!this.dead.has(id)) this.publish(id);
      this.own.finish();
      this.queue.collect();
      this.nowMs += LEASE_MS;
      this.queue.collect();
      this.drain();
    }
    assert.ok(this.queue.isSettled);
    assert.equal(this.next, this.claims.offsetOf(this.claims.load()));
    const text = (records: Map<number, string>): string =>
      [...records].sort(([a], [b]) => a - b).map((pair) => pair.join(" ")).join("\n");
    assert.equal(text(this.found), text(this.expected));
  }
}

/** A replay meets its seed first, and stops there. */
const SCHEDULES = 300;

describe("schedules of claims", () => {
  it("bring out every published record once, in order, and nothing else [fault 56]", () => {
    const first = announceSeed("schedules of claims");
    let voids = 0;
    let refused = 0;
    for (let seed = first; seed < first + SCHEDULES; seed++) {
      const schedule = new Schedule(seed);
      try {
        for (let i = 0; i < 300; i++) schedule.step();
        schedule.finish();
      } catch (error) {
        throw new Error(`SEED=${seed} replays it`, { cause: error });
      }
      voids += schedule.voids;
      refused += schedule.refused;
    }
    // What is tested must happen.
    assert.ok(voids > 100 && refused > 10, `${voids} voids, ${refused} refused`);
  });
});
