/**
 * `log.read`: one shard or all merged, bounded or following.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import { asLogError } from "../errors.ts";
import type { MaybePromise } from "../vfs.ts";
import { BackwardCursor } from "./backward_cursor.ts";
import type { BlockCache } from "./block_cache.ts";
import { CallQueue } from "./call_queue.ts";
import { compileFilter, type Predicate } from "./filter.ts";
import { Merge } from "./merge.ts";
import { findStarts, latestNow } from "./opening.ts";
import type { ReadOptions } from "./read_options.ts";
import type { RecordSource } from "./record_source.ts";
import type { GapEvent } from "./shard_batches.ts";
import { ShardCursor } from "./shard_cursor.ts";
import type { ShardView } from "./shard_view.ts";
import { type LogRecord, StoredRecord } from "./stored_record.ts";
import { waitForMore } from "./wait.ts";

/** A reader of at most so many records from an offset on is served from the cache of blocks. */
const FEW_RECORDS = 64;

/** What readers of one user add to the options. */
export interface Narrowing {
  /** Which records count at all. */
  readonly matches: (cursor: ShardCursor) => boolean;
  /** Finds the first offset when the reader takes its first step, instead of `from`. */
  readonly findStart?: () => Promise<number | undefined>;
}

/** The iterator behind `log.read`. */
export class RecordReader implements AsyncIterableIterator<LogRecord> {
  readonly #views: readonly ShardView[];
  readonly #options: ReadOptions;
  readonly #codecs: Codecs;
  readonly #narrowing: Narrowing | undefined;
  readonly #matches: Predicate | undefined;
  #cursors: readonly RecordSource[] | undefined = undefined;
  /** Where there is more than one. */
  #merge: Merge<RecordSource> | undefined = undefined;
  /** Surplus records of a merged `last`. */
  #skip = 0;
  #left: number;
  #done = false;
  readonly #calls = new CallQueue();
  /** Ends the wait of a follower. */
  #wake: (() => void) | undefined = undefined;
  readonly #latest: readonly MaybePromise<number>[] | undefined;

  /** Serves few records from memory, until the first step has tried it. */
  #blocks: BlockCache | undefined;
  /** What it served, the next one last. */
  #served: StoredRecord[] = [];

  constructor(
    views: readonly ShardView[],
    options: ReadOptions,
    codecs: Codecs,
    narrowing?: Narrowing,
    blocks?: BlockCache,
  ) {
    this.#views = views;
    this.#options = options;
    this.#codecs = codecs;
    this.#narrowing = narrowing;
    this.#matches = compileFilter(options.where);
    const { limit = Infinity, last, before, reverse, follow, isolation } = options;
    const isFew = limit > 0 && limit <= FEW_RECORDS && last === undefined && before === undefined;
    const isPlain = follow !== true && reverse !== true && this.#matches === undefined && narrowing === undefined &&
      isolation !== "committed";
    this.#blocks = isFew && isPlain && views.length === 1 ? blocks : undefined;
    this.#left = reverse ? Math.min(limit, last ?? Infinity) : limit;
    this.#latest = latestNow(views, options);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<LogRecord>> {
    if (this.#calls.isIdle) {
      const result = this.#tryNext();
      if (result !== undefined) return Promise.resolve(result);
    }
    return this.#calls.run(() => this.#nextSlow());
  }

