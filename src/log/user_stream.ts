/**
 * The records of one key: found through the user index, and by scanning what it does not cover.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import { asLogError } from "../errors.ts";
import { RecordReader } from "../read/reader.ts";
import type { ShardView } from "../read/shard_view.ts";
import { isDropped, MAX_LOOKS } from "../read/retained.ts";
import { resolveStart } from "../read/start.ts";
import type { LogRecord } from "../read/stored_record.ts";
import { RecordFetcher } from "../users/record_fetcher.ts";
import type { TableRange } from "../users/table_format.ts";
import { type Hits, UserHits } from "../users/user_hits.ts";
import type { UserIndexer } from "../users/user_indexer.ts";
import { UserTables } from "../users/user_tables.ts";
import type { MaybePromise } from "../vfs.ts";
import type { UserReadOptions, UserStream } from "./log_types.ts";

/** So many records are held at once; of more, only where they are. */
const MAX_HELD = 1024;

/** A range of offsets, `to` exclusive. */
interface Bounds {
  readonly from: number;
  readonly to: number;
}

/** Reads with the tables of a shard; they may be shared by all streams of one shard. */
export class IndexedUserStream implements UserStream {
  readonly #view: ShardView;
  readonly #key: Uint8Array;
  readonly #codecs: Codecs;
  readonly #assertOpen: () => void;
  readonly #indexer: UserIndexer | undefined;
  readonly #tables: UserTables;
  readonly #trimOf: () => MaybePromise<number>;

  /**
   * @param indexer Of a shard that this program writes.
   * @param trimOf The user's records below the answer are hidden.
   */
  constructor(
    view: ShardView,
    key: Uint8Array,
    codecs: Codecs,
    assertOpen: () => void,
    indexer: UserIndexer | undefined,
    trimOf: () => MaybePromise<number>,
  ) {
    this.#view = view;
    this.#key = key;
    this.#codecs = codecs;
    this.#assertOpen = assertOpen;
    this.#indexer = indexer;
    this.#tables = tablesOf(view);
    const distrusted = (range: TableRange) => void indexer?.remove(range).catch(() => undefined);
    if (indexer !== undefined) this.#tables.onDistrust = distrusted;
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
    return follow ? this.#follow(options) : this.#read(options);
  }

  async count(): Promise<number> {
    this.#assertOpen();
    try {
      const { from, to } = await this.#bounds({});
      return await this.#user().count(from, to);
    } catch (error) {
      throw asLogError(error, "count a user's records");
    }
  }

  async head(): Promise<LogRecord | undefined> {
    this.#assertOpen();
    for await (const record of this.#read({ last: 1 })) return record;
    return undefined;
  }

  #user(): UserHits {
    const indexer = this.#indexer;
    indexer?.wake();
    return new UserHits(this.#tables, this.#key, this.#codecs, () => indexer?.memory() ?? []);
  }

  async #bounds({ from, before = Infinity }: UserReadOptions): Promise<Bounds> {
    const { publication } = this.#view;
    await publication.refresh();
    if (from !== undefined) await resolveStart(this.#view, from);
    const lowest = Math.max(publication.earliest, await this.#trimOf(), from ?? 0);
    return { from: lowest, to: Math.min(publication.end.nextOffset, before) };
  }

  /** Where the front of the log is dropped before the first record, reading begins behind it; later it fails. */
  async *#read(options: UserReadOptions): AsyncGenerator<LogRecord> {
    for (let left = MAX_LOOKS;; left--) {
      let hasBegun = false;
      try {
        for await (const record of this.#readOnce(options)) {
          hasBegun = true;
          yield record;
        }
        return;
      } catch (error) {
        if (hasBegun || left === 1 || options.from !== undefined || !isDropped(error)) throw error;
      }
    }
  }

  async *#readOnce(options: UserReadOptions): AsyncGenerator<LogRecord> {
    const { last = Infinity, reverse = false, signal } = options;
    signal?.throwIfAborted();
    try {
      if (last === 0) return;
      const bounds = await this.#bounds(options);
      const user = this.#user();
      const fetcher = new RecordFetcher(this.#view, this.#codecs, user);
      try {
        if (reverse) yield* newest(user, fetcher, bounds, last, signal);
        else if (last === Infinity) {
          yield* records(user.hits(bounds.from, bounds.to, false), fetcher, false, signal);
        } else yield* await this.#last(user, fetcher, bounds, last, signal);
      } finally {
        await fetcher.close();
      }
    } catch (error) {
      throw signal?.aborted && error === signal.reason ? error : asLogError(error, "read a user's records");
    }
  }

  /** The newest records, the oldest of them first. Few are held; of many, their offsets, and they are read once more. */
  async #last(
    user: UserHits,
    fetcher: RecordFetcher,
    { from, to }: Bounds,
    last: number,
    signal: AbortSignal | undefined,
  ): Promise<Iterable<LogRecord> | AsyncIterable<LogRecord>> {
    const kept: LogRecord[] = [];
    let left = last;
    let first = to;
    for await (const record of newest(user, fetcher, { from, to }, last, signal)) {
      if (last <= MAX_HELD) kept.push(record);
      first = record.offset;
      left--;
    }
    if (last <= MAX_HELD) return kept.reverse();
    return records(user.hits(left === 0 ? first : from, to, false), fetcher, false, signal);
  }

