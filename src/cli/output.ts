/**
 * Writing to stdout and stderr: buffered, and never faster than whoever reads takes it.
 *
 * @module
 */
import { errorName } from "../../adapters/posix_errors.ts";
import { ClosedPipeError } from "./exit_codes.ts";

/** The part of `process.stdout` that all runtimes have alike. */
export interface ByteStream {
  write(bytes: Uint8Array, done: (error?: Error | null) => void): boolean;
  on(event: "error", listener: (error: Error) => void): unknown;
}

const BUFFER_BYTES = 64 * 1024;
const encoder = new TextEncoder();

/** A buffered stream of bytes. Methods answer a promise only when the buffer was full. */
export class Output {
  readonly #stream: ByteStream;
  readonly #name: string;
  /** With a delay: what stands in the buffer goes out by itself after so many milliseconds. */
  autoFlushMs: number | undefined = undefined;
  #buffer: Uint8Array = new Uint8Array(BUFFER_BYTES);
  #spare: Uint8Array | undefined = new Uint8Array(BUFFER_BYTES);
  #filled = 0;
  #writing: Promise<void> = Promise.resolve();
  #timer: ReturnType<typeof setTimeout> | undefined = undefined;

  constructor(stream: ByteStream, name: string) {
    this.#stream = stream;
    this.#name = name;
    // Each write has a callback that gets its failure; without a listener the event would end the process.
    stream.on("error", () => {});
  }

  /** Adds bytes; they are copied. */
  bytes(bytes: Uint8Array): void | Promise<void> {
    if (bytes.length > this.#buffer.length - this.#filled) return this.#overflow(bytes);
    this.#buffer.set(bytes, this.#filled);
    this.#filled += bytes.length;
    this.#arm();
  }

  /** Adds bytes and a line end. */
  line(bytes: Uint8Array): void | Promise<void> {
    if (bytes.length >= this.#buffer.length - this.#filled) return this.#overflow(bytes, true);
    this.#buffer.set(bytes, this.#filled);
    this.#filled += bytes.length;
    this.#buffer[this.#filled++] = 10;
    this.#arm();
  }

  /** Adds text, as UTF-8. */
  text(text: string): void | Promise<void> {
    if (text.length * 3 > this.#buffer.length - this.#filled) return this.#overflow(encoder.encode(text));
    this.#filled += encoder.encodeInto(text, this.#buffer.subarray(this.#filled)).written;
    this.#arm();
  }

  /** Resolves once everything added so far has left the process. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#filled === 0) return this.#writing;
    const full = this.#buffer;
    const bytes = full.subarray(0, this.#filled);
    this.#buffer = this.#spare ?? new Uint8Array(BUFFER_BYTES);
    this.#spare = undefined;
    this.#filled = 0;
    return this.#enqueue(bytes).then(() => {
      this.#spare = full;
    });
  }

  async #overflow(bytes: Uint8Array, newline: boolean = false): Promise<void> {
    await this.flush();
    if (bytes.length < this.#buffer.length) await (newline ? this.line(bytes) : this.bytes(bytes));
    else {
      await this.#enqueue(bytes);
      if (newline) await this.bytes(new Uint8Array([10]));
    }
  }

  #enqueue(bytes: Uint8Array): Promise<void> {
    const task = this.#writing.then(() => this.#write(bytes));
    this.#writing = task;
    // Whoever flushes next gets the failure; nobody may be waiting at the moment.
    task.catch(() => {});
    return task;
  }

  #write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (error?: Error | null): void => error ? reject(this.#failure(error)) : resolve();
      try {
        this.#stream.write(bytes, settle);
      } catch (error) {
        settle(error as Error);
      }
    });
  }

  #failure(error: Error): Error {
    const { code } = error as { code?: unknown };
    if (errorName(error) === "EPIPE" || code === "ERR_STREAM_DESTROYED" || code === "ERR_STREAM_WRITE_AFTER_END") {
      return new ClosedPipeError(`Cannot write to ${this.#name}: its reader is gone`);
    }
    return new Error(`Cannot write to ${this.#name}: ${error.message}`, { cause: error });
  }

  #arm(): void {
    if (this.autoFlushMs === undefined || this.#timer !== undefined || this.#filled === 0) return;
    this.#timer = setTimeout(() => void this.flush().catch(() => {}), this.autoFlushMs);
  }
}
