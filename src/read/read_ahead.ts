/**
 * Large sequential reads of a `.log`: while one piece is visited, the next one is read.
 *
 * @module
 */
import { batchBytesAt, HEADER_BYTES } from "../batch/format.ts";
import { acquireVisibleRegion, type Region, releaseRegion } from "../batch/memory_pool.ts";
import type { ChunkSource } from "../segment/batch_scanner.ts";
import type { MaybePromise, VfsFile } from "../vfs.ts";

/** How {@linkcode ReadAhead} reads. */
export interface ReadAheadOptions {
  /** Bytes a read asks for. Larger batches are read whole. */
  readonly chunkBytes: number;
  /**
   * True: two pieces of the memory pool take turns, and what was handed out is overwritten by the next but one read. False: every
   * piece has memory of its own, valid as long as it is held.
   */
  readonly pooled: boolean;
}

/** A read that nobody has asked for yet. */
interface Ahead {
  readonly position: number;
  readonly memory: Uint8Array;
  /** Bytes read; -1 where it failed: whoever needs them asks again and is told why. */
  readonly filled: Promise<number>;
}

/** The pieces of one file, one behind the other. */
export class ReadAhead implements ChunkSource {
  readonly #file: VfsFile;
  readonly #options: ReadAheadOptions;
  /** The two pieces that take turns; the one at `#turn` is not in anybody's hands. */
  readonly #regions: [Region | undefined, Region | undefined] = [undefined, undefined];
  #turn = 0;
  #ahead: Ahead | undefined = undefined;
  /** Where the read behind the piece before would have begun: only who asks for that is reading one piece after the other. */
  #expected = -1;

  constructor(file: VfsFile, options: ReadAheadOptions) {
    this.#file = file;
    this.#options = options;
  }

  async read(position: number, needed: number, end: number): Promise<Uint8Array> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    let filled = ahead === undefined ? -1 : await ahead.filled;
    let memory: Uint8Array;
    if (ahead !== undefined && ahead.position === position && filled >= needed) {
      memory = ahead.memory;
    } else {
      memory = this.#takeMemory(Math.min(Math.max(needed, this.#options.chunkBytes), end - position));
      const read: MaybePromise<number> = this.#file.read(memory, position);
      filled = typeof read === "number" ? read : await read;
    }
    this.#turn = 1 - this.#turn;
    const piece = filled === memory.length ? memory : memory.subarray(0, filled);
    const next = position + wholeBatches(piece);
    if (position === this.#expected && next > position && next < end) this.#start(next, end);
    this.#expected = next;
    return piece;
  }

  /** Waits for a read that is under way and gives the memory back. The file is closed by whoever opened it. */
  async close(): Promise<void> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    await ahead?.filled;
    for (const region of this.#regions) if (region !== undefined) releaseRegion(region);
    this.#regions.fill(undefined);
  }

  #start(position: number, end: number): void {
    const memory = this.#takeMemory(Math.min(this.#options.chunkBytes, end - position));
    const attempt = async (): Promise<number> => await this.#file.read(memory, position);
    this.#ahead = { position, memory, filled: attempt().catch(() => -1) };
  }

  #takeMemory(bytes: number): Uint8Array {
    // A batch larger than a chunk is rare: its memory is not kept.
    if (!this.#options.pooled || bytes > this.#options.chunkBytes) return new Uint8Array(bytes);
    let region = this.#regions[this.#turn];
    if (region === undefined || region.bytes.length < bytes) {
      if (region !== undefined) releaseRegion(region);
      region = acquireVisibleRegion(bytes);
      this.#regions[this.#turn] = region;
    }
    return region.bytes.subarray(0, bytes);
  }
}

/** Bytes of the batches that are whole in `piece`, by their length fields alone: what is wrong there is found out later. */
function wholeBatches(piece: Uint8Array): number {
  let at = 0;
  while (at + HEADER_BYTES <= piece.length) {
    const size = batchBytesAt(piece, at);
    if (size < HEADER_BYTES || at + size > piece.length) break;
    at += size;
  }
  return at;
}
