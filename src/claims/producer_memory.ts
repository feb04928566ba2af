/**
 * The shared memory of one producer: slabs that it fills with finished batches, and what both sides must know of them.
 *
 * Nobody else ever gets this memory. A producer that was given up may wake and write into it at any time; it is freed once
 * neither thread refers to it.
 *
 * @module
 */
import { type AdvanceInMemory, bindCrc32c, crc32c, CRC32C_TABLE_BYTES } from "../batch/crc32c.ts";
import type { Checksum } from "../batch/format.ts";

const PAGE_BYTES = 64 * 1024;
/** The first page has the tables of the checksum and its scratch space. */
const SLABS_AT: number = PAGE_BYTES;
/** Slab numbers have 14 bits in a slot. */
export const MAX_SLABS = 0x3fff;
/** WebAssembly's own limit, less what stands before the slabs. */
export const MAX_SLAB_MEMORY: number = 2 ** 32 - SLABS_AT - PAGE_BYTES;

// Indexes of 32-bit words in the control block.
const STATE_AT = 0;
const PROGRESS_AT = 1;
const IS_WAITING_AT = 2;
const SLAB_WORDS_AT = 16;
const SLAB_WORDS = 4;
// Within a slab's words.
const BUSY = 0;
const BYTES = 1;
const OFFSETS = 2;
const IS_KEYLESS = 3;

/** Nobody has connected yet. */
export const NEW = 0;
export const CONNECTED = 1;
/** Closed by its worker. */
export const CLOSED = 2;
/** Locked out by the log. */
export const FENCED = 3;
/** Locked out, as it published what is no batch. */
export const INVALID = 4;

/** What crosses to the other thread. */
export interface ProducerParts {
  readonly id: number;
  readonly memory: WebAssembly.Memory;
  readonly control: SharedArrayBuffer;
  readonly slabBytes: number;
  readonly slabs: number;
}

/** Views over a producer's memory. Each side makes its own. */
export class ProducerMemory {
  readonly parts: ProducerParts;
  /** Slabs that this side has taken over and not given back: the shard's own count. */
  slabsInUse = 0;
  /** The CRC of each batch is computed once more before it is written. */
  checksCrc = false;
  readonly #control: Int32Array;
  readonly #views: (Uint8Array | undefined)[];
  readonly #buffer: ArrayBufferLike;
  #advance: AdvanceInMemory | null | undefined = undefined;

  constructor(parts: ProducerParts) {
    this.parts = parts;
    this.#control = new Int32Array(parts.control);
    this.#buffer = parts.memory.buffer;
    this.#views = Array.from({ length: parts.slabs });
  }

  /** Takes memory for `slabs` slabs of `slabBytes`, a multiple of 8. Pages that nobody touches cost address space only. */
  static create(id: number, slabs: number, slabBytes: number): ProducerMemory {
    const pages = Math.ceil((SLABS_AT + slabs * slabBytes) / PAGE_BYTES);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const control = new SharedArrayBuffer((SLAB_WORDS_AT + slabs * SLAB_WORDS) * 4);
    return new ProducerMemory({ id, memory, control, slabBytes, slabs });
  }

  get state(): number {
    return Atomics.load(this.#control, STATE_AT);
  }

  /** Changes the state where it is `from`; false where it is another. */
  moveState(from: number, to: number): boolean {
    return Atomics.compareExchange(this.#control, STATE_AT, from, to) === from;
  }

  /** Locks the producer out, for whatever reason comes first. */
  fence(reason: typeof FENCED | typeof INVALID): void {
    if (!this.moveState(NEW, reason)) this.moveState(CONNECTED, reason);
    this.progressed();
  }

  /** True where it may not write any more. */
  get isLockedOut(): boolean {
    return this.state >= FENCED;
  }

  get isInvalid(): boolean {
    return this.state === INVALID;
  }

  /** Moves whenever there is something to look at. */
  get progress(): number {
    return Atomics.load(this.#control, PROGRESS_AT);
  }

  /** Tells the producer to look, where it waits. */
  progressed(): void {
    Atomics.add(this.#control, PROGRESS_AT, 1);
    if (Atomics.load(this.#control, IS_WAITING_AT) !== 0) Atomics.notify(this.#control, PROGRESS_AT);
  }

  /** Waits until {@linkcode ProducerMemory.progress} is not `seen` any more, or the time is over. */
  async waitForProgress(seen: number, limitMs: number): Promise<void> {
    Atomics.store(this.#control, IS_WAITING_AT, 1);
    await Atomics.waitAsync(this.#control, PROGRESS_AT, seen, limitMs).value;
    Atomics.store(this.#control, IS_WAITING_AT, 0);
  }

  /** True while a slab can be taken. */
  get hasFree(): boolean {
    for (let slab = 0; slab < this.parts.slabs; slab++) if (!this.#isBusy(slab)) return true;
    return false;
  }

  /** The free slab with the lowest number, taken; -1 where there is none. Only the producer takes. */
  take(): number {
    for (let slab = 0; slab < this.parts.slabs; slab++) {
      if (this.#isBusy(slab)) continue;
      Atomics.store(this.#control, SLAB_WORDS_AT + slab * SLAB_WORDS + BUSY, 1);
      return slab;
    }
    return -1;
  }

  /** Gives a slab back to the producer. */
  free(slab: number): void {
    Atomics.store(this.#control, SLAB_WORDS_AT + slab * SLAB_WORDS + BUSY, 0);
    this.progressed();
  }

  /** What lies in a slab: before it is published. `isKeyless`: it is known that none of its records has a key. */
  describe(slab: number, bytes: number, offsets: number, isKeyless: boolean): void {
    const at = SLAB_WORDS_AT + slab * SLAB_WORDS;
    this.#control[at + BYTES] = bytes;
    this.#control[at + OFFSETS] = offsets;
    this.#control[at + IS_KEYLESS] = isKeyless ? 1 : 0;
  }

  bytesOf(slab: number): number {
    return this.#control[SLAB_WORDS_AT + slab * SLAB_WORDS + BYTES];
  }

  offsetsOf(slab: number): number {
    return this.#control[SLAB_WORDS_AT + slab * SLAB_WORDS + OFFSETS];
  }

  isKeyless(slab: number): boolean {
    return this.#control[SLAB_WORDS_AT + slab * SLAB_WORDS + IS_KEYLESS] === 1;
  }

  /** The memory of a slab; the same view for the same slab. */
  slab(slab: number): Uint8Array {
    return this.#views[slab] ??= new Uint8Array(this.#buffer, this.address(slab), this.parts.slabBytes);
  }

  /** Where it begins in the memory: a multiple of 8. */
  address(slab: number): number {
    return SLABS_AT + slab * this.parts.slabBytes;
  }

  /** CRC-32C over bytes of a slab, in place where WebAssembly can. Only the shard uses it: there is one scratch space. */
  readonly checksum: Checksum = (bytes, start, end) => {
    this.#advance ??= bindCrc32c(this.parts.memory, CRC32C_TABLE_BYTES);
    if (this.#advance === null) return crc32c(bytes, start, end);
    return ~this.#advance(~0, bytes.byteOffset + start, end - start) >>> 0;
  };

  #isBusy(slab: number): boolean {
    return Atomics.load(this.#control, SLAB_WORDS_AT + slab * SLAB_WORDS + BUSY) !== 0;
  }
}
