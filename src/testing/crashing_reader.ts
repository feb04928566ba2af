/**
 * A reader that ends with its machine.
 *
 * @module
 */
import type { UserReadOptions, UserStream } from "../log/log_types.ts";
import type { LogRecord } from "../read/stored_record.ts";
import type { Life } from "./life.ts";

/** Passes items on while the machine lives. A follower then rejects: it must not look as if the log had been closed. */
export class CrashingReader<T> implements AsyncIterableIterator<T> {
  readonly #reader: AsyncIterableIterator<T>;
  readonly #life: Life;

  constructor(reader: AsyncIterableIterator<T>, life: Life) {
    this.#reader = reader;
    this.#life = life;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T>> {
    return this.#life.guard(() => this.#reader.next());
  }

  async return(): Promise<IteratorResult<T>> {
    if (this.#life.error === undefined) await this.#life.guard(async () => await this.#reader.return?.());
    return { done: true, value: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}

/** The records of one key, while the machine lives. */
export class CrashingUserStream implements UserStream {
  readonly #stream: UserStream;
  readonly #life: Life;

  constructor(stream: UserStream, life: Life) {
    this.#stream = stream;
    this.#life = life;
  }

  read(options?: UserReadOptions): AsyncIterableIterator<LogRecord> {
    this.#life.assertAlive();
    return new CrashingReader(this.#stream.read(options), this.#life);
  }

  count(): Promise<number> {
    return this.#life.guard(() => this.#stream.count());
  }

  head(): Promise<LogRecord | undefined> {
    return this.#life.guard(() => this.#stream.head());
  }
}
