/**
 * The shared memory of one shard: where its offsets are claimed, by whichever thread has records for it.
 *
 * One 64-bit word counts slots and offsets together, so one atomic addition takes the next place in the file and the next
 * offsets, and their orders cannot differ. Each claimed place has a slot in a ring, in which its owner publishes what to write.
 *
 * @module
 */
import { LogError, type LogErrorCode } from "../errors.ts";
import type { Rung } from "../options.ts";

/** Places in the ring: what may be claimed and not yet taken over by the shard. Credits keep everybody below it. */
export const SLOTS = 4096;

// The claim word: 12 bits of slot, which wrap, over 52 bits of offset, relative to the block's base.
const OFFSET_BITS = 52n;
const OFFSET_MASK: bigint = (1n << OFFSET_BITS) - 1n;
const ONE_SLOT: bigint = 1n << OFFSET_BITS;

// Indexes of 64-bit words.
const CLAIM_AT = 0;
const HEAD_AT = 1;
const WRITTEN_AT = 2;
const SYNCED_AT = 3;
const SYNC_WANTED_AT = 4;
const BASE_AT = 5;
const RING_AT = 16;
// Indexes of 32-bit words.
const STATUS_AT = 16;
const EPOCH_AT = 17;
const FAILURE_BYTES_AT = 18;
const PAUSED_AT = 19;
/** Where the text of a failure begins, in bytes. */
const FAILURE_AT: number = (RING_AT + SLOTS) * 8;
const MAX_FAILURE_BYTES = 4096;

// A slot: the round in its upper half, and below it producer, slab and whether it is published.
const ROUND_BITS = 32n;
const PUBLISHED = 1n;

/** Status of a shard as its producers see it. */
export const OPEN = 0;
/** Nothing is claimed any more; what is claimed is still written. */
export const CLOSING = 1;
/** Nothing is written any more. */
export const STOPPED = 2;

/** What was taken with one addition. */
export interface Claim {
  /** Number of the slot since the block was made. */
  readonly slot: number;
  /** First of the claimed offsets. */
  readonly base: number;
}

/** What a slot holds once it is published. */
export interface Published {
  readonly producer: number;
  readonly slab: number;
}

/** Why a shard stopped: for those who wait, and for those who come later. */
export interface Failure {
  readonly now: LogError;
  readonly later: LogError;
}

interface PlainError {
  readonly code: LogErrorCode;
  readonly message: string;
  readonly shard?: number;
  readonly file?: string;
  readonly range?: readonly [number, number];
}

/** Views over the shared memory of one shard. Every thread makes its own. */
export class ClaimBlock {
  readonly buffer: SharedArrayBuffer;
  readonly #longs: BigUint64Array;
  readonly #words: Int32Array;
  /** Offset of the first claim. */
  readonly base: number;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#longs = new BigUint64Array(buffer, 0, RING_AT + SLOTS);
    this.#words = new Int32Array(buffer, 0, RING_AT * 2);
    this.base = Number(this.#longs[BASE_AT]);
  }

  /** Makes the memory for a shard whose next offset is `base`. */
  static create(base: number, epoch: number, synced: number): ClaimBlock {
    const buffer = new SharedArrayBuffer(FAILURE_AT + MAX_FAILURE_BYTES);
    new BigUint64Array(buffer, 0, RING_AT)[BASE_AT] = BigInt(base);
    const block = new ClaimBlock(buffer);
    block.#words[EPOCH_AT] = epoch;
    block.setReached("os", base);
    block.setReached("disk", synced);
    return block;
  }

  /** Stands in every batch. */
  get epoch(): number {
    return this.#words[EPOCH_AT];
  }

