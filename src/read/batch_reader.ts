/**
 * `log.batches`: the verified batches of a shard, or of one shard after the other, bounded or following.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import { asLogError } from "../errors.ts";
import type { MaybePromise } from "../vfs.ts";
import { CallQueue } from "./call_queue.ts";
import { compileFilter, type Predicate } from "./filter.ts";
import { findStarts, latestNow } from "./opening.ts";
import type { ReadOptions } from "./read_options.ts";
import { BoundedCursor, type CursorBounds } from "./record_cursor.ts";
import { ShardBatches } from "./shard_batches.ts";
import type { ShardView } from "./shard_view.ts";
import { type LogBatch, StoredBatch } from "./stored_batch.ts";
import { waitForMore } from "./wait.ts";

/** Bytes one read asks for: the next piece is read while one is visited. */
const CHUNK_BYTES: number = 1024 * 1024;

/** What is still to be left out of the next batch. */
interface Pass {
  readonly batches: ShardBatches;
  /** Exclusive end. */
  readonly before: number;
  fromTime: number | undefined;
  skip: number;
}

/** The iterator behind `log.batches`. */
export class BatchReader implements AsyncIterableIterator<LogBatch> {
  readonly #views: readonly ShardView[];
  readonly #options: ReadOptions;
  readonly #codecs: Codecs;
  readonly #matches: Predicate | undefined;
  #passes: Pass[] | undefined = undefined;
  /** The shard that is read; the others wait for their turn without memory. */
  #turn = 0;
  #left: number;
  #done = false;
  #current: StoredBatch | undefined = undefined;
  readonly #calls = new CallQueue();
  /** Ends the wait of a follower. */
  #wake: (() => void) | undefined = undefined;
  readonly #latest: readonly MaybePromise<number>[] | undefined;

