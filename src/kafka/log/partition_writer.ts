/**
 * A partition as a shard that takes records: batches them, and tells who waits when they are acknowledged.
 *
 * @module
 */
import { readHeader } from "../../batch/format.ts";
import { hasProducer } from "../../batch/producer_fields.ts";
import type { RecordInput } from "../../batch/record_input.ts";
import { validateBlob } from "../../batch/validate.ts";
import type { LogError } from "../../errors.ts";
import type { Rung, SignalOptions } from "../../options.ts";
import { closedError, notHandedOutError, poisonedError, writeError } from "../../shard/refusals.ts";
import { BACKPRESSURE, type ShardState } from "../../shard/shard_types.ts";
import type { Shareable, Shared, SharingContext } from "../../shard/shareable.ts";
import { ShardTelemetry } from "../../telemetry/shard_telemetry.ts";
import { type Intake, type Note, OwnIntake } from "./intake.ts";
import type { KafkaShard } from "./kafka_log_types.ts";
import { ASKING, PartitionProducers, type TakenPlace } from "./partition_producers.ts";
import type { PartitionSender } from "./partition_sender.ts";
import { type Sealed, SendQueue } from "./send_queue.ts";
import { SharedIntake } from "./shared_intake.ts";
import { Waiting } from "./waiting.ts";
import { notTrimmableError, refuseTransactional, tooLargeForTopic, type WriterSettings } from "./writer_settings.ts";

const CLOCK = { now: () => Date.now(), monotonic: () => performance.now() };

/** See above. Numbers that it hands out are offsets as long as nobody else writes. */
export class PartitionWriter implements KafkaShard, Shareable {
  readonly id: number;
  earliest: number;
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
  #intake: Intake;
  /** The same, once workers append here, too. */
  #sharing: SharedIntake | undefined = undefined;
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
    this.written = this.#end = settings.nextOffset;
    this.#settings = settings;
    this.#intake = new OwnIntake(settings, this.#enqueue);
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

  get nextOffset(): number {
    return this.#intake.end;
  }

  get bytesBuffered(): number {
    return this.#queue.bytes + this.#intake.bytes;
  }

  get synced(): number {
    return this.written;
  }

  tryAppend(record: RecordInput): number | typeof BACKPRESSURE {
    this.#assertOpen();
    if (!this.#hasRoom(0)) return this.#refuse();
    const taken = this.#intake.append(record);
    this.taken++;
    if (this.#intake.bytes > 0) this.#arm();
    return taken;
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
    this.taken += count;
    let place: TakenPlace | undefined;
    const note: Note | undefined = isNumbered ? (first) => place = this.producers.take(batch, first) : undefined;
    const baseOffset = this.#intake.appendBatch(batch, count, note);
    return place ?? { baseOffset, isAcknowledged: false };
  }

  /** Lets workers append beside this thread, from now on. */
  share(context: SharingContext): Shared {
    this.#assertOpen();
    if (this.#sharing !== undefined) return this.#sharing;
    this.#seal();
    const [settings, end, enqueue] = [this.#settings, this.#intake.end, this.#enqueue];
    const onCollected = (): void => this.#release();
    return this.#intake = this.#sharing = new SharedIntake({ settings, end, context, enqueue, onCollected });
  }

  readonly collect = (): void => {
    if (this.state === "open") this.#sharing?.collect();
  };

  async writable({ signal }: SignalOptions = {}): Promise<void> {
    this.#assertOpen();
    signal?.throwIfAborted();
    const { asked, answered } = this.producers;
    if (this.#isFree && answered === asked) return;
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
      if (this.state === "open") {
        await this.#sharing?.close();
        await this.flush();
      } else if (this.written < this.nextOffset) throw this.#poisoned();
    } finally {
      clearTimeout(this.#timer);
      this.state = "closed";
      const closed = closedError(this.id);
      this.#intake.stop({ now: closed, later: closed });
      for (const waiting of [this.#waiting, this.#room]) waiting.fail(closed);
    }
  }

  /** There is room, and others need not move first. */
  get #isFree(): boolean {
    return this.bytesBuffered < this.#settings.maxBuffer / 2 && !this.#intake.isCrowded;
  }

  /** What comes alone may always come: it would never find room otherwise. */
  #hasRoom(bytes: number): boolean {
    const used = this.bytesBuffered;
    return (used === 0 || used + bytes < this.#settings.maxBuffer) && !this.#intake.isCrowded;
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
    if (this.state === "open") this.#intake.seal();
  }

  readonly #enqueue = (batch: Sealed): void => {
    const isEmpty = batch.bytes.length === 0;
    if (batch.isForeign) this.taken += isEmpty ? 0 : batch.count;
    else this.batches++;
    if (!isEmpty) this.telemetry.flushes++;
    this.#queue.push(batch);
  };

  #acknowledge({ bytes, count, first }: Sealed, base: number): void {
    this.#passed();
    if (bytes.length > 0) {
      this.sent += count;
      this.#end = Math.max(this.#end, base + count);
    }
    this.#waiting.reach(this.written, (taken) => taken - first + base);
    // Others have written in between: where nothing is on its way, the numbers are offsets again. They never go back.
    const end = base + count;
    if (end > this.written && this.#intake.skip(this.written, end)) this.written = end;
    this.#intake.acknowledged(this.written);
  }

  /** Its numbers stay empty. */
  #reject({ count, first }: Sealed, error: LogError): void {
    this.#passed();
    this.taken -= count;
    this.#waiting.refuse(first, first + count, error);
  }

  /** Everything in front of what is still on its way is answered. */
  #passed(): void {
    this.written = this.#queue.first ?? this.#intake.sealed;
  }

  /** Those who wait for room go on, once what was being asked when they came is answered. */
  #release(): void {
    if (this.#isFree) this.#room.reach(this.producers.answered + 1, () => 0);
  }

  #fail(error: unknown): void {
    this.#failure = writeError(this.id, error);
    this.state = "poisoned";
    this.telemetry.poisoned(this.#failure);
    clearTimeout(this.#timer);
    this.#intake.stop({ now: this.#failure, later: this.#poisoned() });
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