  /** The claim word as it is now. */
  load(): bigint {
    return Atomics.load(this.#longs, CLAIM_AT);
  }

  /** Takes the next slot and `offsets` offsets, and answers the word as it was before. */
  claim(offsets: number): bigint {
    return Atomics.add(this.#longs, CLAIM_AT, ONE_SLOT + BigInt(offsets));
  }

  /** Takes the next slot and `offsets` offsets where the word is still `expected`; false where it is not. */
  claimAt(expected: bigint, offsets: number): boolean {
    return Atomics.compareExchange(this.#longs, CLAIM_AT, expected, this.after(expected, offsets)) === expected;
  }

  /** What the word is right behind a claim of `offsets` that found `before`. */
  after(before: bigint, offsets: number): bigint {
    return BigInt.asUintN(64, before + ONE_SLOT + BigInt(offsets));
  }

  /** Adds `offsets` to the claim that was the last one when the word was `expected`. False where another claim came since. */
  extend(expected: bigint, offsets: bigint): boolean {
    return Atomics.compareExchange(this.#longs, CLAIM_AT, expected, expected + offsets) === expected;
  }

  /** The offset that the next claim gets. */
  offsetOf(word: bigint): number {
    return this.base + Number(word & OFFSET_MASK);
  }

  /** The slot that the next claim gets: the first one from `head` on with these twelve bits. */
  slotOf(word: bigint, head: number): number {
    return head + ((Number(word >> OFFSET_BITS) - head % SLOTS + SLOTS) % SLOTS);
  }

  /**
   * The first slot that the shard has not taken over. A producer reads it before it claims: slots behind it are told apart
   * even where the producer sleeps in between, as the slot's round then differs and publishing fails.
   */
  get head(): number {
    return Number(Atomics.load(this.#longs, HEAD_AT));
  }

  /** Publishes a claimed slot. False where the shard has made it void meanwhile. */
  publish(slot: number, producer: number, slab: number): boolean {
    const empty = roundOf(slot) << ROUND_BITS;
    const value = empty | BigInt((producer * 0x4000 + slab) * 4) | PUBLISHED;
    return Atomics.compareExchange(this.#longs, RING_AT + slot % SLOTS, empty, value) === empty;
  }

  /** What was published in a slot; `undefined` while nothing is. */
  published(slot: number): Published | undefined {
    const value = Atomics.load(this.#longs, RING_AT + slot % SLOTS);
    if ((value & PUBLISHED) === 0n || value >> ROUND_BITS !== roundOf(slot)) return undefined;
    const content = Number(value & 0xffff_ffffn) >>> 2;
    return { producer: content >>> 14, slab: content & 0x3fff };
  }

  /** Makes a slot that nobody has published void: whoever claimed it cannot publish any more. False where it is too late. */
  void(slot: number): boolean {
    const empty = roundOf(slot) << ROUND_BITS;
    const next = roundOf(slot + SLOTS) << ROUND_BITS;
    return Atomics.compareExchange(this.#longs, RING_AT + slot % SLOTS, empty, next) === empty;
  }

  /** The shard has taken a slot over: its place in the ring is free for the next round. */
  advance(slot: number): void {
    Atomics.store(this.#longs, RING_AT + slot % SLOTS, roundOf(slot + SLOTS) << ROUND_BITS);
    Atomics.store(this.#longs, HEAD_AT, BigInt(slot + 1));
  }

  /** Exclusive end of what has reached a rung. */
  reached(rung: Rung): number {
    return Number(Atomics.load(this.#longs, rung === "disk" ? SYNCED_AT : WRITTEN_AT));
  }

  setReached(rung: Rung, end: number): void {
    Atomics.store(this.#longs, rung === "disk" ? SYNCED_AT : WRITTEN_AT, BigInt(end));
  }

  /** Exclusive end up to which somebody waits for a sync. */
  get syncWanted(): number {
    return Number(Atomics.load(this.#longs, SYNC_WANTED_AT));
  }

  wantSync(end: number): void {
    const wanted = BigInt(end);
    for (;;) {
      const before = Atomics.load(this.#longs, SYNC_WANTED_AT);
      if (before >= wanted) return;
      if (Atomics.compareExchange(this.#longs, SYNC_WANTED_AT, before, wanted) === before) return;
    }
  }

  get status(): number {
    return Atomics.load(this.#words, STATUS_AT);
  }

  /** The disk is nearly full: nobody begins anything, what was taken is still published. */
  get isPaused(): boolean {
    return Atomics.load(this.#words, PAUSED_AT) !== 0;
  }

  set isPaused(isPaused: boolean) {
    Atomics.store(this.#words, PAUSED_AT, isPaused ? 1 : 0);
  }

  close(): void {
    Atomics.compareExchange(this.#words, STATUS_AT, OPEN, CLOSING);
  }

  /** The shard stops. Producers learn why. */
  stop(failure: Failure): void {
    if (this.status === STOPPED) return;
    const text = new TextEncoder().encode(JSON.stringify([plain(failure.now), plain(failure.later)]));
    const fits = text.length <= MAX_FAILURE_BYTES;
    if (fits) new Uint8Array(this.buffer, FAILURE_AT).set(text);
    this.#words[FAILURE_BYTES_AT] = fits ? text.length : 0;
    Atomics.store(this.#words, STATUS_AT, STOPPED);
  }

  /** Why the shard stopped; only once its status says so. */
  get failure(): Failure {
    const bytes = this.#words[FAILURE_BYTES_AT];
    // No runtime decodes text out of shared memory.
    const text = new TextDecoder().decode(new Uint8Array(this.buffer, FAILURE_AT, bytes).slice());
    const [now, later] = (bytes === 0 ? [UNKNOWN, UNKNOWN] : JSON.parse(text)) as [PlainError, PlainError];
    return { now: new LogError(now.code, now.message, now), later: new LogError(later.code, later.message, later) };
  }
}

const UNKNOWN: PlainError = { code: "POISONED", message: "Cannot append: an earlier write failed; reopen the log" };

function roundOf(slot: number): bigint {
  return BigInt(Math.floor(slot / SLOTS));
}

/** An error without its cause, which need not survive a change of threads. */
function plain({ code, message, shard, file, range }: LogError): PlainError {
  return {
    code,
    message: message.slice(0, 500),
    ...(shard === undefined ? {} : { shard }),
    ...(file === undefined ? {} : { file: file.slice(0, 250) }),
    ...(range === undefined ? {} : { range }),
  };
}
