/**
 * A shard that takes records: its buffer, its triggers, its acknowledgements.
 *
 * @module
 */
import { HEADER_BYTES } from "../batch/format.ts";
import { plainKey, plainValue, PreparedRecord, type RecordInput } from "../batch/record_input.ts";
import { validateBlobHeader } from "../batch/validate.ts";
import { asLogError, type LogError } from "../errors.ts";
import type { Rung, SignalOptions } from "../options.ts";
import type { SegmentKeeper } from "../retention/segment_keeper.ts";
import { Announcements } from "./announcements.ts";
import { AppendBuffer } from "./append_buffer.ts";
import { CommitLoop } from "./commit_loop.ts";
import type { Committer } from "./committer.ts";
import type { Flushable, ShardContext } from "./shard_context.ts";
import { closedError, noOffsetsError, notHandedOutError, poisonedError, writeError } from "./refusals.ts";
import { ShardSharing, type SharingContext } from "./shard_sharing.ts";
import { BACKPRESSURE, type Shard, type ShardState } from "./shard_types.ts";
import { Room } from "./room.ts";
import { Triggers } from "./triggers.ts";
import { Trimming } from "./trimming.ts";
import { WriteQueue } from "./write_queue.ts";

/** The one implementation of {@linkcode Shard} that writes. */
export class ShardWriter implements Shard, Flushable {
  readonly id: number;
  readonly #context: ShardContext;
  readonly #triggers: Triggers;
  readonly #committer: Committer;
  readonly #buffer: AppendBuffer;
  readonly #record: PreparedRecord = new PreparedRecord();
  readonly #waiting = new Announcements();
  readonly #room: Room;
  readonly #loop: CommitLoop;
  readonly #trimming: Trimming;
  #state: ShardState = "open";
  /** Set: nothing is taken any more, and this is why. What was taken before goes on while the state is open. */
  #refusal: LogError | undefined = undefined;
  /** The same, or why nothing is taken for the moment: what an append asks. */
  #barrier: LogError | undefined = undefined;
  /** The log's timer knows of this shard. */
  timerArmed = false;
  #closing: Promise<void> | undefined = undefined;

