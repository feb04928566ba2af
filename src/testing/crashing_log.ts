/**
 * The log in memory as a program sees it.
 *
 * @module
 */
import type { CrashKind } from "../../adapters/memory.ts";
import type { BackupOptions, BackupReport } from "../backup/backup_types.ts";
import type { BytesInput, RecordInput } from "../batch/record_input.ts";
import type { ProducerHandle } from "../claims/handle.ts";
import type { ConsumerHandle } from "../consumers/handle.ts";
import type { Consumer, ConsumerInfo, ConsumerOptions, GroupOptions } from "../consumers/types.ts";
import type { Appended, AppendOptions, Log, RecordPlace, UserStream } from "../log/log_types.ts";
import type { Guarantee } from "../log/guarantee.ts";
import type { IdempotentOptions, IdempotentProducer } from "../log/idempotent_types.ts";
import type { RecoveryReport } from "../log/opened_shard.ts";
import type { ProducerOptions } from "../log/producers.ts";
import { readableOf, type ReadableStreamOptions, writableOf, type WritableStreamOptions } from "../log/streams.ts";
import type { Rung, SignalOptions } from "../options.ts";
import type { RawRange, RawReadOptions } from "../read/raw_reader.ts";
import type { LogStats } from "../log/stats.ts";
import type { ReadOptions } from "../read/read_options.ts";
import type { LogBatch } from "../read/stored_batch.ts";
import type { LogRecord } from "../read/stored_record.ts";
import type { Shard } from "../shard/shard_types.ts";
import { CrashingConsumer } from "./crashing_consumer.ts";
import { CrashingReader, CrashingUserStream } from "./crashing_reader.ts";
import { CrashingShard } from "./crashing_shard.ts";
import type { Life } from "./life.ts";
import { CrashingProducer } from "./crashing_producer.ts";
import type { MemoryFault } from "./memory_fault.ts";
import type { MemoryLog, ReopenOptions } from "./memory_log_types.ts";
import type { SteppedClock } from "./stepped_clock.ts";

/** What a log may ask of the machine it is on. */
export interface LogMachine {
  readonly clock: SteppedClock;
  readonly seed: number;
  operations(life: Life): number;
  plan(fault: MemoryFault): () => void;
  crash(life: Life, kind: CrashKind, seed: number | undefined, options: ReopenOptions): Promise<MemoryLog>;
  open(options: ReopenOptions): Promise<MemoryLog>;
  /** Whether `crash` was called for this life, so that nobody takes its end for a success. */
  isCrashed(life: Life): boolean;
}

/** Passes everything on to the engine's log while the machine lives. */
export class CrashingLog implements MemoryLog {
  readonly directory: string;
  readonly topic: string;
  readonly shards: readonly Shard[];
  readonly recovery: readonly RecoveryReport[];
  readonly clock: SteppedClock;
  readonly seed: number;
  readonly #log: Log;
  readonly #life: Life;
  readonly #machine: LogMachine;

  constructor(log: Log, life: Life, machine: LogMachine) {
    this.#log = log;
    this.#life = life;
    this.#machine = machine;
    this.directory = log.directory;
    this.topic = log.topic;
    this.shards = log.shards.map((shard) => new CrashingShard(shard, life));
    this.recovery = log.recovery;
    this.clock = machine.clock;
    this.seed = machine.seed;
  }

  get operations(): number {
    return this.#machine.operations(this.#life);
  }

  append(record: RecordInput, options?: AppendOptions): Promise<Appended> {
    return this.#life.guard(() => this.#log.append(record, options));
  }

  shard(id: number): Shard {
    return this.shards[this.#log.shard(id).id];
  }

  shardFor(key: BytesInput): Shard {
    return this.shards[this.#log.shardFor(key).id];
  }

  user(key: BytesInput): UserStream {
    return new CrashingUserStream(this.#log.user(key), this.#life);
  }

  trimUser(key: BytesInput, offset: number): Promise<void> {
    return this.#life.guard(() => this.#log.trimUser(key, offset));
  }

  read(options?: ReadOptions): AsyncIterableIterator<LogRecord> {
    this.#life.assertAlive();
    return new CrashingReader(this.#log.read(options), this.#life);
  }

  toReadableStream({ highWaterMark, ...options }: ReadableStreamOptions = {}): ReadableStream<LogRecord> {
    return readableOf(this.read(options), highWaterMark);
  }

  toWritableStream(options: WritableStreamOptions = {}): WritableStream<RecordInput> {
    this.#life.assertAlive();
    const writer = this.#log.toWritableStream(options).getWriter();
    // It says so itself to whoever writes.
    writer.closed.catch(() => {});
    return writableOf({
      take: (record) => this.#life.guard(() => writer.write(record)),
      flush: () => this.#life.guard(() => writer.close()),
    }, options);
  }

  readRaw(options?: RawReadOptions): AsyncIterableIterator<RawRange> {
    this.#life.assertAlive();
    return new CrashingReader(this.#log.readRaw(options), this.#life);
  }

  get(place: RecordPlace, options?: SignalOptions): Promise<LogRecord | undefined> {
    return this.#life.guard(() => this.#log.get(place, options));
  }

  batches(options?: ReadOptions): AsyncIterableIterator<LogBatch> {
    this.#life.assertAlive();
    return new CrashingReader(this.#log.batches(options), this.#life);
  }

  producer(options?: ProducerOptions): ProducerHandle {
    this.#life.assertAlive();
    return this.#log.producer(options);
  }

  fence(producer: ProducerHandle): void {
    this.#life.assertAlive();
    this.#log.fence(producer);
  }

  stats(): LogStats {
    return this.#log.stats();
  }

  statsText(): string {
    return this.#log.statsText();
  }

  guarantee(): Promise<Guarantee> {
    return this.#life.guard(() => this.#log.guarantee());
  }

  backup(out: string, options?: BackupOptions): Promise<BackupReport> {
    return this.#life.guard(() => this.#log.backup(out, options));
  }

  consumer(name: string, options?: ConsumerOptions): Consumer {
    this.#life.assertAlive();
    return new CrashingConsumer(this.#log.consumer(name, options), this.#life);
  }

  consumerHandle(name: string, options?: GroupOptions): ConsumerHandle {
    this.#life.assertAlive();
    return this.#log.consumerHandle(name, options);
  }

  consumers(): Promise<readonly ConsumerInfo[]> {
    return this.#life.guard(() => this.#log.consumers());
  }

  flush(rung?: Rung, options?: SignalOptions): Promise<void> {
    return this.#life.guard(() => this.#log.flush(rung, options));
  }

  async idempotentProducer(name: string, options?: IdempotentOptions): Promise<IdempotentProducer> {
    const producer = await this.#life.guard(() => this.#log.idempotentProducer(name, options));
    return new CrashingProducer(producer, this.#life);
  }

  close(): Promise<void> {
    return this.#life.guard(() => this.#log.close());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#machine.isCrashed(this.#life)) await this.close();
  }

  plan(fault: MemoryFault): () => void {
    this.#life.assertAlive();
    return this.#machine.plan(fault);
  }

  crash(kind: CrashKind, seed?: number, options: ReopenOptions = {}): Promise<MemoryLog> {
    return this.#machine.crash(this.#life, kind, seed, options);
  }

  reopen(options: ReopenOptions = {}): Promise<MemoryLog> {
    return this.#machine.open(options);
  }
}
