/**
 * Copies and links files, counts what it did, and stops when it is told to.
 *
 * @module
 */
import { LogError } from "../errors.ts";
import { type Vfs, VfsError, type VfsFile } from "../vfs.ts";
import type { BackupOptions } from "./backup_types.ts";

const PIECE_BYTES = 1024 * 1024;

/** The hands of a backup. */
export class Copier {
  readonly vfs: Vfs;
  readonly #options: BackupOptions;
  readonly #totalBytes: number;
  /** False where links from there to here cannot be made. */
  mayLink: boolean;
  copiedBytes = 0;
  linkedBytes = 0;
  #buffer: Uint8Array | undefined = undefined;

  constructor(vfs: Vfs, mayLink: boolean, totalBytes: number, options: BackupOptions) {
    this.vfs = vfs;
    this.mayLink = mayLink;
    this.#totalBytes = totalBytes;
    this.#options = options;
  }

  /** Gives a file that never changes again a second name, or copies it. */
  async linkOrCopy(from: string, to: string): Promise<void> {
    this.#options.signal?.throwIfAborted();
    if (this.mayLink) {
      try {
        await this.vfs.link!(from, to);
        this.linkedBytes += await sizeOf(this.vfs, to);
        return;
      } catch (error) {
        if (!(error instanceof VfsError) || error.code === "NOT_FOUND" || error.code === "EXISTS") throw error;
        // Too many links, another mount: copying always works.
      }
    }
    await this.copy(from, to);
  }

  /**
   * Copies a file, or its first `bytes`, durably but for its name.
   *
   * @throws {LogError} `CORRUPT_FILE` where it has not so many.
   */
  async copy(from: string, to: string, bytes: number = Infinity): Promise<void> {
    const source = await this.vfs.open(from, "read");
    try {
      const target = await this.vfs.open(to, "create");
      try {
        const copied = await this.#pieces(source, target, bytes);
        if (bytes !== Infinity && copied < bytes) {
          throw new LogError(
            "CORRUPT_FILE",
            `Cannot back up ${from}: it has ${copied} bytes where ${bytes} were published; see bimiplog verify`,
            { file: from, position: copied },
          );
        }
        await target.sync();
      } finally {
        await target.close();
      }
    } finally {
      await source.close();
    }
  }

  async #pieces(source: VfsFile, target: VfsFile, bytes: number): Promise<number> {
    const { signal, onProgress } = this.#options;
    const buffer = this.#buffer ??= new Uint8Array(PIECE_BYTES);
    let position = 0;
    while (position < bytes) {
      signal?.throwIfAborted();
      const read = await source.read(buffer.subarray(0, Math.min(PIECE_BYTES, bytes - position)), position);
      if (read === 0) break;
      await target.write(buffer.subarray(0, read), position);
      position += read;
      this.copiedBytes += read;
      onProgress?.(this.copiedBytes, Math.max(this.#totalBytes, this.copiedBytes));
    }
    return position;
  }
}

/** Size of a file; `NOT_FOUND` where there is none. */
export async function sizeOf(vfs: Vfs, path: string): Promise<number> {
  const file = await vfs.open(path, "read");
  try {
    return await file.size();
  } finally {
    await file.close();
  }
}
