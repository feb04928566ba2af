/**
 * Appends to a log from another thread than the one that opened it.
 *
 * @module
 */
import { plainKey, plainValue, PreparedRecord, type RecordInput } from "../batch/record_input.ts";
import { assertBlob } from "../batch/validate.ts";
import { Bell } from "../claims/bell.ts";
import { contentOf, type HandleContent, type ProducerHandle } from "../claims/handle.ts";
import { CLOSED, CONNECTED, NEW, ProducerMemory } from "../claims/producer_memory.ts";
import { LogError } from "../errors.ts";
import { shardOfKey } from "../log/partitioner.ts";
import type { Rung, SignalOptions } from "../options.ts";
import { BACKPRESSURE } from "../shard/shard_types.ts";
import type { Clock } from "../vfs.ts";
import { Progress } from "./progress.ts";
import { ShardProducer } from "./shard_producer.ts";

/** Where a record of a producer went. */
export interface Produced {
  /** Number of its shard. */
  readonly shard: number;
  /** Its offset there. */
  readonly offset: number;
}

/** A producer in a worker. One thread uses it. */
export interface Producer extends AsyncDisposable {
  /** Numbers of the shards it writes to. */
  readonly shards: readonly number[];
  /**
   * Takes a record without waiting; its bytes are copied. Its offset is claimed when its batch is handed over, after
   * `flushIntervalMs`, `stride` records or `flushBytes`.
   *
   * @returns A ticket to ask {@linkcode Producer.acknowledged} about the record, or {@linkcode BACKPRESSURE}: nothing was taken.
   * @throws {LogError} `POISONED`, `CLOSED`, `RECORD_TOO_LARGE`; `BATCH_INVALID` where the log has found damage in this producer's
   * memory.
   * @throws {TypeError} where a field has a wrong type.
   * @throws {RangeError} where the key's shard is not this producer's.
   */
  tryAppend(record: RecordInput): number | typeof BACKPRESSURE;
  /**
   * Takes a finished batch, such as one of `BatchBuilder` or a compressed one; its bytes are copied.
   *
   * @param batch All its records go to one shard.
   * @param shard Which one; may be left out where the producer has only one.
   * @returns The ticket of its first record, or {@linkcode BACKPRESSURE}.
   * @throws {LogError} `BATCH_INVALID`, `UNSUPPORTED`, and those of `tryAppend`.
   */
  tryAppendBatch(batch: Uint8Array, shard?: number): number | typeof BACKPRESSURE;
  /** Resolves once there is room again; rejects when the shard it waits for is poisoned or closed. */
  writable(options?: SignalOptions): Promise<void>;
  /** Hands over everything taken so far, and resolves once it has reached a rung. */
  flush(rung?: Rung, options?: SignalOptions): Promise<void>;
  /**
   * Resolves once a record has reached a rung.
   *
   * @param ticket What `tryAppend` answered. Those of the last 4,096 claims at least are known.
   * @param rung @default {the log's}
   * @returns Where it is.
   * @throws {RangeError} where no record has that ticket, or it is too old.
   */
  acknowledged(ticket: number, rung?: Rung, options?: SignalOptions): Promise<Produced>;
  /**
   * Flushes and gives the producer's memory back. Closing twice does nothing more.
   *
   * @throws {LogError} `POISONED`, `CLOSED` and the like where its last records could not be written.
   */
  close(): Promise<void>;
}

/** See {@linkcode Producer}. */
export class WorkerProducer implements Producer {
  readonly shards: readonly number[];
  readonly #content: HandleContent;
  readonly #memory: ProducerMemory;
  readonly #clock: Clock;
  readonly #progress: Progress;
  readonly #producers: readonly ShardProducer[];
  /** By number of the shard. */
  readonly #byShard: readonly (ShardProducer | undefined)[];
  readonly #record: PreparedRecord = new PreparedRecord();
  readonly #bell: Bell;
  /** Who gets records without a key, and how much it had published when it became that. */
  #sticky = 0;
  #stickyPublished = 0;
  #isTimerSet = false;
  #timer: unknown = undefined;
  #closing: Promise<void> | undefined = undefined;

