/**
 * The records of one key, found by reading their shard.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import { type ReadOptions, RecordReader } from "../read/reader.ts";
import type { ShardCursor } from "../read/shard_cursor.ts";
import type { ShardView } from "../read/shard_view.ts";
import type { LogRecord } from "../read/stored_record.ts";
import type { UserReadOptions, UserStream } from "./log_types.ts";

/** Reads a shard and keeps what has the key. */
export class ScannedUserStream implements UserStream {
  readonly #view: ShardView;
  readonly #key: Uint8Array;
  readonly #codecs: Codecs;
  readonly #assertOpen: () => void;

  constructor(view: ShardView, key: Uint8Array, codecs: Codecs, assertOpen: () => void) {
    this.#view = view;
    this.#key = key;
    this.#codecs = codecs;
    this.#assertOpen = assertOpen;
  }

  read(options: UserReadOptions = {}): AsyncIterableIterator<LogRecord> {
    this.#assertOpen();
    const { last, before, reverse, follow } = options;
    if (follow && (reverse || before !== undefined)) {
      throw new TypeError("Cannot follow a user: follow does not go with reverse or before");
    }
    if (last !== undefined && (!Number.isSafeInteger(last) || last < 0)) {
      throw new RangeError(`Cannot read: last must be a whole number from 0, not ${String(last)}`);
    }
    return last === undefined && !reverse ? this.#forward(options) : this.#bounded(options);
  }

  async count(): Promise<number> {
    let count = 0;
    for await (const _ of this.#scan({})) count++;
    return count;
  }

  async head(): Promise<LogRecord | undefined> {
    let head: LogRecord | undefined;
    for await (const record of this.#scan({})) head = record;
    return head;
  }

  #scan(options: ReadOptions): AsyncIterableIterator<LogRecord> {
    this.#assertOpen();
    return new RecordReader([this.#view], options, this.#codecs, (cursor) => this.#matches(cursor));
  }

  async *#forward({ from, before, follow, signal }: UserReadOptions): AsyncGenerator<LogRecord> {
    for await (const record of this.#scan(readOptions(from, follow ?? false, signal))) {
      if (before !== undefined && record.offset >= before) return;
      yield record;
    }
  }

  /** Remembers as many records as are asked for, at most, and hands them out at the end. */
  async *#bounded(
    { last = Infinity, from, before, reverse, follow, signal }: UserReadOptions,
  ): AsyncGenerator<LogRecord> {
    let kept: LogRecord[] = [];
    let next = this.#view.publication.end.nextOffset;
    for await (const record of this.#scan(readOptions(from, false, signal))) {
      if (before !== undefined && record.offset >= before) break;
      kept.push(record);
      if (kept.length >= 2 * last + 1024) kept = kept.slice(-last);
      next = Math.max(next, record.offset + 1);
    }
    kept = last === 0 ? [] : kept.slice(-last);
    yield* reverse ? kept.reverse() : kept;
    if (follow) yield* this.#scan(readOptions(next, true, signal));
  }

  #matches(cursor: ShardCursor): boolean {
    const { bytes, keyStart, keyBytes } = cursor.decoder;
    if (keyBytes !== this.#key.length) return false;
    for (let i = 0; i < keyBytes; i++) if (bytes[keyStart + i] !== this.#key[i]) return false;
    return true;
  }
}

function readOptions(from: number | undefined, follow: boolean, signal: AbortSignal | undefined): ReadOptions {
  return { follow, ...(from === undefined ? {} : { from }), ...(signal === undefined ? {} : { signal }) };
}
