/**
 * A record with its message.
 *
 * @module
 */
import { LogError } from "../errors.ts";
import type { TypedRecord } from "../log/typed_records.ts";
import type { LogRecord } from "../read/stored_record.ts";
import type { Codec } from "./codec.ts";

/** Stands for a message that nobody has asked for. */
const UNDECODED: unique symbol = Symbol("undecoded");

/** Passes everything on to the record, and decodes its value when asked. */
export class DecodingRecord<T> implements TypedRecord<T> {
  readonly shard: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly #record: LogRecord;
  readonly #codec: Codec<T, never>;
  #message: T | null | typeof UNDECODED = UNDECODED;

  constructor(record: LogRecord, codec: Codec<T, never>) {
    this.shard = record.shard;
    this.offset = record.offset;
    this.timestamp = record.timestamp;
    this.#record = record;
    this.#codec = codec;
  }

  get message(): T | null {
    if (this.#message === UNDECODED) {
      const { value } = this.#record;
      this.#message = value === null ? null : this.#decode(value);
    }
    return this.#message;
  }

  get key(): Uint8Array | null {
    return this.#record.key;
  }

  get value(): Uint8Array | null {
    return this.#record.value;
  }

  get headers(): readonly (readonly [string, Uint8Array | null])[] {
    return this.#record.headers;
  }

  text(): string | null {
    return this.#record.text();
  }

  keyText(): string | null {
    return this.#record.keyText();
  }

  json<J = unknown>(): J {
    return this.#record.json<J>();
  }

  #decode(value: Uint8Array): T {
    try {
      return this.#codec.decode(value);
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      const place = `the message at offset ${this.offset} of shard ${this.shard}`;
      throw new LogError("UNSUPPORTED", `Cannot decode ${place}: ${why}; its bytes are in value`, {
        shard: this.shard,
        range: [this.offset, this.offset],
        cause,
      });
    }
  }
}

/** A reader whose records have messages. */
export class DecodingReader<T> implements AsyncIterableIterator<TypedRecord<T>> {
  readonly #records: AsyncIterableIterator<LogRecord>;
  readonly #codec: Codec<T, never>;

  constructor(records: AsyncIterableIterator<LogRecord>, codec: Codec<T, never>) {
    this.#records = records;
    this.#codec = codec;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<TypedRecord<T>>> {
    const step = await this.#records.next();
    return step.done ? step : { done: false, value: new DecodingRecord(step.value, this.#codec) };
  }

  async return(): Promise<IteratorResult<TypedRecord<T>>> {
    await this.#records.return?.();
    return { done: true, value: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}
