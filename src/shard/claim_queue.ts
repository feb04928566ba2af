/**
 * A shard that several threads append to: brings what they have claimed and published into the order of the slots.
 *
 * @module
 */
import { BASE_OFFSET_AT } from "../batch/format.ts";
import { readI64 } from "../bytes.ts";
import type { ClaimBlock, Published } from "../claims/claim_block.ts";
import { INVALID, type ProducerMemory } from "../claims/producer_memory.ts";
import { LogError } from "../errors.ts";
import { voidBatch } from "../recovery/rebuild_write.ts";
import type { Clock, TimerHandle } from "../vfs.ts";
import type { Chunk } from "./chunk.ts";
import { checkSlab } from "./claimed_slab.ts";
import type { OwnClaims } from "./own_claims.ts";
import type { WatchedKeys } from "./watched_keys.ts";

/** Finished runs of the log's own thread that wait for slots in front of them: more would use up the ring. */
const MAX_OWN_RUNS = 1024;
/** One batch cannot cover more offsets. */
const MAX_VOID_OFFSETS = 0x3fff_ffff;

/** What the queue needs to know. */
export interface ClaimQueueOptions {
  readonly shard: number;
  readonly claims: ClaimBlock;
  readonly own: OwnClaims;
  readonly clock: Clock;
  /** How long a claimed slot may stay unpublished. */
  readonly leaseMs: () => number;
  readonly producer: (id: number) => ProducerMemory | undefined;
  /** Attributes that batches of producers may not have here. @default {0} */
  readonly refusedAttributes?: number;
  /** Time has passed: the queue should be asked again. */
  readonly onDue: () => void;
  /** A producer published what cannot be written. It is locked out. */
  readonly onInvalid: (error: LogError) => void;
}

/** When the claim counter was first seen so far on. */
interface Sighting {
  readonly tail: number;
  readonly atMs: number;
}

/** See above. Chunks come out in the order of their offsets, without a hole. */
export class ClaimQueue {
  /** Chunks to write. */
  readonly ready: Chunk[] = [];
  /** Looks into what other threads append, while somebody asks. */
  watch: WatchedKeys | undefined = undefined;
  /** Exclusive end of the offsets in chunks that are, or were, ready. */
  readyEnd: number;
  readonly #options: ClaimQueueOptions;
  /** The first slot that was not taken over. */
  #head = 0;
  /** Where chunks of other threads lie; `undefined` for a void. */
  readonly #foreign = new Map<Chunk, { memory: ProducerMemory; slab: number } | undefined>();
  readonly #sightings: Sighting[] = [];
  /** Producers that were locked out: that is told once. */
  readonly #refused = new WeakSet<ProducerMemory>();
  #timer: TimerHandle = undefined;
  #isTimerSet = false;
  #isStopped = false;
  #settled: (() => void)[] = [];

  constructor(options: ClaimQueueOptions, earlier: readonly Chunk[]) {
    this.#options = options;
    this.ready.push(...earlier);
    this.readyEnd = options.claims.base;
  }

  /** True while the log's own thread should wait for others. */
  get isCrowded(): boolean {
    return this.#options.own.finished.length >= MAX_OWN_RUNS;
  }

