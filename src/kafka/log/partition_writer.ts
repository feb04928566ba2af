/**
 * A partition as a shard that takes records: batches them, and tells who waits when they are acknowledged.
 *
 * @module
 */
import { BatchBuilder } from "../../batch/batch_builder.ts";
import { readHeader } from "../../batch/format.ts";
import type { RecordInput } from "../../batch/record_input.ts";
import { validateBlob } from "../../batch/validate.ts";
import { asLogError, LogError } from "../../errors.ts";
import type { Rung, SignalOptions } from "../../options.ts";
import { closedError, notHandedOutError, poisonedError } from "../../shard/refusals.ts";
import { BACKPRESSURE, type ShardState } from "../../shard/shard_types.ts";
import { ShardTelemetry } from "../../telemetry/shard_telemetry.ts";
import type { KafkaShard } from "./kafka_log_types.ts";
import type { PartitionSender } from "./partition_sender.ts";
import { refuseForeign, tooLargeForTopic, type WriterSettings } from "./writer_settings.ts";

const CLOCK = { now: () => Date.now(), monotonic: () => performance.now() };

interface Sealed {
  readonly bytes: Uint8Array;
  readonly count: number;
  readonly first: number;
}

interface Waiter {
  readonly taken: number;
  readonly resolve: (offset: number) => void;
  readonly reject: (error: Error) => void;
}

/** See above. Numbers that it hands out are offsets as long as nobody else writes. */
export class PartitionWriter implements KafkaShard {
  readonly id: number;
  earliest: number;
  nextOffset: number;
  written: number;
  /** Records taken, and those of them that are acknowledged. */
  taken = 0;
  sent = 0;
  readonly telemetry: ShardTelemetry;
  state: ShardState = "open";
  /** Batches closed so far: records without a key then go to another shard. */
  batches = 0;
  readonly #settings: WriterSettings;
  readonly #sender: PartitionSender;
  readonly #builder: BatchBuilder;
  #queue: Sealed[] = [];
  #queuedBytes = 0;
  #waiters: Waiter[] = [];
  #room: Waiter[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined = undefined;
  #sending: Promise<void> | undefined = undefined;
  #failure: LogError | undefined = undefined;

  constructor(settings: WriterSettings, sender: PartitionSender) {
    this.id = settings.id;
    this.earliest = settings.earliest;
    this.nextOffset = this.written = settings.nextOffset;
    this.#settings = settings;
    this.#sender = sender;
    const { batchBytes: maxBytes, compression, codecs } = settings;
    this.#builder = new BatchBuilder({ maxBytes, codecs, ...(compression === undefined ? {} : { compression }) });
    this.telemetry = new ShardTelemetry(settings.id, 0, CLOCK);
  }

  get bytesBuffered(): number {
    return this.#used;
  }

  get synced(): number {
    return this.written;
  }

