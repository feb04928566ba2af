/**
 * An open log: its shards, who gets which record, reading, closing.
 *
 * @module
 */
import type { BackupOptions, BackupReport } from "../backup/backup_types.ts";
import type { BytesInput, RecordInput } from "../batch/record_input.ts";
import type { ProducerHandle } from "../claims/handle.ts";
import { Consumers } from "../consumers/consumers.ts";
import type { ConsumerHandle } from "../consumers/handle.ts";
import type { ClampEvent, Consumer, ConsumerInfo, ConsumerOptions, GroupOptions } from "../consumers/types.ts";
import { asLogError, LogError } from "../errors.ts";
import type { Engine, Rung, SignalOptions } from "../options.ts";
import type { RawRange, RawReadOptions } from "../read/raw_reader.ts";
import type { ReadOptions } from "../read/read_options.ts";
import type { ShardView } from "../read/shard_view.ts";
import type { LogBatch } from "../read/stored_batch.ts";
import type { LogRecord } from "../read/stored_record.ts";
import type { Shard } from "../shard/shard_types.ts";
import { ShardWriter } from "../shard/shard_writer.ts";
import type { SpaceGuard } from "../retention/space_guard.ts";
import type { CountProgress, UserCount } from "../users/count_users.ts";
import type { VfsLock } from "../vfs.ts";
import { untilAborted } from "../aborting.ts";
import { AppendQueue } from "./append_queue.ts";
import { backUpOpened } from "./backup.ts";
import type { Guarantee } from "./guarantee.ts";
import { bytesOf } from "./key_bytes.ts";
import { LogInside } from "./log_inside.ts";
import { LogReading } from "./log_reading.ts";
import { consumerOwners } from "./consumer_context.ts";
import { takeIf } from "./conditional_append.ts";
import type { FlushTimer } from "./flush_timer.ts";
import { NamedProducers, numberedShard } from "./idempotent_producer.ts";
import type { IdempotentOptions, IdempotentProducer } from "./idempotent_types.ts";
import type { Appended, AppendOptions, Log, RecordPlace, UserStream } from "./log_types.ts";
import type { Manifest } from "./manifest.ts";
import type { OpenedShard, RecoveryReport } from "./opened_shard.ts";
import type { ProducerOptions, Producers } from "./producers.ts";
import { type OpenShard, ShardChoice } from "./shard_choice.ts";
import { readableOf, type ReadableStreamOptions, writableOf, type WritableStreamOptions } from "./streams.ts";
import type { LogStats } from "./stats.ts";
import { prometheusText } from "./stats_text.ts";

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
  /** Stored offsets of consumers that stood behind the end. */
  readonly clamps?: readonly ClampEvent[];
  /** `undefined` where a full disk is not watched for. */
  readonly space?: SpaceGuard | undefined;
}

/** The embedded log: files in a directory, written by this program. */
export class EmbeddedLog implements Log {
  readonly directory: string;
  readonly topic: string;
  readonly shards: readonly OpenShard[];
  readonly recovery: readonly RecoveryReport[];
  /** 16 bytes that tell this log from every other. */
  readonly id: Uint8Array;
  readonly inside: LogInside;
  readonly #parts: LogParts;
  readonly #queues: readonly AppendQueue[];
  readonly #reading: LogReading;
  readonly #choice: ShardChoice;
  /** Its consumers, for what the public face has no name for. */
  readonly groups: Consumers;
  readonly #named: NamedProducers;
  #closing: Promise<void> | undefined = undefined;

  constructor(parts: LogParts) {
    this.#parts = parts;
    this.directory = parts.directory;
    this.topic = parts.manifest.topic;
    this.id = parts.manifest.id;
    this.inside = new LogInside({ maxBufferBytes: 0, ...parts, topic: this.topic });
    this.shards = parts.opened.map((opened) => opened.shard);
    this.recovery = parts.opened.map((opened) => opened.report);
    this.#choice = new ShardChoice(this.shards);
    this.#reading = new LogReading(parts.opened, this.#choice, parts.engine.codecs, () => this.#assertOpen());
    this.#named = new NamedProducers(parts.engine.clock, parts.durability);
    this.#queues = this.shards.map((shard) => new AppendQueue(shard));
    const { engine, directory, durability, clamps = [] } = parts;
    const context = {
      vfs: engine.vfs,
      directory,
      logId: this.id,
      durability,
      views: this.views,
      isDamaged: (shard: number) => this.recovery[shard].verdict === "corrupt",
      ...consumerOwners(engine.vfs, directory),
    };
    this.groups = new Consumers(context, engine.clock, engine.codecs, clamps);
    this.inside.consumers.add(() => this.groups.lags());
  }

