/**
 * An open log: its shards, who gets which record, reading, closing.
 *
 * @module
 */
import type { BackupOptions, BackupReport } from "../backup/backup_types.ts";
import type { BytesInput, RecordInput } from "../batch/record_input.ts";
import type { ProducerHandle } from "../claims/handle.ts";
import { asLogError, LogError } from "../errors.ts";
import type { Engine, Rung, SignalOptions } from "../options.ts";
import { BatchReader } from "../read/batch_reader.ts";
import { BlockCache } from "../read/block_cache.ts";
import { type RawRange, RawReader, type RawReadOptions } from "../read/raw_reader.ts";
import { checkReadOptions, type ReadOptions } from "../read/read_options.ts";
import { RecordReader } from "../read/reader.ts";
import type { ShardView } from "../read/shard_view.ts";
import type { LogBatch } from "../read/stored_batch.ts";
import type { LogRecord } from "../read/stored_record.ts";
import type { ReadOnlyShard } from "../shard/read_only_shard.ts";
import type { Shard } from "../shard/shard_types.ts";
import { ShardWriter } from "../shard/shard_writer.ts";
import type { VfsLock } from "../vfs.ts";
import { untilAborted } from "./aborting.ts";
import { AppendQueue } from "./append_queue.ts";
import { bytesOf } from "./key_bytes.ts";
import { backUpOpened } from "./backup.ts";
import type { FlushTimer } from "./flush_timer.ts";
import type { Guarantee } from "./guarantee.ts";
import { LogInside } from "./log_inside.ts";
import { takeIf } from "./conditional_append.ts";
import { NamedProducers } from "./idempotent_producer.ts";
import type { IdempotentOptions, IdempotentProducer } from "./idempotent_types.ts";
import type { Appended, AppendOptions, Log, RecordPlace, UserStream } from "./log_types.ts";
import type { Manifest } from "./manifest.ts";
import type { OpenedShard, RecoveryReport } from "./open_shard.ts";
import { shardOfKey } from "./partitioner.ts";
import type { ProducerOptions, Producers } from "./producers.ts";
import { readableOf, type ReadableStreamOptions, writableOf, type WritableStreamOptions } from "./streams.ts";
import type { LogStats } from "./stats.ts";
import { prometheusText } from "./stats_text.ts";
import { ScannedUserStream } from "./user_stream.ts";

/** Everything an open log is made of. */
export interface LogParts {
  readonly engine: Engine;
  readonly directory: string;
  readonly manifest: Manifest;
  readonly opened: readonly OpenedShard[];
  readonly timer: FlushTimer | undefined;
  readonly lock: VfsLock | undefined;
  /** `undefined` where nothing can be written. */
  readonly producers?: Producers;
  readonly durability: Rung;
  readonly maxBufferBytes?: number;
}

/** The embedded log: files in a directory, written by this program. */
export class EmbeddedLog implements Log {
  readonly directory: string;
  readonly topic: string;
  readonly shards: readonly (ShardWriter | ReadOnlyShard)[];
  readonly recovery: readonly RecoveryReport[];
  /** 16 bytes that tell this log from every other. */
  readonly id: Uint8Array;
  readonly inside: LogInside;
  readonly #parts: LogParts;
  readonly #views: readonly ShardView[];
  readonly #queues: readonly AppendQueue[];
  readonly #blocks: BlockCache;
  readonly #named: NamedProducers;
  /** Shard for records without a key, and how many batches it had finished when it became that. */
  #sticky = 0;
  #stickyBatches = 0;
  #closing: Promise<void> | undefined = undefined;

  constructor(parts: LogParts) {
    this.#parts = parts;
    this.directory = parts.directory;
    this.topic = parts.manifest.topic;
    this.id = parts.manifest.id;
    this.inside = new LogInside({ maxBufferBytes: 0, ...parts, topic: this.topic });
    this.shards = parts.opened.map((opened) => opened.shard);
    this.recovery = parts.opened.map((opened) => opened.report);
    this.#views = parts.opened.map((opened) => opened.view);
    this.#blocks = new BlockCache(parts.engine.codecs);
    this.#named = new NamedProducers(parts.engine.clock, parts.durability);
    this.#queues = this.shards.map((shard) => new AppendQueue(shard));
  }

