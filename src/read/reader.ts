/**
 * `log.read`: one shard or all merged, bounded or following.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import { asLogError } from "../errors.ts";
import type { SignalOptions } from "../options.ts";
import type { MaybePromise } from "../vfs.ts";
import { type GapEvent, ShardCursor } from "./shard_cursor.ts";
import type { ShardView } from "./shard_view.ts";
import { type CursorStart, resolveLast, resolveStart, type Start } from "./start.ts";
import { type LogRecord, StoredRecord } from "./stored_record.ts";

/** Options of `log.read`. */
export interface ReadOptions extends SignalOptions {
  /** One shard. Without: all, merged by (timestamp, shard, offset). */
  shard?: number;
  /** Where to begin. @default {"earliest"} */
  from?: Start;
  /** Only the last so many records, counted now; `follow` goes on behind them. */
  last?: number;
  /** At most so many records. */
  limit?: number;
  /** Waits for more at the end instead of ending. Ends when the log is closed. @default {false} */
  follow?: boolean;
  /** What to do at damaged data: throw `CORRUPT_BATCH`, or tell `onGap` and go on behind it. @default {"stop"} */
  onCorrupt?: "stop" | "skip";
  /** Called for every range of offsets that was passed over. */
  onGap?: (gap: GapEvent) => void;
}

/** So often a merging follower looks again at the shards that had nothing more, in records. */
const REJOIN_STEPS = 64;

/** What readers of one user add to the options. */
export interface Narrowing {
  /** Which records count at all. */
  readonly matches: (cursor: ShardCursor) => boolean;
  /** Finds the first offset when the reader takes its first step, instead of `from`. */
  readonly findStart?: () => Promise<number>;
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
  /** Calls of `next` that wait; each waits for the one before it. */
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();
  /** Ends the wait of a follower. */
  #wake: (() => void) | undefined = undefined;
  /** Where each shard ended when the reader was made: that is what "latest" means, not the moment of the first step. */
  readonly #latest: readonly MaybePromise<number>[] | undefined;
  /** Steps since the cursors that had nothing more were asked again. */
  #steps = 0;

  constructor(views: readonly ShardView[], options: ReadOptions, codecs: Codecs, narrowing?: Narrowing) {
    this.#views = views;
    this.#options = options;
    this.#codecs = codecs;
    this.#narrowing = narrowing;
    this.#left = options.limit ?? Infinity;
    this.#latest = options.from === "latest" ? views.map(publishedNow) : undefined;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<LogRecord>> {
    if (this.#waiting === 0) {
      const result = this.#tryNext();
      if (result !== undefined) return Promise.resolve(result);
    }
    const task = this.#waiting === 0 ? this.#nextSlow() : this.#last.then(() => this.#nextSlow());
    this.#waiting++;
    // Counted down before the caller goes on, so that its next call finds the fast path again.
    const counted = task.finally(() => this.#waiting--);
    this.#last = counted.catch(() => {});
    return counted;
  }

  async return(): Promise<IteratorResult<LogRecord>> {
    // Calls of next that are under way end first: they use the files that are closed then.
    this.#done = true;
    this.#wake?.();
    await this.#last;
    await this.#finish();
    return { done: true, value: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** The fast path: one cursor, and its next record is in memory. */
  #tryNext(): IteratorResult<LogRecord> | undefined {
    const cursors = this.#cursors;
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

  async #finish(): Promise<void> {
    this.#done = true;
    this.#standing = [];
    const cursors = this.#cursors ?? [];
    this.#cursors = [];
    for (const cursor of cursors) await cursor.close();
  }

  async #open(): Promise<ShardCursor[]> {
    const { from, last, onCorrupt, onGap } = this.#options;
    const cursors: ShardCursor[] = [];
    let surplus = -(last ?? 0);
    for (const [i, view] of this.#views.entries()) {
      await view.publication.refresh();
      const found = this.#latest === undefined ? await this.#narrowing?.findStart?.() : await this.#latest[i];
      let start: CursorStart = found === undefined ? await resolveStart(view, from ?? "earliest") : { from: found };
      if (last !== undefined) {
        if (start.fromTime !== undefined) start = { from: await this.#firstOffset(view, start) };
        const counted = await resolveLast(view, last);
        if (counted.from >= start.from) {
          start = { from: counted.from };
          surplus += counted.count;
        } else surplus += view.publication.end.nextOffset - start.from;
      }
      const gap = onCorrupt === "skip" ? onGap ?? (() => {}) : undefined;
      cursors.push(new ShardCursor(view, { ...start, codecs: this.#codecs, onGap: gap }));
    }
    this.#skip = Math.max(0, surplus);
    return cursors;
  }

  /** The offset of the first record at or behind `start`; the end where there is none. */
  async #firstOffset(view: ShardView, start: CursorStart): Promise<number> {
    const onGap = this.#options.onCorrupt === "skip" ? () => {} : undefined;
    const cursor = new ShardCursor(view, { ...start, codecs: this.#codecs, onGap });
    try {
      return await cursor.next() ? cursor.decoder.offset : cursor.nextOffset;
    } finally {
      await cursor.close();
    }
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

  /** Waits until something may have been published. False where nothing will be any more. */
  async #waitForMore(): Promise<boolean> {
    const { signal } = this.#options;
    const grew = (): boolean =>
      this.#cursors!.some((cursor) => cursor.nextOffset < cursor.view.publication.end.nextOffset);
    for (const view of this.#views) await view.publication.refresh();
    if (grew()) return true;
    if (this.#views.every((view) => view.publication.ended)) return false;
    await new Promise<void>((resolve) => {
      const stops = this.#views.map((view) => view.publication.onChange(wake));
      function wake(): void {
        for (const stop of stops) stop();
        signal?.removeEventListener("abort", wake);
        resolve();
      }
      signal?.addEventListener("abort", wake, { once: true });
      this.#wake = wake;
      // Both may have happened since they were looked at last, and are not announced again.
      if (this.#done || signal?.aborted) wake();
    });
    this.#wake = undefined;
    return true;
  }
}

/** Where a shard ends at the moment of the call, or nearly so where somebody else writes it. */
function publishedNow(view: ShardView): MaybePromise<number> {
  const refreshed = view.publication.refresh();
  const end = (): number => view.publication.end.nextOffset;
  return refreshed instanceof Promise ? refreshed.then(end) : end();
}

function comesBefore(a: ShardCursor, b: ShardCursor): boolean {
  const difference = a.decoder.timestamp - b.decoder.timestamp;
  return difference !== 0 ? difference < 0 : a.view.id < b.view.id;
}
