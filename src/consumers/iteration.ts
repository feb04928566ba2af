/**
 * One loop over a consumer.
 *
 * @module
 */
import { asLogError } from "../errors.ts";
import { type LogRecord, StoredRecord } from "../read/stored_record.ts";
import type { ShardCursor } from "../read/shard_cursor.ts";
import type { HeldOptions, HeldShard } from "./held_shard.ts";
import type { CommitEntry, Membership } from "./membership.ts";
import type { ConsumeOptions } from "./types.ts";

/** With more shards than these, one that has nothing more at the moment keeps no file open. */
const MAX_RESTING_FILES = 64;

/** What a loop needs of its consumer. */
export interface IterationParts {
  readonly name: string;
  readonly membership: Membership;
  readonly options: ConsumeOptions;
  readonly held: HeldOptions;
  /** Called by the first step. */
  readonly begin: () => Promise<void>;
  /** The shards that it has now. */
  readonly reconcile: () => readonly HeldShard[];
  readonly commit: (entries: readonly CommitEntry[]) => Promise<void>;
}

/** See above. */
export class Iteration implements AsyncIterableIterator<LogRecord> {
  isRunning = true;
  readonly #parts: IterationParts;
  #begun = false;
  #isEnding = false;
  /** Calls come one after the other. */
  #tail: Promise<unknown> = Promise.resolve();
  #pending = 0;
  #wake: (() => void) | undefined = undefined;
  /** Shards take turns, a batch each. */
  #current: HeldShard | undefined = undefined;
  #last: { held: HeldShard; offset: number } | undefined = undefined;

  constructor(parts: IterationParts) {
    this.#parts = parts;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<LogRecord>> {
    if (this.#pending === 0 && this.isRunning && !this.#parts.options.signal?.aborted) {
      const held = this.#current;
      const cursor = held?.nextInMemory();
      if (cursor !== undefined) return Promise.resolve({ done: false, value: this.#deliver(held!, cursor) });
    }
    return this.#queue(() => this.#nextSlow());
  }

  async return(): Promise<IteratorResult<LogRecord>> {
    this.#isEnding = true;
    this.#wake?.();
    await this.#queue(async () => {
      const wasRunning = this.isRunning;
      this.#finish();
      if (wasRunning && this.#begun) await this.#commitDone(false);
    });
    return { done: true, value: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #queue<T>(call: () => Promise<T>): Promise<T> {
    this.#pending++;
    const task = this.#tail.then(call);
    const done = (): void => void this.#pending--;
    this.#tail = task.then(done, done);
    return task;
  }

  async #nextSlow(): Promise<IteratorResult<LogRecord>> {
    const { options, membership, name } = this.#parts;
    try {
      if (!this.#begun && this.isRunning && !this.#isEnding) {
        options.signal?.throwIfAborted();
        await this.#parts.begin();
        this.#begun = true;
      }
      for (;;) {
        if (!this.isRunning || this.#isEnding) break;
        options.signal?.throwIfAborted();
        await this.#commitDone(true);
        if (membership.isOver) break;
        const record = await this.#advance();
        if (record !== undefined) return { done: false, value: record };
        if (!await this.#waitForMore()) break;
      }
    } catch (error) {
      this.#finish();
      throw options.signal?.aborted && error === options.signal.reason
        ? error
        : asLogError(error, `read for the consumer ${name}`);
    }
    this.#finish();
    return { done: true, value: undefined };
  }

  #deliver(held: HeldShard, cursor: ShardCursor): LogRecord {
    const record = new StoredRecord(held.view.id, cursor.decoder);
    this.#current = held;
    this.#last = { held, offset: record.offset };
    return record;
  }

  /** The next record of the shard whose turn it is. */
  async #advance(): Promise<LogRecord | undefined> {
    const shards = this.#parts.reconcile();
    const first = this.#current === undefined ? 0 : shards.indexOf(this.#current) + 1;
    for (let step = 0; step < shards.length && !this.#isEnding; step++) {
      const held = shards[(first + step) % shards.length];
      if (held.isGone || held.grant.isRevoked) continue;
      const cursor = await held.next(this.#parts.held);
      if (cursor !== undefined) return this.#deliver(held, cursor);
      if (shards.length > MAX_RESTING_FILES) await held.rest();
    }
    return undefined;
  }

  /** With `autoCommit`: commits what the loop has come back from. */
  async #commitDone(isBack: boolean): Promise<void> {
    if (!this.#parts.options.autoCommit || this.#parts.membership.isOver) return;
    const entries: CommitEntry[] = [];
    for (const { grant, position, settled, isGone } of this.#parts.reconcile()) {
      const last = this.#last;
      const next = !isBack && last?.held.grant === grant ? Math.min(position, last.offset) : position;
      if (!isGone && next > settled) entries.push({ shard: grant.shard, grant: grant.id, next });
    }
    if (entries.length > 0) await this.#parts.commit(entries);
  }

  #finish(): void {
    if (!this.isRunning) return;
    this.isRunning = false;
    this.#current = undefined;
    this.#parts.membership.setActive(false);
  }

  /** Waits until there may be something to deliver. False where there will be nothing. */
  async #waitForMore(): Promise<boolean> {
    const { membership, options } = this.#parts;
    const version = membership.version;
    const shards = this.#parts.reconcile();
    for (const { view } of shards) await view.publication.refresh();
    this.#settleQuietly(shards);
    const hasMore = (): boolean => shards.some((held) => held.hasMore);
    if (hasMore() || membership.version !== version) return true;
    if (options.follow === false) return false;
    if (shards.length > 0 && shards.every(({ view }) => view.publication.ended)) return false;
    await new Promise<void>((resolve) => {
      const stops = shards.map(({ view }) => view.publication.onChange(wake));
      stops.push(membership.onChange(wake));
      function wake(): void {
        for (const stop of stops) stop();
        options.signal?.removeEventListener("abort", wake);
        resolve();
      }
      options.signal?.addEventListener("abort", wake, { once: true });
      this.#wake = wake;
      const isOver = this.#isEnding || membership.isOver || options.signal?.aborted;
      if (isOver || hasMore() || membership.version !== version) wake();
    });
    this.#wake = undefined;
    return true;
  }

  /** Stores that offsets without records were passed, so that the lag ends at 0. Nothing depends on it. */
  #settleQuietly(shards: readonly HeldShard[]): void {
    const { committed } = this.#parts.membership;
    const entries = shards
      .filter((held) => !held.isOutstanding && !held.isGone && held.settled > committed[held.view.id])
      .map(({ grant, settled }) => ({ shard: grant.shard, grant: grant.id, next: settled }));
    if (entries.length > 0) this.#parts.commit(entries).catch(() => {});
  }
}
