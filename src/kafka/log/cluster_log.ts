/**
 * A log whose shards are the partitions of a topic.
 *
 * @module
 */
import type { BackupOptions, BackupReport } from "../../backup/backup_types.ts";
import type { BytesInput, RecordInput } from "../../batch/record_input.ts";
import type { ProducerHandle } from "../../claims/handle.ts";
import type { ConsumerHandle } from "../../consumers/handle.ts";
import type { Consumer, ConsumerInfo, ConsumerOptions, GroupOptions } from "../../consumers/types.ts";
import { LogError } from "../../errors.ts";
import { untilAborted } from "../../aborting.ts";
import { AppendQueue } from "../../log/append_queue.ts";
import type { Guarantee } from "../../log/guarantee.ts";
import { NamedProducers } from "../../log/idempotent_producer.ts";
import type { IdempotentOptions, IdempotentProducer } from "../../log/idempotent_types.ts";
import type { Appended, AppendOptions, RecordPlace, UserStream } from "../../log/log_types.ts";
import type { NumberedShard } from "../../log/named_producer.ts";
import type { RecoveryReport } from "../../log/opened_shard.ts";
import type { ProducerOptions, Producers } from "../../log/producers.ts";
import { ShardChoice } from "../../log/shard_choice.ts";
import type { LogStats } from "../../log/stats.ts";
import { prometheusText } from "../../log/stats_text.ts";
import { readableOf, type ReadableStreamOptions, writableOf, type WritableStreamOptions } from "../../log/streams.ts";
import type { Rung, SignalOptions } from "../../options.ts";
import type { RawRange, RawReadOptions } from "../../read/raw_reader.ts";
import { checkBatchOptions, checkReadOptions, type ReadOptions } from "../../read/read_options.ts";
import type { LogBatch } from "../../read/stored_batch.ts";
import type { LogRecord } from "../../read/stored_record.ts";
import { ClusterConsumer } from "../group/cluster_consumer.ts";
import { clusterConsumerHandle } from "../group/consumer_handle.ts";
import { listConsumers } from "../group/list_consumers.ts";
import type { KafkaTopic } from "../wire/cluster.ts";
import { backUpTopic } from "./backup_topic.ts";
import type { Cluster } from "./cluster.ts";
import { clusterGuarantee } from "./cluster_guarantee.ts";
import { readBatches, readRanges, readRecords } from "./cluster_reader.ts";
import { clusterStats } from "./cluster_stats.ts";
import type { KafkaLog } from "./kafka_log_types.ts";
import { numberedPartition } from "./numbered_partition.ts";
import type { TakenPlace } from "./partition_producers.ts";
import type { PartitionWriter } from "./partition_writer.ts";

/** See {@linkcode KafkaLog}. */
export class ClusterLog implements KafkaLog {
  readonly directory: string;
  readonly topic: string;
  readonly recovery: readonly RecoveryReport[] = [];
  readonly shards: readonly PartitionWriter[];
  readonly #choice: ShardChoice<PartitionWriter>;
  readonly #cluster: Cluster;
  readonly #queues: readonly AppendQueue[];
  readonly #connections: KafkaTopic;
  readonly #maxBuffer: number;
  readonly #producers = new NamedProducers(Date, "disk");
  readonly #workers: Producers;
  readonly #disconnect: () => void;
  readonly #openedMs = performance.now();
  #closing: Promise<void> | undefined = undefined;

  constructor(
    cluster: Cluster,
    shards: readonly PartitionWriter[],
    connections: KafkaTopic,
    maxBuffer: number,
    workers: Producers,
    disconnect: () => void,
  ) {
    const { brokers, topic } = cluster.options;
    this.directory = `kafka://${String(brokers)}/${topic}`;
    this.topic = topic;
    this.shards = shards;
    this.#choice = new ShardChoice(shards);
    this.#cluster = cluster;
    this.#queues = shards.map((shard) => new AppendQueue(shard));
    this.#connections = connections;
    this.#maxBuffer = maxBuffer;
    this.#workers = workers;
    this.#disconnect = disconnect;
  }

  async append(record: RecordInput, options: AppendOptions = {}): Promise<Appended> {
    this.#assertOpen();
    const { signal } = options;
    signal?.throwIfAborted();
    for (const name of ["ifOffset", "ifUserOffset"] as const) {
      if (options[name] === undefined) continue;
      throw embeddedOnly(
        `append with ${name}`,
        "a broker compares nothing; let one embedded log decide, and mirror it",
      );
    }
    const { shard, taken } = this.#take(record, signal);
    const offset = await untilAborted(
      typeof taken === "number" ? shard.placed(taken) : taken.then((taken) => shard.placed(taken)),
      signal,
    );
    return { shard: shard.id, offset };
  }

  shard(id: number): PartitionWriter {
    return this.#choice.at(id);
  }

  shardFor(key: BytesInput): PartitionWriter {
    return this.#choice.ofKey(key);
  }