  constructor(views: readonly ShardView[], options: ReadOptions, codecs: Codecs) {
    this.#views = views;
    this.#options = options;
    this.#codecs = codecs;
    this.#matches = compileFilter(options.where);
    this.#left = options.limit ?? Infinity;
    this.#latest = latestNow(views, options);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<LogBatch>> {
    let begun: MaybePromise<boolean> | undefined;
    if (this.#calls.isIdle && !this.#done && this.#left > 0 && !this.#options.signal?.aborted) {
      const pass = this.#passes?.[this.#turn];
      if (pass !== undefined && pass.batches.reached < pass.before) {
        // The fast path: the next batch is in memory.
        this.#leave();
        begun = pass.batches.next();
        if (begun === true && this.#isWhole(pass)) return Promise.resolve({ done: false, value: this.#take(pass)! });
      }
    }
    return this.#calls.run(() => this.#next(begun));
  }

  async return(): Promise<IteratorResult<LogBatch>> {
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

  /** Goes on with the step of the current shard that was begun, if one was. */
  async #next(begun: MaybePromise<boolean> | undefined): Promise<IteratorResult<LogBatch>> {
    this.#leave();
    try {
      while (!this.#done && this.#left > 0) {
        this.#options.signal?.throwIfAborted();
        this.#passes ??= await this.#open();
        const value = await this.#step(this.#passes, begun);
        if (value !== undefined) return { done: false, value };
        begun = undefined;
        if (this.#isGivenUp()) continue;
        if (!this.#options.follow || !await this.#waitForMore(this.#passes)) break;
      }
    } catch (error) {
      await this.#finish();
      const { signal } = this.#options;
      throw signal?.aborted && error === signal.reason ? error : asLogError(error, "read the log");
    }
    await this.#finish();
    return { done: true, value: undefined };
  }

  /** The next wanted batch of the shard whose turn it is, or of one behind it; `undefined` once all have had their turn. */
  async #step(passes: readonly Pass[], begun: MaybePromise<boolean> | undefined): Promise<StoredBatch | undefined> {
    for (; this.#turn < passes.length; this.#turn++) {
      const pass = passes[this.#turn];
      for (;;) {
        if (begun === undefined && pass.batches.reached >= pass.before) break;
        const step = begun ?? pass.batches.next();
        begun = undefined;
        if (!(step instanceof Promise ? await step : step)) break;
        const batch = this.#take(pass);
        if (batch !== undefined) return batch;
        if (this.#isGivenUp()) return undefined;
      }
      await pass.batches.rest();
    }
    this.#turn = 0;
    return undefined;
  }

  /** Somebody wants it to end, and a step that takes long must not keep them waiting. */
  #isGivenUp(): boolean {
    return this.#done || this.#options.signal?.aborted === true;
  }

  #leave(): void {
    this.#current?.leave();
    this.#current = undefined;
  }

  /** Every record of the batch that a pass stands on is wanted. */
  #isWhole({ batches, before, fromTime, skip }: Pass): boolean {
    const { header, nextOffset } = batches;
    if (this.#matches !== undefined || header.lastOffset >= before) return false;
    return nextOffset <= header.baseOffset && fromTime === undefined && skip === 0 && header.count <= this.#left;
  }

  /** The batch that a pass stands on, bounded to what is wanted of it; `undefined` where that is nothing. */
  #take(pass: Pass): StoredBatch | undefined {
    const { batches, before, fromTime, skip } = pass;
    let found = batches.header.count;
    let bounds: CursorBounds | undefined;
    if (!this.#isWhole(pass)) {
      if (fromTime !== undefined && batches.header.maxTimestamp < fromTime) return undefined;
      bounds = { from: batches.nextOffset, before, matches: this.#matches, fromTime, skip, limit: this.#left };
      found = this.#count(batches, bounds);
      if (found > 0) pass.fromTime = undefined;
      pass.skip = Math.max(0, skip - found);
      if (found <= skip) return undefined;
    }
    this.#left -= Math.min(found - skip, this.#left);
    return this.#current = new StoredBatch(batches, bounds, this.#codecs);
  }

  /** Records that are wanted of the batch, if none of them is skipped and there is no limit. */
  #count(batches: ShardBatches, bounds: CursorBounds): number {
    const { header, bytes, at } = batches;
    const isConsecutive = header.count === header.lastOffset - header.baseOffset + 1;
    if (isConsecutive && bounds.fromTime === undefined && bounds.matches === undefined) {
      return Math.max(0, Math.min(header.lastOffset + 1, bounds.before) - Math.max(header.baseOffset, bounds.from));
    }
    let isDecodable = true;
    const unlimited = { ...bounds, skip: 0, limit: Infinity };
    const cursor = new BoundedCursor(bytes, at, this.#codecs, unlimited, () => isDecodable = false);
    let count = 0;
    while (cursor.next()) count++;
    // A batch that cannot be decoded is handed out: its cursor says so.
    return isDecodable ? count : header.count;
  }

  async #finish(): Promise<void> {
    this.#done = true;
    this.#leave();
    const passes = this.#passes ?? [];
    this.#passes = [];
    for (const { batches } of passes) await batches.close();
  }

  async #open(): Promise<Pass[]> {
    const { onCorrupt, onGap, isolation } = this.#options;
    const known = (i: number): MaybePromise<number> | undefined => this.#latest?.[i];
    const { starts, ends, surplus } = await findStarts(this.#views, this.#options, {
      codecs: this.#codecs,
      known,
      matches: this.#matches,
      isGivenUp: () => this.#isGivenUp(),
    });
    const gap = onCorrupt === "skip" ? onGap ?? (() => {}) : undefined;
    return this.#views.map((view, i) => {
      const { from, fromTime, floats = false } = starts[i];
      const batches = new ShardBatches(view, {
        from,
        floats,
        onGap: gap,
        isolation,
        chunkBytes: CHUNK_BYTES,
        pooled: true,
      });
      return { batches, before: ends[i], fromTime, skip: surplus };
    });
  }

  #waitForMore(passes: readonly Pass[]): Promise<boolean> {
    return waitForMore(this.#views, {
      signal: this.#options.signal,
      hasMore: () => passes.some(({ batches }) => batches.nextOffset < batches.view.publication.end.nextOffset),
      isOver: () => this.#done,
      onWait: (wake) => this.#wake = wake,
    });
  }
}
