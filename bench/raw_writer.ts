/**
 * The floor of writing: bytes go to a file in large writes through the same adapter, two buffers in turn.
 *
 * @module
 */
import type { Vfs, VfsFile } from "../src/vfs.ts";

/** Size of one write, in bytes: what a flush of the log writes at full load. */
export const WRITE_BYTES: number = 1024 * 1024;

/** Writes buffers one behind the other; while one is written the other is filled. */
export class RawWriter {
  readonly #file: VfsFile;
  readonly #buffers = [new Uint8Array(WRITE_BYTES), new Uint8Array(WRITE_BYTES)];
  #current = 0;
  #position = 0;
  #pending: Promise<void> | void = undefined;

  private constructor(file: VfsFile) {
    this.#file = file;
  }

  static async create(vfs: Vfs, path: string): Promise<RawWriter> {
    return new RawWriter(await vfs.open(path, "create"));
  }

  /** The buffer to fill. */
  get buffer(): Uint8Array {
    return this.#buffers[this.#current];
  }

  /** Writes the first `bytes` of the buffer, once the write before is done, and hands out the other. */
  async submit(bytes: number): Promise<void> {
    if (this.#pending !== undefined) await this.#pending;
    this.#pending = this.#file.write(this.buffer.subarray(0, bytes), this.#position);
    this.#position += bytes;
    this.#current = 1 - this.#current;
  }

  /** Waits for the last write and frees the file. */
  async close(): Promise<void> {
    if (this.#pending !== undefined) await this.#pending;
    await this.#file.close();
  }
}
