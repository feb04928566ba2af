/**
 * A file on `node:fs`, which Node, Bun and Deno all have.
 *
 * @module
 */
import { close, closeSync, fdatasync, fstatSync, fsync, ftruncate, read, readSync, write, writeSync } from "node:fs";
import process from "node:process";
import { assertPosition, type MaybePromise, type OpenMode, VfsError, type VfsFile } from "../src/vfs.ts";
import { isTransient, vfsError } from "./posix_errors.ts";

/**
 * Up to this size a cached read or write is answered at once. Handing a call to a thread and back takes the
 * calling thread 10–20 µs on every runtime; 64 KiB into the page cache take 14–16 µs (out of it: 3 µs).
 */
export const AT_ONCE_BYTES = 65_536;

/** Direct I/O moves whole pages only. */
const PAGE_BYTES = 4096;

/** One call moves at most this much: beyond it, where the systems cut a call short differs. */
const CALL_BYTES = 64 * 1024 * 1024;

/** So often in a row may a call be interrupted before that counts as a failure. */
const INTERRUPTION_LIMIT = 16;

/** On macOS only `fsync` is a full flush, down to the medium; elsewhere `fdatasync` is, and writes less. */
export function syncCallOf(platform: string): typeof fsync {
  return platform === "darwin" ? fsync : fdatasync;
}

const syncCall = syncCallOf(process.platform);

/** Writes that do not block the calling thread. */
export interface BackgroundWriter {
  /** One system call: answers how many bytes it took. */
  write(from: Uint8Array, position: number): Promise<number>;
  close(): void;
}

/** What {@linkcode PosixFile} is made of. */
export interface PosixFileParts {
  readonly path: string;
  /** Owned by the file from here on. */
  readonly fd: number;
  readonly mode: OpenMode;
  readonly direct: boolean;
  /** Called once, at the first large write. */
  readonly openWriter: (path: string, fd: number) => BackgroundWriter;
}

/** Node and Bun write on a thread of their own through the callback of `fs.write`. */
export function threadPoolWriter(_path: string, fd: number): BackgroundWriter {
  return {
    write: (from, position) => promised((done) => write(fd, from, 0, from.length, position, done)),
    close: () => {},
  };
}