  #follow(options: UserReadOptions): AsyncIterableIterator<LogRecord> {
    const { signal } = options;
    // What is there now comes through the index, and what follows by reading on behind it.
    let behind = 0;
    const now = async (): Promise<AsyncIterator<LogRecord>> => {
      const { to } = await this.#bounds(options);
      behind = to;
      return this.#read({ ...options, before: to });
    };
    const later = (): AsyncIterator<LogRecord> => {
      const user = this.#user();
      const view = this.#view;
      return new RecordReader([view], { from: behind, follow: true, ...(signal && { signal }) }, this.#codecs, {
        matches: ({ decoder }) => user.matches(decoder.bytes, decoder.keyStart, decoder.keyBytes),
      });
    };
    return new Following(now, later);
  }
}

/** Two readers, one behind the other. Not a generator: `return` ends a step that waits. */
class Following implements AsyncIterableIterator<LogRecord> {
  readonly #now: () => Promise<AsyncIterator<LogRecord>>;
  readonly #later: () => AsyncIterator<LogRecord>;
  #current: AsyncIterator<LogRecord> | undefined = undefined;
  #isLater = false;
  #isDone = false;
  #steps: Promise<unknown> = Promise.resolve();

  constructor(now: () => Promise<AsyncIterator<LogRecord>>, later: () => AsyncIterator<LogRecord>) {
    this.#now = now;
    this.#later = later;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<LogRecord>> {
    const step = this.#steps.then(() => this.#next());
    this.#steps = step.catch(() => undefined);
    return step;
  }

  async return(): Promise<IteratorResult<LogRecord>> {
    this.#isDone = true;
    await this.#current?.return?.();
    await this.#steps;
    return { done: true, value: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  async #next(): Promise<IteratorResult<LogRecord>> {
    if (this.#isDone) return { done: true, value: undefined };
    try {
      this.#current ??= await this.#now();
      const result = await this.#current.next();
      if (result.done !== true || this.#isLater || this.#isDone) return result;
      this.#isLater = true;
      this.#current = this.#later();
      return await this.#current.next();
    } catch (error) {
      this.#isDone = true;
      throw error;
    }
  }
}

async function* records(
  hits: AsyncIterable<Hits>,
  fetcher: RecordFetcher,
  reverse: boolean,
  signal: AbortSignal | undefined,
): AsyncGenerator<LogRecord> {
  for await (const some of hits) {
    signal?.throwIfAborted();
    yield* fetcher.records(some, reverse, signal);
  }
}

async function* newest(
  user: UserHits,
  fetcher: RecordFetcher,
  { from, to }: Bounds,
  last: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<LogRecord> {
  let left = last;
  try {
    for await (const record of records(user.hits(from, to, true), fetcher, true, signal)) {
      yield record;
      if (--left <= 0) return;
    }
  } catch (error) {
    // All that is older was dropped meanwhile.
    if (!isDropped(error)) throw error;
  }
}

const tables = new WeakMap<ShardView, UserTables>();

/** One a shard: what it knows of tables is known to all its streams. */
export function tablesOf(view: ShardView): UserTables {
  let found = tables.get(view);
  if (found === undefined) {
    found = new UserTables(view);
    tables.set(view, found);
  }
  return found;
}