  constructor(handle: ProducerHandle, clock: Clock) {
    const content = contentOf(handle);
    this.#content = content;
    this.#clock = clock;
    this.#memory = new ProducerMemory(content);
    if (!this.#memory.moveState(NEW, CONNECTED)) {
      throw new LogError(
        "CONFLICT",
        "Cannot connect the producer: its handle was used before; make one for each worker",
      );
    }
    this.#bell = new Bell(content.bell);
    this.#progress = new Progress(this.#memory, clock);
    this.#producers = content.shards.map((shard, index) =>
      new ShardProducer(shard, index, this.#memory, content, this.#ring)
    );
    this.shards = this.#producers.map(({ id }) => id);
    const byShard: (ShardProducer | undefined)[] = Array.from({ length: content.logShards });
    for (const producer of this.#producers) byShard[producer.id] = producer;
    this.#byShard = byShard;
  }

  tryAppend(record: RecordInput): number | typeof BACKPRESSURE {
    this.#assertOpen();
    const plain = plainValue(record);
    if (plain !== undefined && this.#producers.length === 1) {
      const number = this.#producers[0].appendPlain(plainKey(record), plain, this.#clock.now());
      // A batch is open: so its shard was there a moment ago, and the timer is set. With one shard a ticket is the number.
      if (number !== -1) return number;
    }
    this.#record.prepare(record, this.#clock);
    const producer = this.#choose();
    const number = producer.append(this.#record);
    return this.#took(producer, number);
  }

  tryAppendBatch(batch: Uint8Array, shard?: number): number | typeof BACKPRESSURE {
    this.#assertOpen();
    assertBlob(batch);
    const producer = shard === undefined && this.#producers.length === 1
      ? this.#producers[0]
      : this.#byShard[shard ?? -1];
    if (producer === undefined) throw this.#notMine(String(shard));
    return this.#took(producer, producer.appendBatch(batch));
  }

  async writable(options: SignalOptions = {}): Promise<void> {
    this.#assertOpen();
    const isWritable = (): boolean => {
      for (const producer of this.#producers) producer.assertOpen();
      return this.#memory.hasFree && !this.#producers.some(({ isPaused }) => isPaused);
    };
    if (isWritable()) return;
    // Half-full slabs of other shards may be all there is.
    this.#publishAll();
    await this.#progress.until(isWritable, options.signal);
  }

  async flush(rung: Rung = this.#content.durability, options: SignalOptions = {}): Promise<void> {
    this.#assertOpen();
    await this.#flush(rung, options.signal);
  }

  async acknowledged(
    ticket: number,
    rung: Rung = this.#content.durability,
    options: SignalOptions = {},
  ): Promise<Produced> {
    const count = this.#producers.length;
    const producer = Number.isSafeInteger(ticket) && ticket >= 0 ? this.#producers[ticket % count] : undefined;
    const number = Math.floor(ticket / count);
    if (producer === undefined || number >= producer.taken) {
      throw new RangeError(`Cannot wait for ticket ${String(ticket)}: this producer has not given it`);
    }
    if (!producer.isClaimed(number)) {
      await this.#progress.until(() => {
        if (producer.isClaimed(number)) return true;
        producer.assertOpen();
        return false;
      }, options.signal);
    }
    const offset = producer.offsetOf(number);
    if (offset === undefined) {
      throw new RangeError(`Cannot wait for ticket ${ticket}: it is too old; only the last ones are remembered`);
    }
    if (rung === "disk") producer.wantSync(offset + 1);
    await this.#progress.until(() => producer.hasReached(offset + 1, rung), options.signal);
    return { shard: producer.id, offset };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    try {
      await this.#flush(this.#content.durability);
    } finally {
      this.#clearTimer();
      for (const producer of this.#producers) producer.release();
      this.#memory.moveState(CONNECTED, CLOSED);
      this.#ring();
    }
  }

  async #flush(rung: Rung, signal?: AbortSignal): Promise<void> {
    this.#publishAll();
    const ends = this.#producers.filter(({ taken }) => taken > 0).map((producer) => {
      if (producer.isOpen) producer.assertOpen();
      if (rung === "disk") producer.wantSync(producer.claimedEnd);
      return { producer, end: producer.claimedEnd };
    });
    await this.#progress.until(() => ends.every(({ producer, end }) => producer.hasReached(end, rung)), signal);
  }

  #publishAll(): void {
    this.#clearTimer();
    for (const producer of this.#producers) producer.publish();
    this.#record.release();
    this.#progress.look();
  }

  /** The ticket of a record that was taken: its number in its shard and that shard in one. */
  #took(producer: ShardProducer, number: number | typeof BACKPRESSURE): number | typeof BACKPRESSURE {
    if (number === BACKPRESSURE) {
      // What is open in other shards would otherwise wait for the timer, and this thread for them.
      this.#publishAll();
      return BACKPRESSURE;
    }
    if (!this.#isTimerSet && producer.isOpen) this.#setTimer();
    return (number as number) * this.#producers.length + producer.index;
  }

  /** As in the log itself: the key's shard; without a key one until it has published, then the next. */
  #choose(): ShardProducer {
    const record = this.#record;
    const { logShards } = this.#content;
    if (logShards === 1) return this.#producers[0];
    const producers = this.#producers;
    if (record.keyBytes >= 0 && producers.length > 1) {
      const id = shardOfKey(record.key, record.keyBytes, logShards);
      const producer = this.#byShard[id];
      if (producer === undefined) throw this.#notMine(String(id));
      return producer;
    }
    if (producers[this.#sticky].published !== this.#stickyPublished) {
      this.#sticky = (this.#sticky + 1) % producers.length;
      this.#stickyPublished = producers[this.#sticky].published;
    }
    return producers[this.#sticky];
  }

  #notMine(shard: string): RangeError {
    return new RangeError(`Cannot append to shard ${shard}: this producer writes to ${this.shards.join(", ")}`);
  }

  #setTimer(): void {
    const { flushIntervalMs } = this.#content;
    if (flushIntervalMs === Infinity) return;
    this.#isTimerSet = true;
    if (flushIntervalMs === 0) queueMicrotask(this.#onTimer);
    else this.#timer = this.#clock.setTimer(this.#onTimer, flushIntervalMs);
  }

  readonly #onTimer = (): void => {
    if (!this.#isTimerSet) return;
    this.#publishAll();
  };

  #clearTimer(): void {
    if (this.#isTimerSet && this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timer = undefined;
    this.#isTimerSet = false;
  }

  readonly #ring = (): void => this.#bell.ring();

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new LogError("CLOSED", "Cannot use the producer: it is closed");
  }
}
