/**
 * `log.read`: one shard or all merged, bounded or following.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import { asLogError } from "../errors.ts";
import type { MaybePromise } from "../vfs.ts";
import type { BlockCache } from "./block_cache.ts";
import { CallQueue } from "./call_queue.ts";
import { findStarts, latestNow } from "./opening.ts";
import type { ReadOptions } from "./read_options.ts";
import { ShardCursor } from "./shard_cursor.ts";
import type { ShardView } from "./shard_view.ts";
import { type LogRecord, StoredRecord } from "./stored_record.ts";
import { waitForMore } from "./wait.ts";

/** A reader of at most so many records from an offset on is served from the cache of blocks. */
const FEW_RECORDS = 64;

/** So often a merging follower looks again at the shards that had nothing more, in records. */
const REJOIN_STEPS = 64;

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
  #cursors: ShardCursor[] | undefined = undefined;
  /** Cursors that stand on a record, the next one to hand out last. */
  #standing: ShardCursor[] = [];
  /** Surplus records of a merged `last`. */
  #skip = 0;
  #left: number;
  #done = false;
  readonly #calls = new CallQueue();
  /** Ends the wait of a follower. */
  #wake: (() => void) | undefined = undefined;
  readonly #latest: readonly MaybePromise<number>[] | undefined;
  /** Steps since the cursors that had nothing more were asked again. */
  #steps = 0;

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
    const { limit = Infinity, last, follow } = options;
    const isFew = limit > 0 && limit <= FEW_RECORDS && last === undefined && follow !== true;
    this.#blocks = isFew && views.length === 1 && narrowing === undefined ? blocks : undefined;
    this.#left = options.limit ?? Infinity;
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
          else if (this.#narrowing === undefined || this.#narrowing.matches(cursor)) {
            this.#left--;
            return { done: false, value: record };
          }
        } else if (!this.#options.follow || !await this.#waitForMore()) break;
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
    this.#standing = [];
    const cursors = this.#cursors ?? [];
    this.#cursors = [];
    for (const cursor of cursors) await cursor.close();
  }

  async #open(): Promise<ShardCursor[]> {
    const { onCorrupt, onGap } = this.#options;
    const known = (i: number): MaybePromise<number | undefined> => this.#latest?.[i] ?? this.#narrowing?.findStart?.();
    const { starts, surplus } = await findStarts(this.#views, this.#options, this.#codecs, known);
    this.#skip = surplus;
    const gap = onCorrupt === "skip" ? onGap ?? (() => {}) : undefined;
    return this.#views.map((view, i) => new ShardCursor(view, { ...starts[i], codecs: this.#codecs, onGap: gap }));
  }

  /** The cursor with the next record in (timestamp, shard, offset) order, of what is published now. */
  async #advance(): Promise<ShardCursor | undefined> {
    const cursors = this.#cursors!;
    if (cursors.length === 1) return await cursors[0].next() ? cursors[0] : undefined;
    const standing = this.#standing;
    if (standing.length === 0) {
      for (const cursor of cursors) {
        if (await cursor.next()) this.#insert(cursor);
      }
    } else {
      const cursor = standing.pop()!;
      const step: MaybePromise<boolean> = cursor.next();
      if (step instanceof Promise ? await step : step) this.#insert(cursor);
      if (this.#options.follow && standing.length < cursors.length && ++this.#steps % REJOIN_STEPS === 0) {
        await this.#rejoin();
      }
    }
    return standing[standing.length - 1];
  }

  /** A shard that had nothing more may have something now; a busy one must not keep it waiting. */
  async #rejoin(): Promise<void> {
    for (const cursor of this.#cursors!) {
      const hasMore = cursor.nextOffset < cursor.view.publication.end.nextOffset;
      if (hasMore && !this.#standing.includes(cursor) && await cursor.next()) this.#insert(cursor);
    }
  }

  #insert(cursor: ShardCursor): void {
    const standing = this.#standing;
    let at = standing.length;
    while (at > 0 && comesBefore(standing[at - 1], cursor)) at--;
    standing.splice(at, 0, cursor);
  }

  #waitForMore(): Promise<boolean> {
    return waitForMore(this.#views, {
      signal: this.#options.signal,
      hasMore: () => this.#cursors!.some((cursor) => cursor.nextOffset < cursor.view.publication.end.nextOffset),
      isOver: () => this.#done,
      onWait: (wake) => this.#wake = wake,
    });
  }
}

function comesBefore(a: ShardCursor, b: ShardCursor): boolean {
  const difference = a.decoder.timestamp - b.decoder.timestamp;
  return difference !== 0 ? difference < 0 : a.view.id < b.view.id;
}