  /** True while nothing is claimed that was not taken over. */
  get isSettled(): boolean {
    const { claims } = this.#options;
    return claims.slotOf(claims.load(), this.#head) === this.#head;
  }

  /** Exclusive end of the claimed offsets, where all of them are this thread's own or were taken over; else -1. */
  get seenEnd(): number {
    this.collect();
    const { claims, own } = this.#options;
    const word = claims.load();
    const unseen = claims.slotOf(word, this.#head) - this.#head - (own.open?.slot === this.#head ? 1 : 0);
    return unseen === 0 ? claims.offsetOf(word) : -1;
  }

  /** Takes over every slot whose turn it is. */
  collect(): void {
    const { claims, own } = this.#options;
    while (!this.#isStopped) {
      const word = claims.load();
      const tail = claims.slotOf(word, this.#head);
      if (this.#head === tail) break;
      const run = own.finished[0];
      if (run?.slot === this.#head) {
        own.finished.shift();
        this.#advance(run.chunk, run.end);
        continue;
      }
      if (own.open?.slot === this.#head) {
        if (tail === this.#head + 1) break;
        // It cannot grow any more.
        own.finish();
        continue;
      }
      const published = claims.published(this.#head);
      if (published !== undefined && this.#take(published)) continue;
      this.#see(tail);
      if (!this.#fillVoid(published !== undefined)) return;
    }
    this.#settle();
  }

  /** Resolves once every claimed slot was taken over: after the lease at the latest. */
  settled(): Promise<void> {
    return new Promise((resolve) => {
      this.#settled.push(resolve);
      this.#options.own.finish();
      this.collect();
    });
  }

  /** True where a chunk came from another thread; its memory goes back to that one. */
  release(chunk: Chunk): boolean {
    if (!this.#foreign.has(chunk)) return false;
    const origin = this.#foreign.get(chunk);
    this.#foreign.delete(chunk);
    if (origin !== undefined) {
      origin.memory.slabsInUse--;
      origin.memory.free(origin.slab);
    }
    return true;
  }

  isForeign(chunk: Chunk): boolean {
    return this.#foreign.has(chunk);
  }

  /** The shard stops: nothing is taken over any more. Answers the ready chunks of the log's own thread. */
  discard(): Chunk[] {
    this.#isStopped = true;
    this.#settle();
    this.#options.own.discard();
    return this.ready.splice(0).filter((chunk) => !this.release(chunk));
  }

  #settle(): void {
    this.#clearTimer();
    for (const resolve of this.#settled.splice(0)) resolve();
  }

  #advance(chunk: Chunk, end: number): void {
    this.ready.push(chunk);
    this.readyEnd = end;
    this.#options.claims.advance(this.#head++);
    const sightings = this.#sightings;
    while (sightings.length > 0 && sightings[0].tail <= this.#head) sightings.shift();
  }

  /** Takes over the slab at the head; false where it cannot be written. */
  #take({ producer, slab }: Published): boolean {
    const { claims } = this.#options;
    const memory = this.#options.producer(producer);
    if (memory === undefined || memory.parts.slabs <= slab) return false;
    const end = checkSlab(memory, slab, this.readyEnd, claims.epoch, this.#options.refusedAttributes);
    if (typeof end === "string") {
      this.#refuse(producer, end);
      return false;
    }
    // The address says that this is no memory of the pool, which may be written past the page cache.
    const chunk: Chunk = {
      region: { bytes: memory.slab(slab), address: -1 },
      from: 0,
      sealed: memory.bytesOf(slab),
      isKeyless: memory.isKeyless(slab),
    };
    this.#foreign.set(chunk, { memory, slab });
    memory.slabsInUse++;
    this.#advance(chunk, end);
    this.watch?.sawBatches(chunk.region.bytes, 0, chunk.sealed);
    return true;
  }

  /** What a producer has published is not written: before anybody could take it for acknowledged, the producer is locked out. */
  #refuse(producer: number, why: string): void {
    const { shard, onInvalid } = this.#options;
    const memory = this.#options.producer(producer);
    if (memory === undefined || this.#refused.has(memory)) return;
    this.#refused.add(memory);
    memory.fence(INVALID);
    const message = `Cannot write shard ${shard}: producer ${producer} published no batch: ${why}`;
    onInvalid(new LogError("BATCH_INVALID", message, { shard }));
  }

  #see(tail: number): void {
    const last = this.#sightings[this.#sightings.length - 1];
    if (last === undefined || last.tail < tail) {
      this.#sightings.push({ tail, atMs: this.#options.clock.monotonic() });
    }
  }

  /**
   * Fills the slot at the head, and those behind it that are as late, with a batch without records. How many offsets it covers says
   * the next claim that is known. False where somebody may still publish.
   *
   * @param isRefused Something was published at the head, and is not written.
   */
  #fillVoid(isRefused: boolean): boolean {
    const { claims } = this.#options;
    let next = this.#head;
    let end: number | undefined;
    do {
      if (!(isRefused && next === this.#head) && !this.#isExpired(next)) return false;
      next++;
      end = this.#startOf(next);
    } while (end === undefined);
    for (let slot = isRefused ? this.#head + 1 : this.#head; slot < next; slot++) {
      if (claims.void(slot)) continue;
      const published = claims.published(slot);
      // Void since an earlier attempt, which had to wait.
      if (published === undefined) continue;
      // Published at the last moment: it is written, like everything that is published.
      if (slot === this.#head) return true;
      const start = this.#startOf(slot);
      if (start === undefined) {
        this.#refuse(published.producer, "its base offset is out of place");
        continue;
      }
      next = slot;
      end = start;
    }
    this.#pushVoid(next, end);
    return true;
  }

  /** The first offset of a slot behind the head, where that is known. */
  #startOf(slot: number): number | undefined {
    const { claims, own } = this.#options;
    const word = claims.load();
    const limit = claims.offsetOf(word);
    if (claims.slotOf(word, this.#head) === slot) return limit;
    const run = own.finished[0] ?? own.open;
    if (run?.slot === slot) return run.base;
    const published = claims.published(slot);
    const memory = published && this.#options.producer(published.producer);
    if (published === undefined || memory === undefined || memory.parts.slabs <= published.slab) return undefined;
    const start = readI64(memory.slab(published.slab), BASE_OFFSET_AT);
    return start > this.readyEnd && start < limit ? start : undefined;
  }

  #pushVoid(next: number, end: number): void {
    const { claims } = this.#options;
    for (let from = this.readyEnd; from < end;) {
      const to = Math.min(end, from + MAX_VOID_OFFSETS);
      const bytes = voidBatch(from, to, claims.epoch);
      const chunk: Chunk = { region: { bytes, address: -1 }, from: 0, sealed: bytes.length };
      this.#foreign.set(chunk, undefined);
      this.ready.push(chunk);
      from = to;
    }
    this.readyEnd = end;
    while (this.#head < next) claims.advance(this.#head++);
    this.#sightings.splice(0, this.#sightings.findLastIndex((seen) => seen.tail <= next) + 1);
  }

  /** True where a slot was claimed at least a lease ago; else sees to it that the queue is asked again in time. */
  #isExpired(slot: number): boolean {
    const { clock, leaseMs, onDue } = this.#options;
    const seen = this.#sightings.find(({ tail }) => tail > slot);
    if (seen === undefined) return false;
    const leftMs = seen.atMs + leaseMs() - clock.monotonic();
    if (leftMs <= 0) return true;
    if (!this.#isTimerSet) {
      this.#isTimerSet = true;
      this.#timer = clock.setTimer(() => {
        this.#isTimerSet = false;
        onDue();
      }, leftMs);
    }
    return false;
  }

  #clearTimer(): void {
    if (!this.#isTimerSet) return;
    this.#isTimerSet = false;
    this.#options.clock.clearTimer(this.#timer);
  }
}
