/**
 * The producers of a log in other threads: makes their memory, hears their bell.
 *
 * @module
 */
import { Bell } from "../claims/bell.ts";
import { SLOTS } from "../claims/claim_block.ts";
import { contentOf, HANDLE_VERSION, type HandleContent, type ProducerHandle } from "../claims/handle.ts";
import { CONNECTED, FENCED, MAX_SLAB_MEMORY, MAX_SLABS, NEW, ProducerMemory } from "../claims/producer_memory.ts";
import { LogError } from "../errors.ts";
import type { Limits, Rung } from "../options.ts";
import type { Shareable, Shared, SharingContext } from "../shard/shareable.ts";
import type { Clock } from "../vfs.ts";

/** Options of `log.producer()`. */
export interface ProducerOptions {
  /** The only shard it may write to. @default {all of them, chosen by key} */
  shard?: number;
  /**
   * Shared memory for its batches, in bytes, from 65,536 to 1,073,741,824. What is neither claimed nor written yet fills it; then it
   * answers `BACKPRESSURE`. Each shard takes one more piece of `flushBytes`.
   *
   * @default {8_388_608}
   */
  bufferBytes?: number;
  /**
   * How long a claim may stay unpublished before it is made void, in milliseconds, 10–600,000. The shard uses the longest lease of
   * its producers.
   *
   * @default {1_000}
   */
  leaseMs?: number;
  /**
   * Computes the CRC of each of its batches once more before it is written, on the log's thread. That doubles what producers cost
   * this thread, and finds a worker's memory damaged by something else than this package.
   *
   * @default {false}
   */
  checkCrc?: boolean;
}

const PAGE_BYTES = 64 * 1024;
const WORD_BYTES = 8;
const MAX_PRODUCERS = 0xffff;
/** What producers may have claimed at once in a shard: the ring, without what the log's own thread may claim. */
const MAX_CLAIMS: number = SLOTS - 1536;
/** Looked at so often in a row while the bell rings; then everything else gets its turn. */
const MAX_LOOKS = 8;

interface Entry {
  readonly memory: ProducerMemory;
  readonly shards: readonly Shared[];
  readonly leaseMs: number;
}

/** What producers are told of the log's limits. */
export interface ProducerLimits extends Pick<Limits, "flushBytes" | "batchBytes" | "stride" | "flushIntervalMs"> {
  /** No batch may be larger, in bytes, from 1,024. @default {none} */
  readonly maxBatchBytes?: number;
}

/** See above. */
export class Producers {
  readonly #limits: ProducerLimits;
  readonly #durability: Rung;
  readonly #clock: Clock;
  readonly #logShards: number;
  readonly #onError: (error: LogError) => void;
  readonly #bell = new Bell();
  readonly #entries = new Map<number, Entry>();
  readonly #shards = new Set<Shareable>();
  #nextId = 0;
  #isListening = false;
  #isStopped = false;

  constructor(
    limits: ProducerLimits,
    durability: Rung,
    clock: Clock,
    logShards: number,
    onError: (error: LogError) => void,
  ) {
    this.#limits = limits;
    this.#durability = durability;
    this.#clock = clock;
    this.#logShards = logShards;
    this.#onError = onError;
  }

