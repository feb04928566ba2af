/**
 * An open log: its shards, who gets which record, reading, closing.
 *
 * @module
 */
import type { BytesInput, RecordInput } from "../batch/record_input.ts";
import type { ProducerHandle } from "../claims/handle.ts";
import { asLogError, LogError } from "../errors.ts";
import type { Engine, Rung } from "../options.ts";
import { BatchReader } from "../read/batch_reader.ts";
import { BlockCache } from "../read/block_cache.ts";
import type { ReadOptions } from "../read/read_options.ts";
import { RecordReader } from "../read/reader.ts";
import type { ShardView } from "../read/shard_view.ts";
import type { LogBatch } from "../read/stored_batch.ts";
import type { LogRecord } from "../read/stored_record.ts";
import type { SpaceGuard } from "../retention/space_guard.ts";
import type { ReadOnlyShard } from "../shard/read_only_shard.ts";
import type { Shard } from "../shard/shard_types.ts";
import { ShardWriter } from "../shard/shard_writer.ts";
import type { VfsLock } from "../vfs.ts";
import { AppendQueue } from "./append_queue.ts";
import type { FlushTimer } from "./flush_timer.ts";
import type { Appended, AppendOptions, Log, RecordPlace, UserStream } from "./log_types.ts";
import type { Manifest } from "./manifest.ts";
import type { OpenedShard, RecoveryReport } from "./open_shard.ts";
import { shardOfKey } from "./partitioner.ts";
import type { ProducerOptions, Producers } from "./producers.ts";
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
  /** `undefined` where a full disk is not watched for. */
  readonly space?: SpaceGuard | undefined;
}

const utf8 = new TextEncoder();

/** The embedded log: files in a directory, written by this program. */
export class EmbeddedLog implements Log {
  readonly directory: string;
  readonly topic: string;
  readonly shards: readonly (ShardWriter | ReadOnlyShard)[];
  readonly recovery: readonly RecoveryReport[];
  /** 16 bytes that tell this log from every other. */
  readonly id: Uint8Array;
  readonly #parts: LogParts;
  readonly #views: readonly ShardView[];
  readonly #queues: readonly AppendQueue[];
  readonly #blocks: BlockCache;
  /** Shard for records without a key, and how many batches it had finished when it became that. */
  #sticky = 0;
  #stickyBatches = 0;
  #closing: Promise<void> | undefined = undefined;

  constructor(parts: LogParts) {
    this.#parts = parts;
    this.directory = parts.directory;
    this.topic = parts.manifest.topic;
    this.id = parts.manifest.id;
    this.shards = parts.opened.map((opened) => opened.shard);
    this.recovery = parts.opened.map((opened) => opened.report);
    this.#views = parts.opened.map((opened) => opened.view);
    this.#blocks = new BlockCache(parts.engine.codecs);
    this.#queues = this.shards.map((shard) => new AppendQueue(shard));
  }

  async append(record: RecordInput, options: AppendOptions = {}): Promise<Appended> {
    this.#assertOpen();
    options.signal?.throwIfAborted();
    if (typeof record !== "object" || record === null) {
      throw new TypeError("Cannot append a record: it must be an object");
    }
    const { key } = record;
    const shard = key === undefined || key === null ? this.#stickyShard() : this.#shardOf(key);
    const taken = this.#queues[shard.id].take(record, options.signal);
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
    const { id } = this.#shardOf(key);
    const { trimOf } = this.#parts.opened[id];
    const assertOpen = (): void => this.#assertOpen();
    return new ScannedUserStream(this.#views[id], bytes, this.#parts.engine.codecs, assertOpen, () => trimOf(bytes));
  }

  async trimUser(key: BytesInput, offset: number): Promise<void> {
    this.#assertOpen();
    const shard = this.#shardOf(key);
    if (shard instanceof ShardWriter) await shard.trimUser(bytesOf(key), offset);
    // It refuses with its reason.
    else await shard.trimBefore();
  }

  read(options: ReadOptions = {}): AsyncIterableIterator<LogRecord> {
    const views = this.#viewsFor(options);
    return new RecordReader(views, options, this.#parts.engine.codecs, undefined, this.#blocks);
  }

  async get({ shard, offset }: RecordPlace): Promise<LogRecord | undefined> {
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
    if (options.last !== undefined && views.length > 1) {
      throw new TypeError("Cannot read the last batches of all shards: name a shard");
    }
    return new BatchReader(views, options, this.#parts.engine.codecs);
  }

  /** The shards that a reader with these options reads. */
  #viewsFor(options: ReadOptions): readonly ShardView[] {
    this.#assertOpen();
    checkReadOptions(options);
    if (options.shard !== undefined) this.#shardAt(options.shard);
    const views = options.shard === undefined ? this.#views : [this.#views[options.shard]];
    if (typeof options.from === "number" && views.length > 1) {
      throw new TypeError(
        "Cannot read from an offset on all shards: name a shard, or give an array of offsets by shard",
      );
    }
    return views;
  }

  async flush(rung: Rung = this.#parts.durability): Promise<void> {
    this.#assertOpen();
    const results = await Promise.allSettled(
      this.shards.filter((shard) => shard.state !== "readOnly").map((shard) => shard.flush(rung)),
    );
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

function bytesOf(key: BytesInput): Uint8Array {
  if (typeof key === "string") return utf8.encode(key);
  if (key instanceof Uint8Array) return key;
  throw new TypeError(`Cannot use a key: it must be a string or a Uint8Array, not a ${typeof key}`);
}

function checkReadOptions(options: ReadOptions): void {
  for (const name of ["last", "limit"] as const) {
    const value = options[name];
    if (value !== undefined && (!Number.isSafeInteger(value) || value < 0)) {
      throw new RangeError(`Cannot read: ${name} must be a whole number from 0, not ${String(value)}`);
    }
  }
}
