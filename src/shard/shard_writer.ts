/**
 * A shard that takes records: its buffer, its triggers, its acknowledgements.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import { HEADER_BYTES } from "../batch/format.ts";
import { plainKey, plainValue, PreparedRecord, type RecordInput } from "../batch/record_input.ts";
import { validateBlobHeader } from "../batch/validate.ts";
import { hasProducer } from "../batch/producer_fields.ts";
import { asLogError, type LogError } from "../errors.ts";
import { NEXT_BATCH, NOT_LOADED, type ShardProducers } from "../idempotence/shard_producers.ts";
import type { Rung, SignalOptions } from "../options.ts";
import { Announcements } from "./announcements.ts";
import { KeyWatch } from "./key_watch.ts";
import { AppendBuffer } from "./append_buffer.ts";
import { CommitLoop } from "./commit_loop.ts";
import type { Committer } from "./committer.ts";
import type { Flushable, ShardContext } from "./shard_context.ts";
import { closedError, noOffsetsError, notHandedOutError, poisonedError, writeError } from "./refusals.ts";
import { ShardSharing, type SharingContext } from "./shard_sharing.ts";
import { BACKPRESSURE, type Shard, type ShardState } from "./shard_types.ts";
import { Room } from "./room.ts";
import { Triggers } from "./triggers.ts";
import type { WatchedKeys } from "./watched_keys.ts";
import { WriteQueue } from "./write_queue.ts";

/** A record was not taken, as it would have got another offset. */
export const MOVED = -1;

/** The one implementation of {@linkcode Shard} that writes. */
export class ShardWriter implements Shard, Flushable {
  readonly id: number;
  readonly earliest: number;
  /** Who has appended batches under an id. */
  readonly producers: ShardProducers;
  readonly #context: ShardContext;
  readonly #triggers: Triggers;
  readonly #committer: Committer;
  readonly #buffer: AppendBuffer;
  readonly #record: PreparedRecord = new PreparedRecord();
  readonly #waiting = new Announcements();
  readonly #room: Room;
  readonly #loop: CommitLoop;
  #state: ShardState = "open";
  /** Set: nothing is taken any more, and this is why. What was taken before goes on while the state is open. */
  #refusal: LogError | undefined = undefined;
  /** The log's timer knows of this shard. */
  timerArmed = false;
  #closing: Promise<void> | undefined = undefined;
  /** While it is active there is no lane. */
  readonly #watch: KeyWatch = new KeyWatch();