  /** Makes a producer that may write to `shards`. */
  create(shards: readonly Shareable[], options: ProducerOptions): ProducerHandle {
    const { flushBytes, batchBytes, stride, flushIntervalMs } = this.#limits;
    const bufferBytes = whole("bufferBytes", options.bufferBytes ?? 8 * 1024 * 1024, PAGE_BYTES, 2 ** 30);
    const leaseMs = whole("leaseMs", options.leaseMs ?? 1000, 10, 600_000);
    this.#forgetGone();
    const wantedBytes = Math.ceil(Math.max(flushBytes, batchBytes) / PAGE_BYTES) * PAGE_BYTES;
    // A batch lies in one piece.
    const mostBytes = Math.floor((this.#limits.maxBatchBytes ?? Infinity) / WORD_BYTES) * WORD_BYTES;
    const slabBytes = Math.min(wantedBytes, Math.floor(bufferBytes / PAGE_BYTES) * PAGE_BYTES, mostBytes);
    const slabs = Math.max(2, Math.floor(bufferBytes / slabBytes)) + shards.length - 1;
    if (slabs > MAX_SLABS || slabs * slabBytes > MAX_SLAB_MEMORY || this.#claims + slabs > MAX_CLAIMS) {
      throw new LogError(
        "CONFLICT",
        `Cannot make a producer: with ${this.#entries.size} others, ${slabs} pieces of ${slabBytes} bytes are too many; close or ` +
          "fence producers that are gone, name a shard, or lower bufferBytes",
      );
    }
    const memory = ProducerMemory.create(this.#freeId(), slabs, slabBytes);
    memory.checksCrc = options.checkCrc ?? false;
    const sharing: SharingContext = {
      leaseMs: () => this.#leaseMs(),
      producer: (id) => this.#entries.get(id)?.memory,
      progressed: this.#progressed,
      onInvalid: this.#onError,
    };
    const shared = shards.map((shard) => shard.share(sharing));
    this.#entries.set(memory.parts.id, { memory, shards: shared, leaseMs });
    for (const shard of shards) this.#shards.add(shard);
    if (!this.#isListening) void this.#listen();
    const content: HandleContent = {
      ...memory.parts,
      bell: this.#bell.buffer,
      shards: shared.map(({ claims }, i) => ({ id: shards[i].id, block: claims.buffer })),
      logShards: this.#logShards,
      batchBytes,
      flushBytes: Math.min(flushBytes, slabBytes),
      stride,
      flushIntervalMs,
      durability: this.#durability,
    };
    return { kind: "bimiplog-producer", version: HANDLE_VERSION, content };
  }

  /** Locks a producer out. What it has published is still written. */
  fence(handle: ProducerHandle): void {
    const { id, control } = contentOf(handle);
    const entry = this.#entries.get(id);
    if (entry?.memory.parts.control === control) entry.memory.fence(FENCED);
  }

  /** Ends listening; called once the shards are closed. */
  stop(): void {
    this.#isStopped = true;
    this.#bell.ring();
  }

  /** The bell of all producers: nobody looks while nothing happens, and looking is not repeated for ever. */
  async #listen(): Promise<void> {
    this.#isListening = true;
    for (let looks = 1; !this.#isStopped; looks++) {
      const seen = this.#bell.rings;
      for (const shard of this.#shards) shard.collect();
      const waiting = this.#bell.wait(seen);
      if (waiting !== undefined) {
        await waiting;
        looks = 0;
      } else if (looks % MAX_LOOKS === 0) await new Promise<void>((resolve) => this.#clock.setTimer(resolve, 0));
    }
  }

  readonly #progressed = (): void => {
    for (const { memory } of this.#entries.values()) memory.progressed();
  };

  #leaseMs(): number {
    let longest = 0;
    for (const { leaseMs } of this.#entries.values()) longest = Math.max(longest, leaseMs);
    return longest;
  }

  /** What all of them may have claimed and not yet given up, were it in one shard. */
  get #claims(): number {
    let claims = 0;
    for (const { memory } of this.#entries.values()) claims += memory.parts.slabs;
    return claims;
  }

  /** Closed and locked out ones are kept while something they published is not written. */
  #forgetGone(): void {
    for (const [id, { memory, shards }] of this.#entries) {
      const { state } = memory;
      if (state === NEW || state === CONNECTED || memory.slabsInUse > 0) continue;
      if (shards.every((shard) => shard.queue.isSettled)) this.#entries.delete(id);
    }
  }

  #freeId(): number {
    while (this.#entries.has(this.#nextId)) this.#nextId = (this.#nextId + 1) % MAX_PRODUCERS;
    const id = this.#nextId;
    this.#nextId = (id + 1) % MAX_PRODUCERS;
    return id;
  }
}

function whole(name: string, value: number, low: number, high: number): number {
  if (Number.isSafeInteger(value) && value >= low && value <= high) return value;
  throw new RangeError(
    `Cannot make a producer: ${name} must be a whole number from ${low} to ${high}, not ${String(value)}`,
  );
}
