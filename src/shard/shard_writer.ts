/**
 * A shard that takes records: its buffer, its triggers, its acknowledgements, and the loop that commits.
 *
 * @module
 */
import { PreparedRecord, type RecordInput } from "../batch/record_input.ts";
import { validateBlob } from "../batch/validate.ts";
import { asLogError, type LogError } from "../errors.ts";
import type { Limits, Rung, SignalOptions } from "../options.ts";
import type { Clock } from "../vfs.ts";
import { AppendBuffer, type Budget, type Chunk } from "./append_buffer.ts";
import type { Committer } from "./committer.ts";
import { closedError, noOffsetsError, poisonedError, tooLargeError, writeError } from "./refusals.ts";
import { BACKPRESSURE, type Shard, type ShardState } from "./shard_types.ts";
import { OffsetWaiters } from "./waiters.ts";

/** What a shard needs of its log. */
export interface ShardContext {
  readonly id: number;
  readonly earliest: number;
  readonly epoch: number;
  readonly limits: Limits;
  readonly durability: Rung;
  readonly clock: Clock;
  readonly budget: Budget;
  /** Asks the log's one timer to call {@linkcode ShardWriter.requestFlush} in time. */
  readonly armTimer: (shard: ShardWriter) => void;
  /** The log's whole budget is used: every shard should flush. */
  readonly overBudget: () => void;
  readonly onError: (error: LogError) => void;
}

/** The one implementation of {@linkcode Shard} that writes. */
export class ShardWriter implements Shard {
  readonly id: number;
  readonly earliest: number;
  readonly #context: ShardContext;
  readonly #limits: Limits;
  readonly #committer: Committer;
  readonly #buffer: AppendBuffer;
  readonly #record: PreparedRecord = new PreparedRecord();
  readonly #writtenWaiters = new OffsetWaiters();
  readonly #syncedWaiters = new OffsetWaiters();
  /** They wait for no offset, so they all wait for 0. */
  #roomWaiters = new OffsetWaiters();
  /** Called after every commit and when the shard stops. */
  readonly #listeners = new Set<() => void>();
  #state: ShardState = "open";
  /** Set: nothing is taken any more, and this is why. What was taken before goes on while the state is open. */
  #refusal: LogError | undefined = undefined;
  #running = false;
  #loop: Promise<void> = Promise.resolve();
  /** Exclusive ends that a flush and a sync were asked for. */
  #flushTarget: number;
  #syncTarget: number;
  #recordsSinceFlush = 0;
  #bytesSinceFlush = 0;
  /** The log's timer knows of this shard. */
  timerArmed = false;
  #closing: Promise<void> | undefined = undefined;

  constructor(context: ShardContext, committer: Committer) {
    this.id = context.id;
    this.earliest = context.earliest;
    this.#context = context;
    this.#limits = context.limits;
    this.#committer = committer;
    const next = committer.written.nextOffset;
    this.#flushTarget = next;
    this.#syncTarget = committer.synced.nextOffset;
    this.#buffer = new AppendBuffer(next, context.epoch, context.limits.batchBytes, context.limits.flushBytes, context.budget);
  }

  get nextOffset(): number {
    return this.#buffer.nextOffset;
  }

  get written(): number {
    return this.#committer.written.nextOffset;
  }

  get synced(): number {
    return this.#committer.synced.nextOffset;
  }

  get state(): ShardState {
    return this.#state;
  }

  /** Where published data ends. */
  get end(): Committer["written"] {
    return this.#committer.written;
  }

  /** Batches finished so far: a keyless producer changes shards when it moves. */
  get batches(): number {
    return this.#buffer.batches;
  }

