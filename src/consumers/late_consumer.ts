/**
 * A consumer whose code is loaded with its first use.
 *
 * @module
 */
import { LogError } from "../errors.ts";
import type { LogRecord } from "../read/stored_record.ts";
import type { ClampEvent, Consumer, ConsumerLag } from "./types.ts";

/** See above: it is there at once, so that connecting need not wait. */
export class LateConsumer implements Consumer {
  readonly name: string;
  readonly #load: () => Promise<Consumer>;
  /** It was never loaded, and will not be. */
  readonly #onUnused: () => void;
  #consumer: Consumer | undefined = undefined;
  #loading: Promise<Consumer> | undefined = undefined;
  #loop: LateLoop | undefined = undefined;
  #closing: Promise<void> | undefined = undefined;

  constructor(name: string, load: () => Promise<Consumer>, onUnused: () => void) {
    this.name = name;
    this.#load = load;
    this.#onUnused = onUnused;
  }

  get position(): ReadonlyMap<number, number> {
    return this.#consumer?.position ?? new Map();
  }

  get committed(): ReadonlyMap<number, number> {
    return this.#consumer?.committed ?? new Map();
  }

  get report(): readonly ClampEvent[] {
    return this.#consumer?.report ?? [];
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<LogRecord> {
    if (this.#loop?.isWaiting) {
      throw new TypeError(`Cannot iterate the consumer ${this.name}: a loop over it is running; end that one`);
    }
    if (this.#consumer !== undefined) return this.#consumer[Symbol.asyncIterator]();
    if (this.#closing !== undefined) throw this.#closedError();
    this.#loop = new LateLoop(() => this.#loaded());
    return this.#loop;
  }

  async commit(place?: { readonly shard: number; readonly offset: number }): Promise<void> {
    await (await this.#loaded()).commit(place);
  }

  async lag(): Promise<ConsumerLag> {
    return await (await this.#loaded()).lag();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    if (this.#loading === undefined) return this.#onUnused();
    await (await this.#loading).close();
  }

  #loaded(): Promise<Consumer> {
    if (this.#loading === undefined && this.#closing !== undefined) return Promise.reject(this.#closedError());
    this.#loading ??= this.#load().then((consumer) => this.#consumer = consumer);
    return this.#loading;
  }

  #closedError(): LogError {
    return new LogError("CLOSED", `Cannot use the consumer ${this.name}: it is closed; make a new handle for it`);
  }
}

/** A loop that begins once the consumer is there. */
class LateLoop implements AsyncIterableIterator<LogRecord> {
  /** It has neither begun nor ended. */
  isWaiting = true;
  readonly #loaded: () => Promise<Consumer>;
  #loop: AsyncIterableIterator<LogRecord> | undefined = undefined;

  constructor(loaded: () => Promise<Consumer>) {
    this.#loaded = loaded;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<LogRecord>> {
    try {
      const consumer = await this.#loaded();
      if (this.isWaiting) this.#loop = consumer[Symbol.asyncIterator]();
    } finally {
      this.isWaiting = false;
    }
    return await this.#loop?.next() ?? { done: true, value: undefined };
  }

  async return(): Promise<IteratorResult<LogRecord>> {
    this.isWaiting = false;
    return await this.#loop?.return?.() ?? { done: true, value: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}
