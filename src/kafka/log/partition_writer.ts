/**
 * A partition as a shard that takes records: batches them, and tells who waits when they are acknowledged.
 *
 * @module
 */
import { BatchBuilder } from "../../batch/batch_builder.ts";
import { readHeader } from "../../batch/format.ts";
import { hasProducer } from "../../batch/producer_fields.ts";
import type { RecordInput } from "../../batch/record_input.ts";
import { validateBlob } from "../../batch/validate.ts";
import type { LogError } from "../../errors.ts";
import type { Rung, SignalOptions } from "../../options.ts";
import { closedError, notHandedOutError, poisonedError, writeError } from "../../shard/refusals.ts";
import { BACKPRESSURE, type ShardState } from "../../shard/shard_types.ts";
import { ShardTelemetry } from "../../telemetry/shard_telemetry.ts";
import type { KafkaShard } from "./kafka_log_types.ts";
import { ASKING, PartitionProducers, type TakenPlace } from "./partition_producers.ts";
import type { PartitionSender } from "./partition_sender.ts";
import { type Sealed, SendQueue } from "./send_queue.ts";
import { Waiting } from "./waiting.ts";
import { notTrimmableError, refuseTransactional, tooLargeForTopic, type WriterSettings } from "./writer_settings.ts";

const CLOCK = { now: () => Date.now(), monotonic: () => performance.now() };

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
  /** Those that number their batches themselves. */
  readonly producers: PartitionProducers;
  readonly #settings: WriterSettings;
  readonly #builder: BatchBuilder;
  readonly #queue: SendQueue;
  readonly #waiting = new Waiting();
  readonly #room = new Waiting();
  /** Behind the last record that is known to be in the partition. */
  #end: number;
  #timer: ReturnType<typeof setTimeout> | undefined = undefined;
  #failure: LogError | undefined = undefined;

  constructor(settings: WriterSettings, sender: PartitionSender) {
    this.id = settings.id;
    this.earliest = settings.earliest;
    this.nextOffset = this.written = this.#end = settings.nextOffset;
    this.#settings = settings;
    const { batchBytes: maxBytes, compression, codecs } = settings;
    this.#builder = new BatchBuilder({ maxBytes, codecs, ...(compression === undefined ? {} : { compression }) });
    this.telemetry = new ShardTelemetry(settings.id, 0, CLOCK);
    this.producers = new PartitionProducers(settings.id, settings.producers, () => this.#release());
    this.#queue = new SendQueue({
      sender,
      producers: this.producers,
      telemetry: this.telemetry,
      delivered: (batch, base) => this.#acknowledge(batch, base),
      refused: (batch, error) => this.#reject(batch, error),
      answered: () => this.#release(),
      failed: (error) => this.#fail(error),
    });
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
    const taken = this.takeBatch(batch);
    return taken === BACKPRESSURE ? BACKPRESSURE : taken.baseOffset;
  }

  /** The same where the offset is wanted once the broker has told it. */
  takeBatch(batch: Uint8Array): TakenPlace | typeof BACKPRESSURE {
    this.#assertOpen();
    const count = validateBlob(batch);
    refuseTransactional(readHeader(batch, 0), this.id);
    if (batch.length > this.#settings.maxBatchBytes) {
      throw tooLargeForTopic(this.id, batch.length, this.#settings.maxBatchBytes);
    }
    const isNumbered = hasProducer(batch, 0);
    const known = isNumbered ? this.producers.find(batch) : undefined;
    if (known === ASKING || (known === undefined && !this.#hasRoom(batch.length))) return this.#refuse();
    if (known !== undefined) return known;
    this.#seal();
    this.taken += count;
    const first = this.nextOffset;
    this.nextOffset += count;
    const numbered = isNumbered ? this.producers.take(batch, first) : undefined;
    this.#enqueue({ bytes: batch, count, first, numbered });
    return numbered ?? { baseOffset: first, isAcknowledged: false };
  }

  async writable({ signal }: SignalOptions = {}): Promise<void> {
    this.#assertOpen();
    signal?.throwIfAborted();
    const { asked, answered } = this.producers;
    if (this.#used < this.#settings.maxBuffer / 2 && answered === asked) return;
    this.#seal();
    const startedMs = this.telemetry.nowMs();
    this.telemetry.waits++;
    await this.#room.wait(asked, signal).finally(() => this.telemetry.waited(startedMs));
  }

  async acknowledged(taken: number, _rung?: Rung, { signal }: SignalOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    // A batch that was there already is answered with its offset: others have written, and numbers lag behind.
    if (!Number.isSafeInteger(taken) || taken < 0 || taken >= Math.max(this.nextOffset, this.#end)) {
      throw notHandedOutError(this.id, taken, this.nextOffset);
    }
    this.#waiting.check(taken);
    if (taken >= this.written && taken < this.nextOffset) await this.#wait(taken, signal);
  }

  async placed(taken: number): Promise<number> {
    this.#waiting.check(taken);
    if (!(taken >= this.written && taken < this.nextOffset)) throw notHandedOutError(this.id, taken, this.nextOffset);
    return await this.#wait(taken, undefined);
  }

  async trimBefore(offset: number): Promise<number> {
    this.#assertOpen();
    if (!Number.isSafeInteger(offset) || offset < 0 || offset > this.nextOffset) {
      throw notTrimmableError(this.id, offset, this.nextOffset);
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
    if (this.written < this.nextOffset) await this.#wait(this.nextOffset - 1, signal);
    this.#waiting.tell();
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
      for (const waiting of [this.#waiting, this.#room]) waiting.fail(closedError(this.id));
    }
  }

  get #used(): number {
    return this.#queue.bytes + (this.#builder.count > 0 ? this.#builder.byteLength : 0);
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
    this.batches++;
    this.telemetry.flushes++;
    this.#queue.push(batch);
  }

  #acknowledge({ count, first }: Sealed, base: number): void {
    this.#passed();
    this.sent += count;
    this.#end = Math.max(this.#end, base + count);
    this.#waiting.reach(this.written, (taken) => taken - first + base);
    // Others have written in between: where nothing is on its way, the numbers are offsets again.
    if (this.written === this.nextOffset && base > first) this.written = this.nextOffset = base + count;
  }

  /** Its numbers stay empty. */
  #reject({ count, first }: Sealed, error: LogError): void {
    this.#passed();
    this.taken -= count;
    this.#waiting.refuse(first, first + count, error);
  }

  /** Everything in front of what is still on its way is answered. */
  #passed(): void {
    this.written = this.#queue.first ?? this.nextOffset - this.#builder.count;
  }

  /** Those who wait for room go on, once what was being asked when they came is answered. */
  #release(): void {
    if (this.#used < this.#settings.maxBuffer / 2) this.#room.reach(this.producers.answered + 1, () => 0);
  }

  #fail(error: unknown): void {
    this.#failure = writeError(this.id, error);
    this.state = "poisoned";
    this.telemetry.poisoned(this.#failure);
    clearTimeout(this.#timer);
    for (const waiting of [this.#waiting, this.#room]) waiting.fail(this.#failure);
    this.#settings.onError(this.#failure);
  }

  #wait(taken: number, signal: AbortSignal | undefined): Promise<number> {
    if (this.#failure !== undefined) return Promise.reject(this.#poisoned());
    return this.#waiting.wait(taken, signal);
  }

  #assertOpen(): void {
    if (this.state === "closed") throw closedError(this.id);
    if (this.state === "poisoned") throw this.#poisoned();
  }

  #poisoned(): LogError {
    return poisonedError(this.id, this.#failure!, this.written, this.nextOffset);
  }
}