  tryAppend(record: RecordInput): number | typeof BACKPRESSURE {
    if (this.#refusal !== undefined) throw this.#refusal;
    const buffer = this.#buffer;
    this.#record.prepare(record, this.#context.clock.now());
    const cost = buffer.cost(this.#record);
    if (!this.#hasRoom(cost)) return BACKPRESSURE;
    if (buffer.nextOffset >= Number.MAX_SAFE_INTEGER) throw noOffsetsError(this.id);
    const offset = buffer.append(this.#record);
    this.#taken(1, cost);
    return offset;
  }

  tryAppendBatch(batch: Uint8Array): number | typeof BACKPRESSURE {
    if (this.#refusal !== undefined) throw this.#refusal;
    if (!(batch instanceof Uint8Array)) throw new TypeError("Cannot append a batch: it must be a Uint8Array");
    if (!this.#hasRoom(batch.length)) return BACKPRESSURE;
    const offsets = validateBlob(batch);
    if (this.#buffer.nextOffset + offsets > Number.MAX_SAFE_INTEGER) throw noOffsetsError(this.id);
    const base = this.#buffer.appendBlob(batch, offsets);
    this.#taken(offsets, batch.length);
    return base;
  }

  async writable(options: SignalOptions = {}): Promise<void> {
    if (this.#refusal !== undefined) throw this.#refusal;
    if (this.#isWritable()) return;
    this.#nudge();
    await this.#roomWaiters.wait(0, options.signal);
  }

  async acknowledged(offset: number, rung: Rung = this.#context.durability, options: SignalOptions = {}): Promise<void> {
    if (!Number.isSafeInteger(offset) || offset < 0 || offset >= this.nextOffset) {
      throw new RangeError(`Cannot wait for offset ${String(offset)}: shard ${this.id} has handed out 0 to ${this.nextOffset - 1}`);
    }
    await this.#reached(offset + 1, rung, options.signal);
  }

  async flush(rung: Rung = this.#context.durability): Promise<number> {
    if (this.#refusal !== undefined) throw this.#refusal;
    this.requestFlush();
    await this.#reached(this.nextOffset, rung);
    return rung === "disk" ? this.synced : this.written;
  }

  /** Seals what is open and lets the loop write everything taken so far. */
  requestFlush(): void {
    if (this.#state !== "open") return;
    this.#recordsSinceFlush = 0;
    this.#bytesSinceFlush = 0;
    this.#buffer.seal();
    this.#record.release();
    this.#flushTarget = this.#buffer.nextOffset;
    if (this.#context.durability === "disk") this.#syncTarget = this.#flushTarget;
    this.#kick();
  }

  /** Calls `listener` after every commit and when the shard stops, until the answer is called. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Flushes, syncs, marks the shard clean. A poisoned shard only frees its files. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#refusal === undefined) {
      const closed = closedError(this.id);
      // Nothing is taken from here on, while what was taken is still written.
      this.#refusal = closed;
      try {
        this.requestFlush();
        this.#syncTarget = this.nextOffset;
        this.#kick();
        await this.#loop;
        if (this.#state === "open") {
          if (this.#committer.needsClose) await this.#committer.close();
          this.#stop("closed", closed);
        }
      } catch (error) {
        this.#stop("closed", closed);
        throw asLogError(error, `close shard ${this.id}`, { shard: this.id });
      } finally {
        await this.#committer.free();
      }
      if (this.#state === "poisoned") throw this.#refusal;
    }
    await this.#committer.free();
  }

  #hasRoom(cost: number): boolean {
    const { maxBufferPerShard, maxBufferBytes } = this.#limits;
    const limit = Math.min(maxBufferPerShard, maxBufferBytes);
    if (cost > limit) throw tooLargeError(this.id, cost, limit);
    const budget = this.#context.budget;
    if (this.#buffer.bytes + cost <= maxBufferPerShard && budget.used + cost <= budget.max) return true;
    this.#nudge();
    return false;
  }

  /** Below half of either limit; or nothing of this shard's own to wait for. */
  #isWritable(): boolean {
    if (this.#buffer.bytes * 2 >= this.#limits.maxBufferPerShard) return false;
    const budget = this.#context.budget;
    return budget.used * 2 < budget.max || (this.#buffer.bytes === 0 && budget.used < budget.max);
  }

  /** Makes sure that what fills the buffer is on its way. */
  #nudge(): void {
    if (!this.#running) this.requestFlush();
    if (this.#context.budget.used * 2 >= this.#context.budget.max) this.#context.overBudget();
  }

  #taken(records: number, bytes: number): void {
    this.#recordsSinceFlush += records;
    this.#bytesSinceFlush += bytes;
    if (this.#recordsSinceFlush >= this.#limits.stride || this.#bytesSinceFlush >= this.#limits.flushBytes) this.requestFlush();
    else if (!this.timerArmed) this.#context.armTimer(this);
  }

  /** Waits for an exclusive end on a rung. */
  async #reached(end: number, rung: Rung, signal?: AbortSignal): Promise<void> {
    if (rung === "disk") {
      if (this.synced >= end) return;
      if (this.#refusal !== undefined) throw this.#refusal;
      if (end > this.#syncTarget) this.#syncTarget = end;
      this.#kick();
      return await this.#syncedWaiters.wait(end, signal);
    }
    if (this.written >= end) return;
    if (this.#refusal !== undefined) throw this.#refusal;
    await this.#writtenWaiters.wait(end, signal);
  }

  #kick(): void {
    if (this.#running || this.#state !== "open") return;
    this.#running = true;
    this.#loop = this.#run();
  }

  /** Commits and syncs until nothing asked for is left. Never rejects: a failure poisons the shard. */
  async #run(): Promise<void> {
    let chunk: Chunk | undefined;
    try {
      for (;;) {
        if (this.written < this.#flushTarget) {
          chunk = this.#buffer.take();
          if (chunk === undefined) throw new Error(`the buffer is empty at ${this.written}, not at ${this.#flushTarget}`);
          await this.#committer.commit(chunk, this.#published);
          this.#buffer.release(chunk);
          chunk = undefined;
          if (this.#isWritable()) this.#roomWaiters.reach(0);
        }
        // A sync between two writes, not after all of them: its waiters do not wait for those who came later.
        if (this.synced < this.#syncTarget && this.synced < this.written) {
          await this.#committer.begin();
          await this.#committer.sync();
          this.#syncedWaiters.reach(this.synced);
        } else if (this.written >= this.#flushTarget) break;
      }
      this.#running = false;
    } catch (error) {
      this.#running = false;
      if (chunk !== undefined) this.#buffer.release(chunk);
      this.#poison(error);
    }
  }

  readonly #published = (): void => {
    this.#writtenWaiters.reach(this.written);
    this.#wake();
  };

  #wake(): void {
    for (const listener of this.#listeners) listener();
  }

  #poison(cause: unknown): void {
    const failure = writeError(this.id, cause);
    this.#stop("poisoned", failure, poisonedError(this.id, failure, this.written, this.nextOffset));
    try {
      this.#context.onError(failure);
    } catch {
      // A callback's own failure is not the log's.
    }
  }

  /** Ends the shard's working life: `now` is what waiting callers get, `later` what later ones get. */
  #stop(state: "poisoned" | "closed", now: LogError, later: LogError = now): void {
    this.#state = state;
    this.#refusal = later;
    this.#buffer.discard();
    this.#record.release();
    for (const waiters of [this.#writtenWaiters, this.#syncedWaiters, this.#roomWaiters]) waiters.fail(now);
    this.#wake();
  }
}