/** The promise of a callback. */
export function promised<T = void>(start: (done: (error: Error | null, value?: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => start((error, value) => error ? reject(error) : resolve(value as T)));
}

/** See {@linkcode VfsFile}. */
export class PosixFile implements VfsFile {
  readonly #parts: PosixFileParts;
  #writer: BackgroundWriter | undefined;
  #closed = false;
  /** Calls that the system still works on: until they are done the descriptor must not name another file. */
  #inFlight = 0;
  #onIdle: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  constructor(parts: PosixFileParts) {
    this.#parts = parts;
  }

  read(into: Uint8Array, position: number): MaybePromise<number> {
    this.#assertRange("read", position, into);
    this.#assertOpen("read");
    const { fd, path, direct } = this.#parts;
    if (direct || into.length > AT_ONCE_BYTES) return this.#readOn(into, position, 0);
    let filled = 0;
    try {
      for (let count = -1; count !== 0 && filled < into.length; filled += count) {
        count = readSync(fd, into, filled, into.length - filled, position + filled);
      }
      return filled;
    } catch (error) {
      if (!isTransient(error)) throw vfsError("read", path, error);
      return this.#readOn(into, position, filled);
    }
  }

  write(from: Uint8Array, position: number): MaybePromise<void> {
    this.#assertRange("write", position, from);
    this.#assertWritable("write");
    const { fd, path, direct } = this.#parts;
    if (direct || from.length > AT_ONCE_BYTES) return this.#writeOn(from, position, 0);
    let written = 0;
    try {
      written = from.length === 0 ? 0 : writeSync(fd, from, 0, from.length, position);
    } catch (error) {
      if (!isTransient(error)) throw vfsError("write", path, error);
    }
    if (written < from.length) return this.#writeOn(from, position, written);
  }

  size(): number {
    this.#assertOpen("read the size of");
    try {
      return fstatSync(this.#parts.fd).size;
    } catch (error) {
      throw vfsError("read the size of", this.#parts.path, error);
    }
  }

  truncate(size: number): Promise<void> {
    assertPosition(size, "truncate");
    this.#assertWritable("truncate");
    return this.#run("truncate", () => promised((done) => ftruncate(this.#parts.fd, size, done)));
  }

  /** Never tried again: a second sync after a failed one succeeds although the data is gone. */
  sync(): Promise<void> {
    this.#assertOpen("sync");
    return this.#run("sync", () => promised((done) => syncCall(this.#parts.fd, done)));
  }

  close(): MaybePromise<void> {
    if (this.#closed) return this.#closing;
    this.#closed = true;
    // Where nothing was left to a thread, closing is no matter for one either: asking it takes twenty times as long.
    if (this.#writer === undefined && this.#inFlight === 0) return this.#closeNow();
    this.#closing = this.#close();
    return this.#closing;
  }

  #closeNow(): void {
    try {
      closeSync(this.#parts.fd);
    } catch (error) {
      throw vfsError("close", this.#parts.path, error);
    }
  }

  async #close(): Promise<void> {
    if (this.#inFlight > 0) await new Promise<void>((resolve) => this.#onIdle = resolve);
    this.#writer?.close();
    try {
      await promised((done) => close(this.#parts.fd, done));
    } catch (error) {
      throw vfsError("close", this.#parts.path, error);
    }
  }

  /** Goes on reading at `filled` until `into` is full or the file ends. */
  #readOn(into: Uint8Array, position: number, filled: number): Promise<number> {
    const { fd, direct } = this.#parts;
    return this.#run("read", async () => {
      while (filled < into.length) {
        const bytes = Math.min(into.length - filled, CALL_BYTES);
        const start = filled;
        const count = await untilDone(() =>
          promised<number>((done) => read(fd, into, start, bytes, position + start, done))
        );
        filled += count;
        // A direct read ends within a page only where the file does; behind it no aligned call is possible.
        if (count === 0 || (direct && count % PAGE_BYTES !== 0)) break;
      }
      return filled;
    });
  }

  /** Goes on writing at `written` until all is done. */
  #writeOn(from: Uint8Array, position: number, written: number): Promise<void> {
    const { path, fd, direct, openWriter } = this.#parts;
    return this.#run("write", async () => {
      this.#writer ??= openWriter(path, fd);
      const writer = this.#writer;
      while (written < from.length) {
        const start = written;
        const count = await untilDone(() => writer.write(from.subarray(start, start + CALL_BYTES), position + start));
        // A direct write that was cut short within a page writes that page again.
        written += direct ? count - count % PAGE_BYTES : count;
        if (written === start) throw new VfsError("IO", `Cannot write ${path}: the system took no byte`, path);
      }
    });
  }

  /** Runs what closing has to wait for. */
  async #run<T>(action: string, start: () => Promise<T>): Promise<T> {
    this.#inFlight++;
    try {
      return await start();
    } catch (error) {
      throw vfsError(action, this.#parts.path, error);
    } finally {
      if (--this.#inFlight === 0) this.#onIdle?.();
    }
  }

  /** Runtimes silently write elsewhere at a bad position; a page that is not whole is refused by the system. */
  #assertRange(action: string, position: number, { byteOffset, length }: Uint8Array): void {
    assertPosition(position, action);
    assertPosition(position + length, action);
    if (this.#parts.direct && [position, length, byteOffset].some((number) => number % PAGE_BYTES !== 0)) {
      throw new RangeError(`Cannot ${action}: direct memory, positions and sizes must be multiples of ${PAGE_BYTES}`);
    }
  }

  /** The number of a closed descriptor may be another file's by now. */
  #assertOpen(action: string): void {
    const { path } = this.#parts;
    if (this.#closed) throw new VfsError("IO", `Cannot ${action} ${path}: it is closed`, path);
  }

  #assertWritable(action: string): void {
    this.#assertOpen(action);
    const { path, mode } = this.#parts;
    if (mode === "read") {
      throw new VfsError("PERMISSION", `Cannot ${action} ${path}: it was opened for reading only`, path);
    }
  }
}

/** Repeats a call that was only interrupted, a bounded number of times. */
async function untilDone(call: () => Promise<number>): Promise<number> {
  for (let interruptions = 1;; interruptions++) {
    try {
      return await call();
    } catch (error) {
      if (!isTransient(error) || interruptions > INTERRUPTION_LIMIT) throw error;
    }
  }
}