  async append(record: RecordInput, options: AppendOptions = {}): Promise<Appended> {
    options.signal?.throwIfAborted();
    const shard = this.#shardOfRecord(record), queue = this.#queues[shard.id];
    const taken = takeIf(this, this.#parts.engine, shard, queue, record, options) ?? queue.take(record, options.signal);
    const offset = typeof taken === "number" ? taken : await taken;
    await shard.acknowledged(offset, options.durability ?? this.#parts.durability, options);
    return { shard: shard.id, offset };
  }

  producer(options: ProducerOptions = {}): ProducerHandle {
    this.#assertOpen();
    const wanted = options.shard === undefined ? this.shards : [this.#shardAt(options.shard)];
    const { producers, directory } = this.#parts;
    const open = wanted.filter((shard) => shard instanceof ShardWriter);
    if (producers === undefined || open.length < wanted.length) {
      const what = producers === undefined ? "the log" : "a shard of it";
      throw new LogError("READ_ONLY", `Cannot make a producer for ${directory}: ${what} is open for reading only`);
    }
    return producers.create(open, options);
  }

  async idempotentProducer(name: string, options: IdempotentOptions = {}): Promise<IdempotentProducer> {
    this.#assertOpen();
    return await this.#named.open(this.#shardAt(options.shard ?? 0), name, options, this.shards.length);
  }

  fence(handle: ProducerHandle): void {
    this.#parts.producers?.fence(handle);
  }

  shard(id: number): Shard {
    return this.#shardAt(id);
  }

  shardFor(key: BytesInput): Shard {
    return this.#shardOf(key);
  }

  user(key: BytesInput): UserStream {
    const bytes = bytesOf(key);
    const view = this.#views[this.#shardOf(key).id];
    return new ScannedUserStream(view, bytes, this.#parts.engine.codecs, () => this.#assertOpen());
  }

  read(options: ReadOptions = {}): AsyncIterableIterator<LogRecord> {
    const views = this.#viewsFor(options);
    return new RecordReader(views, options, this.#parts.engine.codecs, undefined, this.#blocks);
  }

  toReadableStream({ highWaterMark, ...options }: ReadableStreamOptions = {}): ReadableStream<LogRecord> {
    return readableOf(this.read(options), highWaterMark);
  }

  toWritableStream(options: WritableStreamOptions = {}): WritableStream<RecordInput> {
    this.#assertOpen();
    return writableOf({
      take: (record, signal) => this.#queues[this.#shardOfRecord(record).id].take(record, signal),
      flush: (rung, options) => this.flush(rung, options),
    }, options);
  }

  readRaw(options: RawReadOptions = {}): AsyncIterableIterator<RawRange> {
    this.#assertOpen();
    if (options.shard === undefined && this.shards.length > 1) {
      throw new TypeError("Cannot read ranges of batches: name a shard, this log has several");
    }
    return new RawReader(this.#views[this.#shardAt(options.shard ?? 0).id], options, this.#parts.engine.codecs);
  }

  async get(place: RecordPlace, { signal }: SignalOptions = {}): Promise<LogRecord | undefined> {
    signal?.throwIfAborted();
    return await untilAborted(this.#get(place), signal);
  }

  async #get({ shard, offset }: RecordPlace): Promise<LogRecord | undefined> {
    this.#assertOpen();
    if (shard === undefined && this.shards.length > 1) {
      throw new TypeError("Cannot get a record: name its shard, this log has several");
    }
    if (!Number.isSafeInteger(offset) || offset < 0) {
      throw new TypeError(`Cannot get a record: its offset must be a whole number from 0, not ${String(offset)}`);
    }
    const view = this.#views[this.#shardAt(shard ?? 0).id];
    const found = this.#blocks.read(view, offset, 1);
    let records: readonly LogRecord[] | undefined = found instanceof Promise ? await found : found;
    if (records === undefined) {
      const reader = new RecordReader([view], { from: offset, limit: 1 }, this.#parts.engine.codecs);
      records = [];
      for await (const record of reader) records = [record];
    }
    return records[0]?.offset === offset ? records[0] : undefined;
  }

  batches(options: ReadOptions = {}): AsyncIterableIterator<LogBatch> {
    const views = this.#viewsFor(options);
    if (options.reverse) throw new TypeError("Cannot read batches in reverse: read() does that");
    if (options.last !== undefined && views.length > 1) {
      throw new TypeError("Cannot read the last batches of all shards: name a shard");
    }
    return new BatchReader(views, options, this.#parts.engine.codecs);
  }

  /** The shards that a reader with these options reads. */
  #viewsFor(options: ReadOptions): readonly ShardView[] {
    this.#assertOpen();
    if (options.shard !== undefined) this.#shardAt(options.shard);
    const views = options.shard === undefined ? this.#views : [this.#views[options.shard]];
    checkReadOptions(options, views.length);
    return views;
  }

  stats(): LogStats {
    return this.inside.stats();
  }

  statsText(): string {
    return prometheusText([this.inside.stats()]);
  }

  async guarantee(): Promise<Guarantee> {
    this.#assertOpen();
    try {
      return await this.inside.guarantee();
    } catch (error) {
      throw asLogError(error, `find out what ${this.directory} guarantees`);
    }
  }

  async backup(out: string, options: BackupOptions = {}): Promise<BackupReport> {
    this.#assertOpen();
    return await backUpOpened({ ...this.#parts, vfs: this.#parts.engine.vfs }, out, options);
  }

  async flush(rung: Rung = this.#parts.durability, { signal }: SignalOptions = {}): Promise<void> {
    this.#assertOpen();
    signal?.throwIfAborted();
    const flushes = this.shards.filter((shard) => shard.state !== "readOnly").map((shard) => shard.flush(rung));
    const results = await untilAborted(Promise.allSettled(flushes), signal);
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const results = await Promise.allSettled(this.shards.map((shard) => shard.close()));
    this.#parts.timer?.stop();
    this.#parts.producers?.stop();
    for (const opened of this.#parts.opened) opened.remote?.close();
    await this.#blocks.close();
    try {
      await this.#parts.lock?.release();
    } catch (error) {
      results.push({ status: "rejected", reason: asLogError(error, `close the log in ${this.directory}`) });
    }
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  /** Where `append` puts a record. */
  #shardOfRecord(record: RecordInput): ShardWriter | ReadOnlyShard {
    this.#assertOpen();
    if (typeof record !== "object" || record === null) {
      throw new TypeError("Cannot append a record: it must be an object");
    }
    const { key } = record;
    return key === undefined || key === null ? this.#stickyShard() : this.#shardOf(key);
  }

  /** A record without a key stays on one shard until a batch of it closes, then takes the next: larger batches. */
  #stickyShard(): ShardWriter | ReadOnlyShard {
    const { shards } = this;
    const batches = (shard: ShardWriter | ReadOnlyShard): number => shard instanceof ShardWriter ? shard.batches : 0;
    if (shards[this.#sticky].state !== "open" || batches(shards[this.#sticky]) !== this.#stickyBatches) {
      for (let step = 1; step <= shards.length; step++) {
        const next = (this.#sticky + step) % shards.length;
        if (shards[next].state === "open") {
          this.#sticky = next;
          break;
        }
      }
      this.#stickyBatches = batches(shards[this.#sticky]);
    }
    return shards[this.#sticky];
  }

  #shardOf(key: BytesInput): ShardWriter | ReadOnlyShard {
    if (this.shards.length === 1 && (typeof key === "string" || key instanceof Uint8Array)) return this.shards[0];
    const bytes = bytesOf(key);
    return this.shards[shardOfKey(bytes, bytes.length, this.shards.length)];
  }

  #shardAt(id: number): ShardWriter | ReadOnlyShard {
    const shard = this.shards[id];
    if (shard === undefined) {
      throw new RangeError(`Cannot use shard ${String(id)}: this log has shards 0 to ${this.shards.length - 1}`);
    }
    return shard;
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) {
      throw new LogError("CLOSED", `Cannot use the log in ${this.directory}: it is closed; open it again`);
    }
  }
}