  async return(): Promise<IteratorResult<LogRecord>> {
    // Calls of next that are under way end first: they use the files that are closed then.
    this.#done = true;
    this.#wake?.();
    await this.#calls.ended();
    await this.#finish();
    return { done: true, value: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** The fast path: one cursor, and its next record is in memory. */
  #tryNext(): IteratorResult<LogRecord> | undefined {
    const cursors = this.#cursors;
    if (this.#served.length > 0) return this.#serve();
    if (this.#done || cursors === undefined || cursors.length !== 1 || this.#left <= 0) return;
    if (this.#narrowing !== undefined || this.#skip > 0 || this.#options.signal?.aborted) return;
    const cursor = cursors[0];
    if (!cursor.nextInMemory()) return;
    this.#left--;
    return { done: false, value: new StoredRecord(cursor.view.id, cursor.decoder) };
  }

  async #nextSlow(): Promise<IteratorResult<LogRecord>> {
    try {
      for (;;) {
        if (this.#done || this.#left <= 0) break;
        this.#options.signal?.throwIfAborted();
        if (this.#blocks !== undefined && await this.#tryBlocks(this.#blocks)) return this.#serve();
        this.#cursors ??= await this.#open();
        const cursor = await this.#advance();
        if (cursor !== undefined) {
          const record = new StoredRecord(cursor.view.id, cursor.decoder);
          if (this.#skip > 0) this.#skip--;
          else if (this.#narrowing === undefined || this.#narrowing.matches(cursor as ShardCursor)) {
            this.#left--;
            return { done: false, value: record };
          }
        } else if (this.#isGivenUp()) continue;
        else if (!this.#options.follow || !await this.#waitForMore()) break;
      }
    } catch (error) {
      await this.#finish();
      const { signal } = this.#options;
      throw signal?.aborted && error === signal.reason ? error : asLogError(error, "read the log");
    }
    await this.#finish();
    return { done: true, value: undefined };
  }

  /** Asks for all records at once, where they may be in one piece of a file: then no file is opened. */
  async #tryBlocks(blocks: BlockCache): Promise<boolean> {
    this.#blocks = undefined;
    const { from } = this.#options;
    const view = this.#views[0];
    const offset = Array.isArray(from) ? from[view.id] : from;
    if (!Number.isSafeInteger(offset)) return false;
    const read = blocks.read(view, offset as number, this.#left);
    const records = read instanceof Promise ? await read : read;
    if (records === undefined || records.length < this.#left || this.#done) return false;
    this.#served = records.reverse();
    return true;
  }

  #serve(): IteratorResult<LogRecord> {
    this.#left--;
    return { done: false, value: this.#served.pop()! };
  }

  async #finish(): Promise<void> {
    this.#done = true;
    this.#served = [];
    const cursors = this.#cursors ?? [];
    this.#cursors = [];
    this.#merge = undefined;
    for (const cursor of cursors) await cursor.close();
  }

  async #open(): Promise<readonly RecordSource[]> {
    const { onCorrupt, onGap, isolation, reverse = false, follow = false } = this.#options;
    const known = (i: number): MaybePromise<number | undefined> => this.#latest?.[i] ?? this.#narrowing?.findStart?.();
    const shared = { codecs: this.#codecs, matches: this.#matches, isGivenUp: () => this.#isGivenUp() };
    const { starts, ends, surplus } = await findStarts(this.#views, this.#options, { ...shared, known });
    this.#skip = surplus;
    const makeSource = (i: number, gap: ((gap: GapEvent) => void) | undefined): RecordSource => {
      const options = { ...shared, ...starts[i], before: ends[i], isolation, onGap: gap };
      return reverse ? new BackwardCursor(this.#views[i], options) : new ShardCursor(this.#views[i], options);
    };
    const gap = onCorrupt === "skip" ? onGap ?? (() => {}) : undefined;
    if (this.#views.length === 1) return [makeSource(0, gap)];
    let sources: RecordSource[] = [];
    this.#merge = new Merge((damaged) => sources = this.#views.map((_, i) => makeSource(i, gap ?? damaged)), {
      reverse,
      follow,
    });
    return sources;
  }

  /** The cursor with the next record in merged order, of what is published now. */
  async #advance(): Promise<RecordSource | undefined> {
    if (this.#merge !== undefined) return await this.#merge.next();
    const [cursor] = this.#cursors!;
    const step = cursor.next();
    return (step instanceof Promise ? await step : step) ? cursor : undefined;
  }

  /** Somebody wants it to end, and a step that takes long must not keep them waiting. */
  #isGivenUp(): boolean {
    return this.#done || this.#options.signal?.aborted === true;
  }

  #waitForMore(): Promise<boolean> {
    return waitForMore(this.#views, {
      signal: this.#options.signal,
      hasMore: () => this.#cursors!.some((cursor) => cursor.hasMore()),
      isOver: () => this.#done,
      onWait: (wake) => this.#wake = wake,
    });
  }
}