  constructor(context: ShardContext, committer: Committer) {
    this.id = context.id;
    this.#context = context;
    this.#triggers = new Triggers(context.limits);
    this.#committer = committer;
    const { nextOffset, position } = committer.written;
    const { batchBytes, flushBytes, maxBufferPerShard } = context.limits;
    this.#buffer = new AppendBuffer(nextOffset, position, context.epoch, batchBytes, flushBytes, context.budget);
    this.#room = new Room(this.id, this.#buffer, context.budget, maxBufferPerShard, () => this.#nudge());
    const queue = new WriteQueue(this.#buffer, committer, flushBytes);
    const failed = (error: unknown): void => this.#poison(error);
    this.#loop = new CommitLoop(this, failed, committer, queue, this.#room, this.#waiting);
    this.#trimming = new Trimming(this, context, committer, this.#loop);
    this.onChange(this.keeper.committed);
  }

  get earliest(): number {
    return this.#committer.state.logStart;
  }

  /** Drops what lies below the log start, and what retention does not keep. */
  get keeper(): SegmentKeeper {
    return this.#trimming.keeper;
  }

  get nextOffset(): number {
    return this.#buffer.end;
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
    const plain = plainValue(record);
    if (plain === undefined) return this.#tryAppend(record);
    // A shard that refuses has no lane.
    const offset = this.#buffer.appendPlain(plainKey(record), plain, this.#context.clock.now());
    if (offset !== -1) return offset;
    const slower = this.#tryAppend(record);
    if (slower !== BACKPRESSURE) this.#buffer.openLane(Math.min(this.#room.left, this.#triggers.left));
    return slower;
  }

  #tryAppend(record: RecordInput): number | typeof BACKPRESSURE {
    if (this.#barrier !== undefined) throw this.#barrier;
    const buffer = this.#buffer;
    buffer.lane.close(this.#triggers);
    this.#record.prepare(record, this.#context.clock);
    const bytes = buffer.measure(this.#record);
    if (!this.#room.has(bytes + HEADER_BYTES)) return BACKPRESSURE;
    if (buffer.nextOffset >= Number.MAX_SAFE_INTEGER) throw noOffsetsError(this.id);
    const offset = buffer.append(this.#record, bytes);
    this.#taken(1, bytes);
    return offset;
  }

  tryAppendBatch(batch: Uint8Array): number | typeof BACKPRESSURE {
    if (this.#barrier !== undefined) throw this.#barrier;
    const offsets = validateBlobHeader(batch);
    this.#buffer.lane.close(this.#triggers);
    if (!this.#room.has(batch.length)) return BACKPRESSURE;
    if (this.#buffer.nextOffset + offsets > Number.MAX_SAFE_INTEGER) throw noOffsetsError(this.id);
    const base = this.#buffer.appendBlob(batch);
    this.#taken(offsets, batch.length);
    return base;
  }

  async writable(options: SignalOptions = {}): Promise<void> {
    if (this.#refusal !== undefined) throw this.#refusal;
    this.#buffer.lane.close(this.#triggers);
    if (this.#room.isWritable) return;
    this.#nudge();
    await this.#room.wait(options.signal);
  }

  async acknowledged(
    offset: number,
    rung: Rung = this.#context.durability,
    options: SignalOptions = {},
  ): Promise<void> {
    if (!Number.isSafeInteger(offset) || offset < 0 || offset >= this.nextOffset) {
      throw notHandedOutError(this.id, offset, this.nextOffset);
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
    this.#buffer.lane.close(this.#triggers);
    this.#triggers.reset();
    if (this.timerArmed) this.#context.disarmTimer(this);
    this.#buffer.seal();
    this.#record.release();
    this.#loop.flushTarget = this.#buffer.sealedEnd;
    if (this.#context.durability === "disk") this.#loop.syncTarget = this.#loop.flushTarget;
    this.#kick();
  }

  /** Lets producers in other threads append beside this one. */
  share(context: SharingContext): ShardSharing {
    if (this.#refusal !== undefined) throw this.#refusal;
    return this.#waiting.sharing ??= new ShardSharing(this.#context, this.#buffer, this.synced, context, this.collect);
  }

  /** Looks for what producers have published, and writes it. */
  readonly collect = (): void => {
    const { sharing } = this.#waiting;
    if (this.#state !== "open" || sharing === undefined) return;
    this.#loop.flushTarget = Math.max(this.#loop.flushTarget, sharing.collect());
    this.#loop.syncTarget = Math.max(this.#loop.syncTarget, sharing.syncWanted);
    if (this.written < this.#loop.flushTarget || this.synced < this.#loop.syncTarget) this.#kick();
  };

  trimBefore(offset: number): Promise<number> {
    return this.#trimming.before(offset);
  }

  /** Hides a user's records below `offset`. */
  trimUser(key: Uint8Array, offset: number): Promise<void> {
    return this.#trimming.user(key, offset);
  }

  /** Calls `listener` after every commit and when the shard stops, until the answer is called. */
  onChange(listener: () => void): () => void {
    return this.#waiting.onChange(listener);
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
      this.#refusal = this.#barrier = closed;
      try {
        await this.keeper.stop();
        this.requestFlush();
        await this.#waiting.sharing?.close();
        this.requestFlush();
        this.#loop.syncTarget = this.nextOffset;
        this.#kick();
        await this.#loop.done;
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
    await this.#loop.done;
    await this.#committer.free();
  }

  /** Takes nothing for the moment and says why, or takes records again. What was taken is written. */
  refuse(error: LogError | undefined): void {
    this.#barrier = this.#refusal ?? error;
    this.#buffer.lane.close(this.#triggers);
    this.#room.pause(error !== undefined);
  }

  /** Makes sure that what fills the buffer is on its way. */
  #nudge(): void {
    if (!this.#loop.isRunning) this.requestFlush();
    if (this.#room.isLogFull) this.#context.overBudget();
  }

  #taken(records: number, bytes: number): void {
    if (this.#triggers.taken(records, bytes)) this.requestFlush();
    else if (!this.timerArmed) this.#context.armTimer(this);
  }

  /** Waits for an exclusive end on a rung. */
  async #reached(end: number, rung: Rung, signal?: AbortSignal): Promise<void> {
    if ((rung === "disk" ? this.synced : this.written) >= end) return;
    if (this.#refusal !== undefined) throw this.#refusal;
    if (rung === "disk") {
      if (end > this.#loop.syncTarget) this.#loop.syncTarget = end;
      this.#kick();
    }
    await this.#waiting.wait(end, rung, signal);
  }

  #kick(): void {
    if (this.#state === "open") this.#loop.kick();
  }

  /** Why nothing may be begun any more. */
  get refusal(): LogError | undefined {
    return this.#refusal;
  }

  failed(cause: unknown): void {
    if (this.#state === "open") this.#poison(cause);
  }

  #poison(cause: unknown): void {
    const failure = writeError(this.id, cause);
    const firstLost = this.#context.durability === "disk" ? this.synced : this.written;
    this.#stop("poisoned", failure, poisonedError(this.id, failure, firstLost, this.nextOffset));
    try {
      this.#context.onError(failure);
    } catch {
      // A callback's own failure is not the log's.
    }
  }

  /** Ends the shard's working life: `now` is what waiting callers get, `later` what later ones get. */
  #stop(state: "poisoned" | "closed", now: LogError, later: LogError = now): void {
    this.#state = state;
    this.#refusal = this.#barrier = later;
    this.#buffer.discard();
    this.#record.release();
    this.#waiting.stop({ now, later });
    this.#room.fail(now);
  }
}
