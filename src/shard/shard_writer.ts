/**
 * A shard that takes records: its buffer, its triggers, its acknowledgements.
 *
 * @module
 */
import { HEADER_BYTES } from "../batch/format.ts";
import { plainValue, PreparedRecord, type RecordInput } from "../batch/record_input.ts";
import { validateBlobHeader } from "../batch/validate.ts";
import { hasProducer } from "../batch/producer_fields.ts";
import { asLogError, type LogError } from "../errors.ts";
import { NEXT_BATCH, NOT_LOADED, type ShardProducers } from "../idempotence/shard_producers.ts";
import type { Rung, SignalOptions } from "../options.ts";
import { Announcements } from "./announcements.ts";
import { KeyWatch, MOVED } from "./key_watch.ts";
import { AppendBuffer } from "./append_buffer.ts";
import { CommitLoop } from "./commit_loop.ts";
import type { Committer } from "./committer.ts";
import type { Flushable, ShardContext } from "./shard_context.ts";
import type { Lane } from "./lane.ts";
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
  /** Who has appended batches under an id. */
  readonly producers: ShardProducers;
  readonly #context: ShardContext;
  readonly #lane: Lane;
  readonly #triggers: Triggers;
  readonly #committer: Committer;
  readonly #buffer: AppendBuffer;
  readonly #record: PreparedRecord = new PreparedRecord();
  readonly #waiting = new Announcements();
  readonly #room: Room;
  readonly #loop: CommitLoop;
  /** Moves its log start, and drops what retention does not keep. */
  readonly trimming: Trimming;
  #state: ShardState = "open";
  /** Set: nothing is taken any more, and this is why. What was taken before goes on while the state is open. */
  #refusal: LogError | undefined = undefined;
  /** The same, or why nothing is taken for the moment: what an append asks. */
  #barrier: LogError | undefined = undefined;
  /** The log's timer knows of this shard. */
  timerArmed = false;
  #closing: Promise<void> | undefined = undefined;
  /** While it is active there is no lane. */
  readonly watch: KeyWatch = new KeyWatch(this, () => this.#lane.close(this.#triggers));

  constructor(context: ShardContext, committer: Committer, producers: ShardProducers) {
    this.producers = producers;
    this.id = context.id;
    this.#context = context;
    this.#triggers = new Triggers(context.limits);
    this.#committer = committer;
    this.#buffer = new AppendBuffer(committer.written, context);
    this.#lane = this.#buffer.lane;
    const { budget, telemetry, limits } = context;
    this.#room = new Room(this.id, this.#buffer, budget, limits.maxBufferPerShard, () => this.#nudge(), telemetry);
    const queue = new WriteQueue(this.#buffer, committer, limits.flushBytes);
    this.#loop = new CommitLoop(this, committer, queue, this.#room, this.#waiting);
    this.trimming = new Trimming(this, context, committer, this.#loop);
    this.onChange(this.trimming.keeper.committed);
  }

  get earliest(): number {
    return this.#committer.state.logStart;
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

  /** Bytes taken and not yet in a file. */
  get bufferedBytes(): number {
    this.#lane.close(this.#triggers);
    return this.#buffer.bytes;
  }

  tryAppend(record: RecordInput): number | typeof BACKPRESSURE {
    // A shard that refuses has no lane.
    const offset = this.#lane.append(record);
    if (offset !== -1) return offset;
    const slower = this.tryAppendAt(record);
    if (slower !== BACKPRESSURE && this.watch.active === undefined && plainValue(record) !== undefined) {
      this.#buffer.openLane(Math.min(this.#room.left, this.#triggers.left));
    }
    return slower;
  }

  /** As `tryAppend`; takes it only where it gets the offset `only`, and else answers {@linkcode MOVED}. */
  tryAppendAt(record: RecordInput, only: number = MOVED): number | typeof BACKPRESSURE {
    if (this.#barrier !== undefined) throw this.#barrier;
    this.#lane.close(this.#triggers);
    const buffer = this.#buffer;
    this.#record.prepare(record, this.#context.clock);
    if (only !== MOVED && buffer.end !== only) return MOVED;
    const bytes = buffer.measure(this.#record);
    if (!this.#room.has(bytes + HEADER_BYTES)) return BACKPRESSURE;
    if (buffer.nextOffset >= Number.MAX_SAFE_INTEGER) throw noOffsetsError(this.id);
    const offset = buffer.append(this.#record, bytes, only);
    if (offset === MOVED) return MOVED;
    this.watch.active?.saw(this.#record.key, this.#record.keyBytes, offset);
    this.#taken(1, bytes);
    return offset;
  }

  tryAppendBatch(batch: Uint8Array): number | typeof BACKPRESSURE {
    if (this.#barrier !== undefined) throw this.#barrier;
    const offsets = validateBlobHeader(batch);
    const isProduced = hasProducer(batch, 0);
    const found = isProduced ? this.producers.find(batch) : NEXT_BATCH;
    if (found !== NEXT_BATCH) return found === NOT_LOADED ? BACKPRESSURE : found;
    this.#lane.close(this.#triggers);
    if (!this.#room.has(batch.length)) return BACKPRESSURE;
    if (this.#buffer.nextOffset + offsets > Number.MAX_SAFE_INTEGER) throw noOffsetsError(this.id);
    const base = this.#buffer.appendBlob(batch);
    if (isProduced) this.producers.take(batch, base, this.written);
    this.watch.active?.sawBatches(batch, 0, batch.length);
    this.#taken(offsets, batch.length);
    return base;
  }

  async writable(options: SignalOptions = {}): Promise<void> {
    if (this.producers.loading !== undefined) await this.producers.settle(options.signal);
    if (this.#refusal !== undefined) throw this.#refusal;
    this.#lane.close(this.#triggers);
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

  async flush(rung: Rung = this.#context.durability, { signal }: SignalOptions = {}): Promise<number> {
    signal?.throwIfAborted();
    if (this.#refusal !== undefined) throw this.#refusal;
    this.requestFlush();
    await this.#reached(this.nextOffset, rung, signal);
    return rung === "disk" ? this.synced : this.written;
  }

  /** Seals what is open and lets the loop write everything taken so far. */
  requestFlush(): void {
    if (this.#state !== "open") return;
    this.#lane.close(this.#triggers);
    this.#triggers.reset();
    if (this.timerArmed) this.#context.disarmTimer(this);
    this.#buffer.seal();
    this.#record.release();
    const end = this.#buffer.sealedEnd;
    this.#loop.ask(end, this.#context.durability === "disk" ? end : 0);
  }

  /** Lets producers in other threads append beside this one. */
  share(context: SharingContext): ShardSharing {
    if (this.#refusal !== undefined) throw this.#refusal;
    this.#waiting.sharing ??= new ShardSharing(this.#context, this.#buffer, this.synced, context, this.collect);
    return this.watch.follow(this.#waiting.sharing);
  }

  /** Looks for what producers have published, and writes it. */
  readonly collect = (): void => {
    const { sharing } = this.#waiting;
    if (this.#state === "open" && sharing !== undefined) this.#loop.ask(sharing.collect(), sharing.syncWanted);
  };

  trimBefore(offset: number): Promise<number> {
    return this.trimming.before(offset);
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
        await this.trimming.keeper.stop();
        this.requestFlush();
        await this.#waiting.sharing?.close();
        this.requestFlush();
        this.#loop.ask(0, this.nextOffset);
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
    this.#lane.close(this.#triggers);
    this.#room.pause(error !== undefined);
    this.#waiting.sharing?.pause(error !== undefined);
  }

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
    if (rung === "disk") this.#loop.ask(0, end);
    await this.#waiting.wait(end, rung, signal);
  }

  /** Why nothing may be begun any more. */
  get refusal(): LogError | undefined {
    return this.#refusal;
  }

  /** A write or a sync failed: the shard is poisoned. */
  failed(cause: unknown): void {
    if (this.#state !== "open") return;
    const failure = writeError(this.id, cause);
    const firstLost = this.#context.durability === "disk" ? this.synced : this.written;
    this.#stop("poisoned", failure, poisonedError(this.id, failure, firstLost, this.nextOffset));
    this.#context.telemetry.poisoned(failure);
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