  constructor(context: ShardContext, committer: Committer, producers: ShardProducers) {
    this.producers = producers;
    this.id = context.id;
    this.earliest = context.earliest;
    this.#context = context;
    this.#triggers = new Triggers(context.limits);
    this.#committer = committer;
    const { nextOffset, position } = committer.written;
    const { batchBytes, flushBytes, maxBufferPerShard } = context.limits;
    const { epoch, budget, compressor, telemetry } = context;
    this.#buffer = new AppendBuffer(nextOffset, position, epoch, batchBytes, flushBytes, budget, compressor);
    this.#room = new Room(this.id, this.#buffer, budget, maxBufferPerShard, () => this.#nudge(), telemetry);
    const queue = new WriteQueue(this.#buffer, committer, flushBytes);
    const failed = (error: unknown): void => this.#poison(error);
    this.#loop = new CommitLoop(this, failed, committer, queue, this.#room, this.#waiting);
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
    this.#buffer.lane.close(this.#triggers);
    return this.#buffer.bytes;
  }

  tryAppend(record: RecordInput): number | typeof BACKPRESSURE {
    const plain = plainValue(record);
    if (plain === undefined) return this.#tryAppend(record);
    // A shard that refuses has no lane.
    const offset = this.#buffer.appendPlain(plainKey(record), plain, this.#context.clock.now());
    if (offset !== -1) return offset;
    const slower = this.#tryAppend(record);
    if (slower !== BACKPRESSURE && this.#watch.active === undefined) {
      this.#buffer.openLane(Math.min(this.#room.left, this.#triggers.left));
    }
    return slower;
  }

  /** Takes a record where it gets this offset; else answers {@linkcode MOVED}. */
  tryAppendAt(record: RecordInput, offset: number): number | typeof BACKPRESSURE {
    return this.#tryAppend(record, offset);
  }

  #tryAppend(record: RecordInput, only: number = MOVED): number | typeof BACKPRESSURE {
    if (this.#refusal !== undefined) throw this.#refusal;
    const buffer = this.#buffer;
    buffer.lane.close(this.#triggers);
    this.#record.prepare(record, this.#context.clock);
    if (only !== MOVED && buffer.end !== only) return MOVED;
    const bytes = buffer.measure(this.#record);
    if (!this.#room.has(bytes + HEADER_BYTES)) return BACKPRESSURE;
    if (buffer.nextOffset >= Number.MAX_SAFE_INTEGER) throw noOffsetsError(this.id);
    const offset = only === MOVED ? buffer.append(this.#record, bytes) : buffer.appendAt(this.#record, bytes, only);
    if (offset === MOVED) return MOVED;
    this.#watch.active?.saw(this.#record.key, this.#record.keyBytes, offset);
    this.#taken(1, bytes);
    return offset;
  }

  /** From now on every key that is appended passes the answer, until nobody asks it any more. */
  watch(codecs: Codecs): WatchedKeys {
    this.#buffer.lane.close(this.#triggers);
    return this.#watch.start(codecs);
  }

  /** Exclusive end of what was appended, all of which has passed the watch; {@linkcode MOVED} where others' records are on their way. */
  seenEnd(): number {
    this.collect();
    return this.#waiting.sharing?.queue.seenEnd ?? this.nextOffset;
  }

  tryAppendBatch(batch: Uint8Array): number | typeof BACKPRESSURE {
    if (this.#refusal !== undefined) throw this.#refusal;
    const offsets = validateBlobHeader(batch);
    const isProduced = hasProducer(batch, 0);
    const found = isProduced ? this.producers.find(batch) : NEXT_BATCH;
    if (found !== NEXT_BATCH) return found === NOT_LOADED ? BACKPRESSURE : found;
    this.#buffer.lane.close(this.#triggers);
    if (!this.#room.has(batch.length)) return BACKPRESSURE;
    if (this.#buffer.nextOffset + offsets > Number.MAX_SAFE_INTEGER) throw noOffsetsError(this.id);
    const base = this.#buffer.appendBlob(batch);
    if (isProduced) this.producers.take(batch, base, this.written);
    this.#watch.active?.sawBatches(batch, 0, batch.length);
    this.#taken(offsets, batch.length);
    return base;
  }

  async writable(options: SignalOptions = {}): Promise<void> {
    if (this.producers.loading !== undefined) await this.producers.settle(options.signal);
    if (this.#refusal !== undefined) throw this.#refusal;
    this.#buffer.lane.close(this.#triggers);
    if (this.#room.isWritable) return;
    this.#nudge();
    const { telemetry } = this.#context;
    const startedMs = telemetry.nowMs();
    telemetry.waits++;
    try {
      await this.#room.wait(options.signal);
    } finally {
      telemetry.waited(startedMs);
    }
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
    this.#buffer.lane.close(this.#triggers);
    this.#triggers.reset();
    if (this.timerArmed) this.#context.disarmTimer(this);
    this.#buffer.seal();
    this.#record.release();
    if (this.#buffer.sealedEnd > this.#loop.flushTarget) this.#context.telemetry.flushes++;
    this.#loop.flushTarget = this.#buffer.sealedEnd;
    if (this.#context.durability === "disk") this.#loop.syncTarget = this.#loop.flushTarget;
    this.#kick();
  }

  /** Lets producers in other threads append beside this one. */
  share(context: SharingContext): ShardSharing {
    if (this.#refusal !== undefined) throw this.#refusal;
    this.#waiting.sharing ??= new ShardSharing(this.#context, this.#buffer, this.synced, context, this.collect);
    this.#watch.follow(this.#waiting.sharing.queue);
    return this.#waiting.sharing;
  }

  /** Looks for what producers have published, and writes it. */
  readonly collect = (): void => {
    const { sharing } = this.#waiting;
    if (this.#state !== "open" || sharing === undefined) return;
    const collected = sharing.collect();
    if (collected > this.#loop.flushTarget) this.#context.telemetry.flushes++;
    this.#loop.flushTarget = Math.max(this.#loop.flushTarget, collected);
    this.#loop.syncTarget = Math.max(this.#loop.syncTarget, sharing.syncWanted);
    if (this.written < this.#loop.flushTarget || this.synced < this.#loop.syncTarget) this.#kick();
  };

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
      this.#refusal = closed;
      try {
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

  #poison(cause: unknown): void {
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
    this.#refusal = later;
    this.#buffer.discard();
    this.#record.release();
    this.#waiting.stop({ now, later });
    this.#room.fail(now);
  }
}
