/**
 * Bytes of a table on their way to its file.
 *
 * @module
 */
import { acquireRegion, type Region, releaseRegion } from "../batch/memory_pool.ts";
import type { VfsFile } from "../vfs.ts";

const FIRST_BUFFER_BYTES: number = 64 * 1024;

/** Rows, one behind the other, in memory of the pool: there checksums are made in place. */
export class TableBuffer {
  #region: Region = acquireRegion(FIRST_BUFFER_BYTES);
  /** The next row goes here. */
  filled = 0;
  /** Where in the file the buffer begins. */
  #position: number;

  /** @param position Where in the file the first row goes. */
  constructor(position: number) {
    this.#position = position;
  }

  /** Where in the file the next row goes. */
  get end(): number {
    return this.#position + this.filled;
  }

  get bytes(): Uint8Array {
    return this.#region.bytes;
  }

  /** Makes room for so many bytes behind those that stand here. */
  reserve(bytes: number): void {
    if (this.filled + bytes <= this.bytes.length) return;
    const larger = acquireRegion(Math.max(this.bytes.length * 2, this.filled + bytes));
    larger.bytes.set(this.bytes.subarray(0, this.filled));
    releaseRegion(this.#region);
    this.#region = larger;
  }

  /** Copies a row to the end and answers where it stands in {@linkcode TableBuffer.bytes}. */
  append(bytes: Uint8Array, at: number, length: number): number {
    this.reserve(length);
    const place = this.filled;
    this.bytes.set(bytes.subarray(at, at + length), place);
    this.filled += length;
    return place;
  }

  /** Hands everything over to the file. */
  async flush(file: VfsFile): Promise<void> {
    if (this.filled === 0) return;
    await file.write(this.bytes.subarray(0, this.filled), this.#position);
    this.#position += this.filled;
    this.filled = 0;
  }

  /** Gives the memory back. No write is in flight, and nothing is done with the buffer any more. */
  release(): void {
    releaseRegion(this.#region);
  }
}
