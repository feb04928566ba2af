/**
 * The records of one key, found by reading their shard.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import type { ReadOptions } from "../read/read_options.ts";
import { RecordReader } from "../read/reader.ts";
import type { ShardCursor } from "../read/shard_cursor.ts";
import type { ShardView } from "../read/shard_view.ts";
import type { LogRecord } from "../read/stored_record.ts";
import type { MaybePromise } from "../vfs.ts";
import type { UserReadOptions, UserStream } from "./log_types.ts";

/** Reads a shard and keeps what has the key. */
export class ScannedUserStream implements UserStream {
  readonly #view: ShardView;
  readonly #key: Uint8Array;
  readonly #codecs: Codecs;
  readonly #assertOpen: () => void;
  readonly #trimOf: () => MaybePromise<number>;

  /** @param trimOf The user's records below the answer are hidden. */
  constructor(
    view: ShardView,
    key: Uint8Array,
    codecs: Codecs,
    assertOpen: () => void,
    trimOf: () => MaybePromise<number>,
  ) {
    this.#view = view;
    this.#key = key;
    this.#codecs = codecs;
    this.#assertOpen = assertOpen;
    this.#trimOf = trimOf;
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
    if (follow) return this.#follow(options);
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

  #scan(options: ReadOptions, findStart?: () => Promise<number>): AsyncIterableIterator<LogRecord> {
    this.#assertOpen();
    const matches = (cursor: ShardCursor): boolean => this.#matches(cursor);
    return new RecordReader([this.#view], options, this.#codecs, {
      matches,
      findStart: async () => {
        const trim = await this.#trimOf();
        const known = await findStart?.();
        const from = known ?? (options.from as number | undefined);
        const { earliest, end } = this.#view.publication;
        // An offset that is gone is told as such.
        const isSeen = trim <= earliest || (from !== undefined && (from >= trim || from < earliest));
        return isSeen ? known : Math.min(trim, end.nextOffset);
      },
    });
  }

  /** A reader, not a generator: its `return` ends a step that waits. */
  #follow(options: UserReadOptions): AsyncIterableIterator<LogRecord> {
    const { last, from, signal } = options;
    const findStart = async (): Promise<number> => {
      const { end } = this.#view.publication;
      const kept = await this.#newest(options);
      return kept[0]?.offset ?? Math.max(end.nextOffset, from ?? 0);
    };
    return this.#scan(readOptions(from, true, signal), last === undefined ? undefined : findStart);
  }

  async *#forward({ from, before, signal }: UserReadOptions): AsyncGenerator<LogRecord> {
    for await (const record of this.#scan(readOptions(from, false, signal))) {
      if (before !== undefined && record.offset >= before) return;
      yield record;
    }
  }

  async *#bounded(options: UserReadOptions): AsyncGenerator<LogRecord> {
    const kept = await this.#newest(options);
    yield* options.reverse ? kept.reverse() : kept;
  }

  /** The newest records in the bounds, oldest first; no more of them are held than are asked for, nearly. */
  async #newest({ last = Infinity, from, before, signal }: UserReadOptions): Promise<LogRecord[]> {
    let kept: LogRecord[] = [];
    if (last === 0) return kept;
    for await (const record of this.#scan(readOptions(from, false, signal))) {
      if (before !== undefined && record.offset >= before) break;
      kept.push(record);
      if (kept.length >= 2 * last + 1024) kept = kept.slice(-last);
    }
    return kept.slice(-last);
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