  read(options: ReadOptions = {}): AsyncIterableIterator<LogRecord> {
    return readRecords(this.#cluster, this.#partitionsFor(options), options);
  }

  batches(options: ReadOptions = {}): AsyncIterableIterator<LogBatch> {
    const partitions = this.#partitionsFor(options);
    checkBatchOptions(options, partitions.length);
    return readBatches(this.#cluster, partitions, options);
  }

  readRaw(options: RawReadOptions = {}): AsyncIterableIterator<RawRange> {
    this.#assertOpen();
    return readRanges(this.#cluster, this.#choice.named(options.shard, "read ranges of batches").id, options);
  }

  toReadableStream({ highWaterMark, ...options }: ReadableStreamOptions = {}): ReadableStream<LogRecord> {
    return readableOf(this.read(options), highWaterMark);
  }

  toWritableStream(options: WritableStreamOptions = {}): WritableStream<RecordInput> {
    this.#assertOpen();
    return writableOf({
      take: (record, signal) => this.#take(record, signal).taken,
      flush: (rung, options) => this.flush(rung, options),
    }, options);
  }

  async get({ shard, offset }: RecordPlace, { signal }: SignalOptions = {}): Promise<LogRecord | undefined> {
    this.#assertOpen();
    const { id } = this.#choice.named(shard, "get a record");
    if (!Number.isSafeInteger(offset) || offset < 0) {
      throw new TypeError(`Cannot get a record: its offset must be a whole number from 0, not ${String(offset)}`);
    }
    const options = { shard: id, from: offset, limit: 1, ...(signal === undefined ? {} : { signal }) };
    for await (const record of this.read(options)) return record.offset === offset ? record : undefined;
    return undefined;
  }

  stats(): LogStats {
    const { directory, topic, shards } = this;
    const { lags } = this.#cluster;
    return clusterStats({ directory, topic, shards, openedMs: this.#openedMs, maxBuffer: this.#maxBuffer, lags });
  }

  statsText(): string {
    return prometheusText([this.stats()]);
  }

  async guarantee(): Promise<Guarantee> {
    this.#assertOpen();
    return await clusterGuarantee(this.#cluster, this.#connections);
  }

  consumer(name: string, options: ConsumerOptions = {}): Consumer {
    this.#assertOpen();
    return new ClusterConsumer(this.#cluster, name, options);
  }

  async consumers(): Promise<readonly ConsumerInfo[]> {
    this.#assertOpen();
    return await listConsumers(this.#cluster, this.#connections);
  }

  user(_key: BytesInput): UserStream {
    throw embeddedOnly("read the records of one key", "read the shard of the key with `where`");
  }

  trimUser(): Promise<void> {
    return Promise.reject(embeddedOnly("trim a user", "append a tombstone, and let the topic be compacted"));
  }

  producer(options: ProducerOptions = {}): ProducerHandle {
    this.#assertOpen();
    return this.#workers.create(options.shard === undefined ? this.shards : [this.shard(options.shard)], options);
  }

  fence(producer: ProducerHandle): void {
    this.#workers.fence(producer);
  }

  consumerHandle(name: string, options: GroupOptions = {}): ConsumerHandle {
    this.#assertOpen();
    return clusterConsumerHandle(this.#cluster, name, options);
  }

  async idempotentProducer(name: string, options: IdempotentOptions = {}): Promise<IdempotentProducer> {
    this.#assertOpen();
    const shard = (): NumberedShard<TakenPlace> =>
      numberedPartition(this.#choice.named(options.shard, "make a producer"));
    return await this.#producers.open(shard, name, options);
  }

  async backup(out: string, options: BackupOptions = {}): Promise<BackupReport> {
    this.#assertOpen();
    return await backUpTopic(this.#cluster, out, options);
  }

  async flush(rung?: Rung, options?: SignalOptions): Promise<void> {
    this.#assertOpen();
    const results = await Promise.allSettled(this.shards.map((shard) => shard.flush(rung, options)));
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
    this.#disconnect();
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  /** Hands a record to its shard, and says to which one. */
  #take(
    record: RecordInput,
    signal: AbortSignal | undefined,
  ): { shard: PartitionWriter; taken: number | Promise<number> } {
    const shard = this.#choice.ofRecord(record);
    return { shard, taken: this.#queues[shard.id].take(record, signal) };
  }

  #partitionsFor(options: ReadOptions): number[] {
    this.#assertOpen();
    const partitions = options.shard === undefined ? this.shards.map(({ id }) => id) : [this.shard(options.shard).id];
    checkReadOptions(options, partitions.length);
    return partitions;
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) {
      throw new LogError("CLOSED", `Cannot use the log ${this.directory}: it is closed; open it again`);
    }
  }
}

function embeddedOnly(action: string, advice: string): LogError {
  return new LogError("UNSUPPORTED", `Cannot ${action} on a cluster: it needs the embedded log; ${advice}`);
}