  tryAppend(record: RecordInput): number | typeof BACKPRESSURE {
    this.#assertOpen();
    if (!this.#hasRoom(0)) return this.#refuse();
    if (!this.#builder.add(record)) {
      this.#seal();
      this.#builder.add(record);
    }
    if (this.#builder.byteLength > this.#settings.maxBatchBytes) {
      // It is alone: nothing else may exceed the size of a batch.
      const { length } = this.#builder.finish();
      throw tooLargeForTopic(this.id, length, this.#settings.maxBatchBytes);
    }
    this.taken++;
    if (this.#builder.byteLength >= this.#settings.batchBytes) {
      const taken = this.nextOffset++;
      this.#seal();
      return taken;
    }
    this.#arm();
    return this.nextOffset++;
  }

  tryAppendBatch(batch: Uint8Array): number | typeof BACKPRESSURE {
    this.#assertOpen();
    const count = validateBlob(batch);
    refuseForeign(readHeader(batch, 0), this.id);
    if (batch.length > this.#settings.maxBatchBytes) {
      throw tooLargeForTopic(this.id, batch.length, this.#settings.maxBatchBytes);
    }
    if (!this.#hasRoom(batch.length)) return this.#refuse();
    this.#seal();
    this.taken += count;
    const first = this.nextOffset;
    this.nextOffset += count;
    this.#enqueue({ bytes: batch, count, first });
    return first;
  }

  async writable({ signal }: SignalOptions = {}): Promise<void> {
    this.#assertOpen();
    signal?.throwIfAborted();
    if (this.#used < this.#settings.maxBuffer / 2) return;
    this.#seal();
    const startedMs = this.telemetry.nowMs();
    this.telemetry.waits++;
    await this.#wait(this.#room, 0, signal).finally(() => this.telemetry.waited(startedMs));
  }

  async acknowledged(taken: number, _rung?: Rung, { signal }: SignalOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    if (!Number.isSafeInteger(taken) || taken < 0 || taken >= this.nextOffset) {
      throw notHandedOutError(this.id, taken, this.nextOffset);
    }
    if (taken < this.written) return;
    await this.#wait(this.#waiters, taken, signal);
  }

  async placed(taken: number): Promise<number> {
    if (!(taken >= this.written && taken < this.nextOffset)) throw notHandedOutError(this.id, taken, this.nextOffset);
    return await this.#wait(this.#waiters, taken, undefined);
  }

  async trimBefore(offset: number): Promise<number> {
    this.#assertOpen();
    if (!Number.isSafeInteger(offset) || offset < 0 || offset > this.nextOffset) {
      throw new RangeError(
        `Cannot trim shard ${this.id}: the offset must be a whole number from 0 to ${this.nextOffset}, not ${
          String(offset)
        }`,
      );
    }
    // What is trimmed must be there first.
    if (offset > this.written) await this.flush();
    this.earliest = Math.max(this.earliest, await this.#settings.trim(offset));
    return this.earliest;
  }

  async flush(_rung?: Rung, { signal }: SignalOptions = {}): Promise<number> {
    this.#assertOpen();
    signal?.throwIfAborted();
    this.#seal();
    if (this.written < this.nextOffset) await this.#wait(this.#waiters, this.nextOffset - 1, signal);
    return this.written;
  }

  /** Sends what is left, and takes no more. */
  async close(): Promise<void> {
    if (this.state === "closed") return;
    try {
      if (this.state === "open") await this.flush();
      else if (this.written < this.nextOffset) throw this.#poisoned();
    } finally {
      clearTimeout(this.#timer);
      this.state = "closed";
      for (const waiter of [...this.#waiters, ...this.#room]) waiter.reject(closedError(this.id));
    }
  }

  get #used(): number {
    return this.#queuedBytes + (this.#builder.count > 0 ? this.#builder.byteLength : 0);
  }

  /** What comes alone may always come: it would never find room otherwise. */
  #hasRoom(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes < this.#settings.maxBuffer;
  }

  #refuse(): typeof BACKPRESSURE {
    this.telemetry.refusals++;
    return BACKPRESSURE;
  }

  #arm(): void {
    if (this.#timer !== undefined) return;
    const { flushIntervalMs } = this.#settings;
    if (flushIntervalMs === Infinity) return;
    this.#timer = setTimeout(() => this.#seal(), flushIntervalMs);
  }

  #seal(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { count } = this.#builder;
    if (count === 0 || this.state !== "open") return;
    this.#enqueue({ bytes: this.#builder.finish(), count, first: this.nextOffset - count });
  }

  #enqueue(batch: Sealed): void {
    this.#queue.push(batch);
    this.#queuedBytes += batch.bytes.length;
    this.batches++;
    this.telemetry.flushes++;
    this.#sending ??= this.#send();
  }

  async #send(): Promise<void> {
    try {
      for (let batch = this.#queue[0]; batch !== undefined; batch = this.#queue[0]) {
        const startedMs = this.telemetry.nowMs();
        const base = await this.#sender.send(batch.bytes, batch.count);
        this.telemetry.wrote(batch.bytes, 0, batch.bytes.length);
        this.telemetry.committed(startedMs);
        this.telemetry.bytesSynced = this.telemetry.bytesWritten;
        this.sent += batch.count;
        this.#queue.shift();
        this.#acknowledge(batch, base);
      }
    } catch (error) {
      this.#fail(error);
    }
    this.#sending = undefined;
  }

  #acknowledge({ bytes, count, first }: Sealed, base: number): void {
    this.#queuedBytes -= bytes.length;
    this.written = first + count;
    const due = this.#waiters.filter(({ taken }) => taken < this.written);
    this.#waiters = this.#waiters.filter(({ taken }) => taken >= this.written);
    for (const { taken, resolve } of due) resolve(taken - first + base);
    // Others have written in between: where nothing is on its way, the numbers are offsets again.
    if (this.written === this.nextOffset && base > first) this.written = this.nextOffset = base + count;
    if (this.#used < this.#settings.maxBuffer / 2) {
      for (const { resolve } of this.#room) resolve(0);
      this.#room = [];
    }
  }

  #fail(error: unknown): void {
    const cause = asLogError(error, `write shard ${this.id}`, { shard: this.id });
    this.#failure = cause instanceof LogError
      ? cause
      : new LogError("IO", `Cannot write shard ${this.id}: ${cause.message}`, { shard: this.id, cause });
    this.state = "poisoned";
    this.telemetry.poisoned(this.#failure);
    clearTimeout(this.#timer);
    this.#queue = [];
    const told = [...this.#waiters, ...this.#room];
    this.#waiters = this.#room = [];
    for (const { reject } of told) reject(this.#failure);
    this.#settings.onError(this.#failure);
  }

  #wait(list: Waiter[], taken: number, signal: AbortSignal | undefined): Promise<number> {
    if (this.#failure !== undefined) return Promise.reject(this.#poisoned());
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        this.#room = this.#room.filter((other) => other !== waiter);
        reject(signal!.reason);
      };
      const settle = <T>(then: (value: T) => void) => (value: T): void => {
        signal?.removeEventListener("abort", stop);
        then(value);
      };
      const waiter: Waiter = { taken, resolve: settle(resolve), reject: settle(reject) };
      list.push(waiter);
      signal?.addEventListener("abort", stop, { once: true });
    });
  }

  #assertOpen(): void {
    if (this.state === "closed") throw closedError(this.id);
    if (this.state === "poisoned") throw this.#poisoned();
  }

  #poisoned(): LogError {
    return poisonedError(this.id, this.#failure!, this.written, this.nextOffset);
  }
}
