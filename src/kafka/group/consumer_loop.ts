/**
 * One loop over a consumer of a cluster.
 *
 * @module
 */
import type { ConsumeOptions } from "../../consumers/types.ts";
import { LogError } from "../../errors.ts";
import type { LogRecord } from "../../read/stored_record.ts";
import type { GroupCommit } from "./group_member.ts";
import type { HeldPartition } from "./held_partition.ts";

/** What a loop needs of its consumer. */
export interface LoopParts {
  readonly options: ConsumeOptions;
  /** The consumer or its log is closed. */
  readonly isOver: () => boolean;
  /** Called by the first step. */
  readonly begin: () => Promise<void>;
  /** Joins the next generation. */
  readonly join: () => Promise<void>;
  readonly needsJoin: () => boolean;
  /** What it has now. */
  readonly held: () => readonly HeldPartition[];
  readonly commit: (entries: readonly GroupCommit[]) => Promise<void>;
  readonly asError: (error: unknown) => unknown;
}

/** See above. Calls come one after the other. */
export class ConsumerLoop implements AsyncIterableIterator<LogRecord> {
  isRunning = true;
  readonly #parts: LoopParts;
  #begun = false;
  #isEnding = false;
  #tail: Promise<unknown> = Promise.resolve();
  /** Ends a wait. */
  #wake: () => void = () => {};
  /** Partitions take turns, a batch each. */
  #current: HeldPartition | undefined = undefined;
  #last: { readonly held: HeldPartition; readonly offset: number } | undefined = undefined;

  constructor(parts: LoopParts) {
    this.#parts = parts;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<LogRecord>> {
    return this.#queue(() => this.#next());
  }

  async return(): Promise<IteratorResult<LogRecord>> {
    this.#isEnding = true;
    this.wake();
    await this.#queue(async () => {
      const wasRunning = this.isRunning;
      this.isRunning = false;
      if (wasRunning && this.#begun && !this.#parts.isOver()) await this.#commitDone(false);
    });
    return { done: true, value: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** Something has changed that it may be waiting for. */
  wake(): void {
    this.#wake();
  }

  #queue<T>(call: () => Promise<T>): Promise<T> {
    const task = this.#tail.then(call);
    this.#tail = task.catch(() => {});
    return task;
  }

  async #next(): Promise<IteratorResult<LogRecord>> {
    const { options: { signal }, asError, isOver } = this.#parts;
    try {
      signal?.throwIfAborted();
      if (this.isRunning && !this.#begun && !this.#isEnding) {
        await this.#untilAborted(this.#parts.begin());
        this.#begun = true;
      }
      while (this.isRunning && !this.#isEnding && !isOver()) {
        signal?.throwIfAborted();
        const record = await this.#step();
        if (record === "end") break;
        if (record !== undefined) return { done: false, value: record };
      }
    } catch (error) {
      this.isRunning = false;
      // A log that is closed ends its followers.
      if (!isOver()) throw asError(error);
    }
    this.isRunning = false;
    return { done: true, value: undefined };
  }

  async #step(): Promise<LogRecord | "end" | undefined> {
    const { needsJoin, join, options: { follow = true } } = this.#parts;
    const more = this.#take(this.#current);
    if (more !== undefined) return more;
    await this.#commitDone(true);
    if (needsJoin()) await this.#untilAborted(join());
    const held = this.#parts.held();
    const first = this.#current === undefined ? 0 : held.indexOf(this.#current) + 1;
    for (let step = 0; step < held.length; step++) {
      const record = this.#take(held[(first + step) % held.length]);
      if (record !== undefined) return record;
    }
    if (!follow) {
      const left = await Promise.all(held.map((one) => one.hasMore()));
      if (!left.includes(true)) return "end";
    }
    await this.#wait(held);
    return undefined;
  }

  #take(held: HeldPartition | undefined): LogRecord | undefined {
    if (held === undefined || !this.#parts.held().includes(held)) return undefined;
    const record = held.take();
    if (record === undefined) return undefined;
    this.#current = held;
    this.#last = { held, offset: record.offset };
    return record;
  }

  /** Until one of them has something, or somebody wakes the loop. */
  #wait(held: readonly HeldPartition[]): Promise<void> {
    const { options: { signal }, isOver, needsJoin } = this.#parts;
    return new Promise((resolve) => {
      const wake = (): void => {
        signal?.removeEventListener("abort", wake);
        this.#wake = () => {};
        resolve();
      };
      this.#wake = wake;
      signal?.addEventListener("abort", wake, { once: true });
      for (const one of held) void one.fetch().then(wake);
      if (this.#isEnding || isOver() || needsJoin() || signal?.aborted) wake();
    });
  }

  /** The task, or nothing where the loop ends meanwhile: the task itself goes on. */
  async #untilAborted(task: Promise<void>): Promise<void> {
    task.catch(() => {});
    const { options: { signal }, isOver } = this.#parts;
    let stop = (): void => {};
    const ended = new Promise<void>((resolve) => {
      stop = () => {
        if (this.#isEnding || isOver() || signal?.aborted) resolve();
      };
      this.#wake = stop;
      signal?.addEventListener("abort", stop, { once: true });
      stop();
    });
    await Promise.race([task, ended]);
    signal?.removeEventListener("abort", stop);
    this.#wake = () => {};
    signal?.throwIfAborted();
  }

  /** With `autoCommit`: commits what the loop has come back from. */
  async #commitDone(isBack: boolean): Promise<void> {
    if (!this.#parts.options.autoCommit) return;
    const entries: GroupCommit[] = [];
    for (const held of this.#parts.held()) {
      const next = !isBack && this.#last?.held === held ? Math.min(held.position, this.#last.offset) : held.position;
      if (next > held.settled) entries.push({ grant: held.grant, next });
    }
    try {
      if (entries.length > 0) await this.#parts.commit(entries);
    } catch (error) {
      // Another member has them by now, and gets these records again: nothing to stop for.
      if (!(error instanceof LogError && error.code === "CONFLICT")) throw error;
    }
  }
}
