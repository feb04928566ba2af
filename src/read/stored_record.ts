/**
 * A record as it is read back.
 *
 * @module
 */
import { readHeaders, type RecordDecoder } from "../batch/record_decoder.ts";

/** One record of a log. Its bytes stay valid as long as they are held. */
export interface LogRecord {
  /** Number of its shard. */
  readonly shard: number;
  /** Its number in the shard. */
  readonly offset: number;
  /** Milliseconds since 1970; -1 where a foreign writer stored none. */
  readonly timestamp: number;
  /** Null: it has none. */
  readonly key: Uint8Array | null;
  /** Null: a tombstone. */
  readonly value: Uint8Array | null;
  /** In the order they were given; a name may stand more than once. */
  readonly headers: readonly (readonly [string, Uint8Array | null])[];
  /** The value as UTF-8 text. */
  text(): string | null;
  /** The key as UTF-8 text. */
  keyText(): string | null;
  /**
   * The value as JSON; null where the value is null.
   *
   * @throws {SyntaxError} where it is none.
   */
  json<T = unknown>(): T;
}

/** A leading byte order mark is part of the text: without this option it would be dropped. */
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** Refers to the bytes it was read with and cuts pieces out only when asked. */
export class StoredRecord implements LogRecord {
  readonly shard: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly #bytes: Uint8Array;
  readonly #keyStart: number;
  readonly #keyBytes: number;
  readonly #valueStart: number;
  readonly #valueBytes: number;
  readonly #headersStart: number;
  readonly #headersCount: number;
  readonly #end: number;

  constructor(shard: number, decoder: RecordDecoder) {
    this.shard = shard;
    this.offset = decoder.offset;
    this.timestamp = decoder.timestamp;
    this.#bytes = decoder.bytes;
    this.#keyStart = decoder.keyStart;
    this.#keyBytes = decoder.keyBytes;
    this.#valueStart = decoder.valueStart;
    this.#valueBytes = decoder.valueBytes;
    this.#headersStart = decoder.headersStart;
    this.#headersCount = decoder.headersCount;
    this.#end = decoder.end;
  }

  get key(): Uint8Array | null {
    return this.#keyBytes < 0 ? null : this.#bytes.subarray(this.#keyStart, this.#keyStart + this.#keyBytes);
  }

  get value(): Uint8Array | null {
    return this.#valueBytes < 0 ? null : this.#bytes.subarray(this.#valueStart, this.#valueStart + this.#valueBytes);
  }

  get headers(): readonly (readonly [string, Uint8Array | null])[] {
    return readHeaders(this.#bytes, this.#headersStart, this.#end, this.#headersCount);
  }

  text(): string | null {
    const value = this.value;
    return value === null ? null : utf8.decode(value);
  }

  keyText(): string | null {
    const key = this.key;
    return key === null ? null : utf8.decode(key);
  }

  json<T = unknown>(): T {
    return JSON.parse(this.text() ?? "null") as T;
  }
}