  /** The shards as readers see them. */
  get views(): readonly ShardView[] {
    return this.#reading.views;
  }

  async append(record: RecordInput, options: AppendOptions = {}): Promise<Appended> {
    this.#assertOpen();
    options.signal?.throwIfAborted();
    const shard = this.#choice.ofRecord(record);
    const queue = this.#queues[shard.id];
    const taken = takeIf(this, this.#parts.engine, shard, queue, record, options) ?? queue.take(record, options.signal);
    const offset = typeof taken === "number" ? taken : await taken;
    await shard.acknowledged(offset, options.durability ?? this.#parts.durability, options);
    return { shard: shard.id, offset };
  }

  producer(options: ProducerOptions = {}): ProducerHandle {
    this.#assertOpen();
    const wanted = options.shard === undefined ? this.shards : [this.#choice.at(options.shard)];
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
    const { shard } = options;
    return await this.#named.open(() => numberedShard(this.#choice.named(shard, "make a producer")), name, options);
  }

  fence(handle: ProducerHandle): void {
    this.#parts.producers?.fence(handle);
  }

  consumer(name: string, options: ConsumerOptions = {}): Consumer {
    this.#assertOpen();
    return this.groups.consumer(name, options);
  }

  consumerHandle(name: string, options: GroupOptions = {}): ConsumerHandle {
    this.#assertOpen();
    return this.groups.handle(name, options);
  }

  async consumers(): Promise<readonly ConsumerInfo[]> {
    this.#assertOpen();
    return await this.groups.list();
  }

  shard(id: number): Shard {
    return this.#choice.at(id);
  }

  shardFor(key: BytesInput): Shard {
    return this.#choice.ofKey(key);
  }

  user(key: BytesInput): UserStream {
    return this.#reading.user(key);
  }

  async trimUser(key: BytesInput, offset: number): Promise<void> {
    this.#assertOpen();
    const shard = this.#choice.ofKey(key);
    if (shard instanceof ShardWriter) await shard.trimming.user(bytesOf(key), offset);
    // It refuses with its reason.
    else await shard.trimBefore();
  }

  /** The users of a shard with the most records, for the command line. */
  countUsers(shard: number, top: number, progress: CountProgress, signal?: AbortSignal): Promise<UserCount[]> {
    return this.#reading.countUsers(shard, top, progress, signal);
  }

  read(options: ReadOptions = {}): AsyncIterableIterator<LogRecord> {
    return this.#reading.read(options);
  }

  toReadableStream({ highWaterMark, ...options }: ReadableStreamOptions = {}): ReadableStream<LogRecord> {
    return readableOf(this.read(options), highWaterMark);
  }

  toWritableStream(options: WritableStreamOptions = {}): WritableStream<RecordInput> {
    this.#assertOpen();
    return writableOf({
      take: (record, signal) => {
        this.#assertOpen();
        return this.#queues[this.#choice.ofRecord(record).id].take(record, signal);
      },
      flush: (rung, options) => this.flush(rung, options),
    }, options);
  }

  readRaw(options: RawReadOptions = {}): AsyncIterableIterator<RawRange> {
    return this.#reading.readRaw(options);
  }

  get(place: RecordPlace, options: SignalOptions = {}): Promise<LogRecord | undefined> {
    return this.#reading.get(place, options);
  }

  batches(options: ReadOptions = {}): AsyncIterableIterator<LogBatch> {
    return this.#reading.batches(options);
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
    this.#parts.space?.stop();
    const results = await Promise.allSettled(this.shards.map((shard) => shard.close()));
    for (const { users } of this.#parts.opened) await users?.close();
    this.#parts.timer?.stop();
    this.#parts.producers?.stop();
    for (const opened of this.#parts.opened) opened.remote?.close();
    await this.#reading.close();
    results.push(...await Promise.allSettled([this.groups.close()]));
    try {
      await this.#parts.lock?.release();
    } catch (error) {
      results.push({ status: "rejected", reason: asLogError(error, `close the log in ${this.directory}`) });
    }
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) {
      throw new LogError("CLOSED", `Cannot use the log in ${this.directory}: it is closed; open it again`);
    }
  }
}
