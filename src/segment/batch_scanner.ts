/**
 * Steps through the batches of a `.log` with large sequential reads, and checks each.
 *
 * @module
 */
import { batchBytesAt, batchFault, HEADER_BYTES, headerFault } from "../batch/format.ts";
import type { MaybePromise, VfsFile } from "../vfs.ts";

/** Options of {@linkcode BatchScanner}. */
export interface BatchScannerOptions {
  /** Bytes a read asks for. Larger batches are read whole. */
  readonly chunkBytes: number;
  /** True: the memory of the last step is used again. False: what was handed out stays as it is. */
  readonly reuse: boolean;
  /** Where the bytes come from instead, such as one that reads ahead; the other options are its own then. */
  readonly source?: ChunkSource;
}

/** Reads pieces of a `.log` for a scanner. */
export interface ChunkSource {
  /**
   * The bytes from `position` on: at least `needed` unless the file ends before, and none from `end` on. The answer of the call
   * before may be overwritten.
   */
  read(position: number, needed: number, end: number): MaybePromise<Uint8Array>;
}

/** Reading in larger pieces gains nothing measurable. */
export const SCAN_CHUNK_BYTES: number = 1024 * 1024;

/**
 * Reads batches from a position up to an end that the caller knows to be one. It never reads past that end, so what is
 * being written behind it does not matter.
 */
export class BatchScanner {
  /** Holds the current batch from {@linkcode BatchScanner.at}. */
  bytes: Uint8Array = EMPTY;
  /** Where the current batch starts in `bytes`. */
  at = 0;
  /** Where it starts in the file. */
  position: number;
  /** Its size. */
  size = 0;
  /** Why there is no intact batch at `position`; `undefined` while all is well. */
  fault: string | undefined = undefined;
  readonly #file: VfsFile;
  readonly #options: BatchScannerOptions;
  #end: number;
  /** Bytes of `bytes` that were read. */
  #filled = 0;
  /** The file ended before the end the caller named. */
  #exhausted = false;

  constructor(file: VfsFile, position: number, end: number, options: BatchScannerOptions) {
    this.#file = file;
    this.#end = end;
    this.position = position;
    this.#options = options;
  }

  /** Steps to the next batch. False at the end or at a {@linkcode BatchScanner.fault}; the position stays there. */
  next(): MaybePromise<boolean> {
    if (this.fault !== undefined) return false;
    this.position += this.size;
    this.at += this.size;
    this.size = 0;
    if (this.position >= this.#end) return false;
    const needed = this.#missing();
    if (needed !== 0) return this.#fillAndTake(needed);
    return this.#take() ? true : this.#readAgain();
  }

  /** Where it stops. */
  get end(): number {
    return this.#end;
  }

  /** More of the file is known to be good: a scanner that stood at the old end goes on. */
  extend(end: number): void {
    this.#end = end;
    this.#exhausted = false;
  }

  /** Goes on at another position, behind damage. */
  skipTo(position: number): void {
    this.position = position;
    this.at = this.#filled = 0;
    this.size = 0;
    this.fault = undefined;
    this.#exhausted = false;
  }

  /** Bytes to have from `at` before the batch can be judged, where they are not there yet; else 0. */
  #missing(): number {
    const have = this.#filled - this.at;
    if (this.#exhausted) return 0;
    const left = this.#end - this.position;
    if (have < HEADER_BYTES) return Math.min(HEADER_BYTES, left) > have ? Math.min(HEADER_BYTES, left) : 0;
    if (headerFault(this.bytes, this.at, left) !== undefined) return 0;
    const size = batchBytesAt(this.bytes, this.at);
    return size > have ? size : 0;
  }

  async #fillAndTake(needed: number): Promise<boolean> {
    while (needed !== 0) {
      await this.#fill(needed);
      needed = this.#missing();
    }
    return this.#take() ? true : await this.#readAgain();
  }

  /** Judges the batch that is in memory. */
  #take(): boolean {
    const available = Math.min(this.#end - this.position, this.#filled - this.at);
    const fault = batchFault(this.bytes, this.at, available);
    if (fault === undefined) {
      this.size = batchBytesAt(this.bytes, this.at);
      return true;
    }
    this.fault = fault;
    return false;
  }

  /** Reads `needed` bytes from `position` on, or a whole chunk, into the start of the memory. */
  async #fill(needed: number): Promise<void> {
    const { chunkBytes, reuse, source } = this.#options;
    this.at = 0;
    if (source !== undefined) {
      this.bytes = await source.read(this.position, needed, this.#end);
      this.#filled = this.bytes.length;
      this.#exhausted = this.#filled < needed;
      return;
    }
    const size = Math.min(Math.max(needed, chunkBytes), this.#end - this.position);
    const memory = reuse && this.bytes.length >= size ? this.bytes : new Uint8Array(size);
    const read = await this.#file.read(memory.subarray(0, size), this.position);
    this.bytes = memory;
    this.#filled = read;
    this.#exhausted = read < size;
  }

  /** A read may flip a bit once: what looks damaged is read a second time before it is called so. */
  async #readAgain(): Promise<boolean> {
    this.fault = undefined;
    this.#filled = 0;
    this.at = 0;
    this.#exhausted = false;
    let needed = this.#missing();
    while (needed !== 0) {
      await this.#fill(needed);
      needed = this.#missing();
    }
    return this.#take();
  }
}

const EMPTY = new Uint8Array(0);
