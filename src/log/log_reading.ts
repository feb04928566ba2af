/**
 * The reading half of an open log.
 *
 * @module
 */
import type { BytesInput } from "../batch/record_input.ts";
import type { Codecs } from "../batch/codecs.ts";
import type { SignalOptions } from "../options.ts";
import { BatchReader } from "../read/batch_reader.ts";
import { BlockCache } from "../read/block_cache.ts";
import { type RawRange, RawReader, type RawReadOptions } from "../read/raw_reader.ts";
import { checkBatchOptions, checkReadOptions, type ReadOptions } from "../read/read_options.ts";
import { RecordReader } from "../read/reader.ts";
import type { ShardView } from "../read/shard_view.ts";
import type { LogBatch } from "../read/stored_batch.ts";
import type { LogRecord } from "../read/stored_record.ts";
import { type CountProgress, countUsers, type UserCount } from "../users/count_users.ts";
import { untilAborted } from "../aborting.ts";
import type { RecordPlace, UserStream } from "./log_types.ts";
import type { OpenedShard } from "./opened_shard.ts";
import { bytesOf } from "./key_bytes.ts";
import type { ShardChoice } from "./shard_choice.ts";
import { IndexedUserStream, tablesOf } from "./user_stream.ts";

/** What {@linkcode Log} says of each of these holds here. */
export class LogReading {
  /** The shards as readers see them. */
  readonly views: readonly ShardView[];
  readonly #opened: readonly OpenedShard[];
  readonly #shards: ShardChoice;
  readonly #codecs: Codecs;
  readonly #assertOpen: () => void;
  readonly #blocks: BlockCache;

  constructor(opened: readonly OpenedShard[], shards: ShardChoice, codecs: Codecs, assertOpen: () => void) {
    this.#opened = opened;
    this.views = opened.map(({ view }) => view);
    this.#shards = shards;
    this.#codecs = codecs;
    this.#assertOpen = assertOpen;
    this.#blocks = new BlockCache(codecs);
  }

  user(key: BytesInput): UserStream {
    const bytes = bytesOf(key);
    const { view, users, trimOf } = this.#opened[this.#shards.ofKey(key).id];
    return new IndexedUserStream(view, bytes, this.#codecs, this.#assertOpen, users, () => trimOf(bytes));
  }

  /** The users of a shard with the most records. */
  countUsers(shard: number, top: number, progress: CountProgress, signal?: AbortSignal): Promise<UserCount[]> {
    this.#assertOpen();
    return countUsers(tablesOf(this.views[shard]), this.#codecs, top, progress, signal);
  }

  read(options: ReadOptions = {}): AsyncIterableIterator<LogRecord> {
    const views = this.#viewsFor(options);
    return new RecordReader(views, options, this.#codecs, undefined, this.#blocks);
  }

  readRaw(options: RawReadOptions = {}): AsyncIterableIterator<RawRange> {
    this.#assertOpen();
    const shard = this.#shards.named(options.shard, "read ranges of batches");
    return new RawReader(this.views[shard.id], options, this.#codecs);
  }

  async get(place: RecordPlace, { signal }: SignalOptions = {}): Promise<LogRecord | undefined> {
    signal?.throwIfAborted();
    return await untilAborted(this.#get(place), signal);
  }

  async #get({ shard, offset }: RecordPlace): Promise<LogRecord | undefined> {
    this.#assertOpen();
    const view = this.views[this.#shards.named(shard, "get a record").id];
    if (!Number.isSafeInteger(offset) || offset < 0) {
      throw new TypeError(`Cannot get a record: its offset must be a whole number from 0, not ${String(offset)}`);
    }
    const found = this.#blocks.read(view, offset, 1);
    let records: readonly LogRecord[] | undefined = found instanceof Promise ? await found : found;
    if (records === undefined) {
      const reader = new RecordReader([view], { from: offset, limit: 1 }, this.#codecs);
      records = [];
      for await (const record of reader) records = [record];
    }
    return records[0]?.offset === offset ? records[0] : undefined;
  }

  batches(options: ReadOptions = {}): AsyncIterableIterator<LogBatch> {
    const views = this.#viewsFor(options);
    checkBatchOptions(options, views.length);
    return new BatchReader(views, options, this.#codecs);
  }

  close(): Promise<void> {
    return this.#blocks.close();
  }

  /** The shards that a reader with these options reads. */
  #viewsFor(options: ReadOptions): readonly ShardView[] {
    this.#assertOpen();
    if (options.shard !== undefined) this.#shards.at(options.shard);
    const views = options.shard === undefined ? this.views : [this.views[options.shard]];
    checkReadOptions(options, views.length);
    return views;
  }
}
