/**
 * A log whose shards are the partitions of a topic.
 *
 * @module
 */
import type { BytesInput, RecordInput } from "../../batch/record_input.ts";
import type { ProducerHandle } from "../../claims/handle.ts";
import { LogError } from "../../errors.ts";
import { AppendQueue } from "../../log/append_queue.ts";
import type { Appended, AppendOptions, RecordPlace, UserStream } from "../../log/log_types.ts";
import type { RecoveryReport } from "../../log/opened_shard.ts";
import { shardOfKey } from "../../log/partitioner.ts";
import type { Rung } from "../../options.ts";
import type { ReadOptions } from "../../read/read_options.ts";
import type { LogBatch } from "../../read/stored_batch.ts";
import type { LogRecord } from "../../read/stored_record.ts";
import type { Cluster } from "./cluster.ts";
import { readBatches, readRecords } from "./cluster_reader.ts";
import type { KafkaLog } from "./kafka_log_types.ts";
import type { PartitionWriter } from "./partition_writer.ts";

const utf8 = new TextEncoder();

/** See {@linkcode KafkaLog}. */
export class ClusterLog implements KafkaLog {
  readonly directory: string;
  readonly topic: string;
  readonly recovery: readonly RecoveryReport[] = [];
  readonly shards: readonly PartitionWriter[];
  readonly #cluster: Cluster;
  readonly #queues: readonly AppendQueue[];
  readonly #disconnect: () => void;
  /** Shard for records without a key, and how many batches it had finished when it became that. */
  #sticky = 0;
  #stickyBatches = 0;
  #closing: Promise<void> | undefined = undefined;

  constructor(cluster: Cluster, shards: readonly PartitionWriter[], disconnect: () => void) {
    const { brokers, topic } = cluster.options;
    this.directory = `kafka://${String(brokers)}/${topic}`;
    this.topic = topic;
    this.shards = shards;
    this.#cluster = cluster;
    this.#queues = shards.map((shard) => new AppendQueue(shard));
    this.#disconnect = disconnect;
  }

  async append(record: RecordInput, { signal }: AppendOptions = {}): Promise<Appended> {
    this.#assertOpen();
    signal?.throwIfAborted();
    if (typeof record !== "object" || record === null) {
      throw new TypeError("Cannot append a record: it must be an object");
    }
    const { key } = record;
    const shard = key === undefined || key === null ? this.#stickyShard() : this.shardFor(key);
    const taken = this.#queues[shard.id].take(record, signal);
    const offset = await untilAborted(
      typeof taken === "number" ? shard.placed(taken) : taken.then((taken) => shard.placed(taken)),
      signal,
    );
    return { shard: shard.id, offset };
  }

  shard(id: number): PartitionWriter {
    const shard = this.shards[id];
    if (shard === undefined) {
      throw new RangeError(`Cannot use shard ${String(id)}: this log has shards 0 to ${this.shards.length - 1}`);
    }
    return shard;
  }

  shardFor(key: BytesInput): PartitionWriter {
    if (typeof key !== "string" && !(key instanceof Uint8Array)) {
      throw new TypeError(`Cannot use a key: it must be a string or a Uint8Array, not a ${typeof key}`);
    }
    const bytes = typeof key === "string" ? utf8.encode(key) : key;
    return this.shards[shardOfKey(bytes, bytes.length, this.shards.length)];
  }

  read(options: ReadOptions = {}): AsyncIterableIterator<LogRecord> {
    return readRecords(this.#cluster, this.#partitionsFor(options), options);
  }

  batches(options: ReadOptions = {}): AsyncIterableIterator<LogBatch> {
    if (options.last !== undefined) {
      throw new TypeError("Cannot read the last batches of a log on Kafka: read records, or begin at an offset");
    }
    return readBatches(this.#cluster, this.#partitionsFor(options), options);
  }

  async get({ shard, offset }: RecordPlace): Promise<LogRecord | undefined> {
    this.#assertOpen();
    if (shard === undefined && this.shards.length > 1) {
      throw new TypeError("Cannot get a record: name its shard, this log has several");
    }
    if (!Number.isSafeInteger(offset) || offset < 0) {
      throw new TypeError(`Cannot get a record: its offset must be a whole number from 0, not ${String(offset)}`);
    }
    const { id } = this.shard(shard ?? 0);
    for await (const record of this.read({ shard: id, from: offset, limit: 1 })) {
      return record.offset === offset ? record : undefined;
    }
    return undefined;
  }

  user(_key: BytesInput): UserStream {
    throw this.#embeddedOnly("read the records of one key", "read the shard of the key, or keep the log embedded");
  }

  producer(): ProducerHandle {
    throw this.#embeddedOnly("make a producer for a thread", "open a log of its own there");
  }

  fence(_producer: ProducerHandle): void {
    throw this.#embeddedOnly("lock a producer out", "there is none");
  }

  async flush(rung?: Rung): Promise<void> {
    this.#assertOpen();
    const results = await Promise.allSettled(this.shards.map((shard) => shard.flush(rung)));
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

  #partitionsFor(options: ReadOptions): number[] {
    this.#assertOpen();
    const { shard, from, last, limit } = options;
    // Never silently something else than was asked for.
    for (const name of ["before", "reverse", "where", "isolation"]) {
      const value = (options as Record<string, unknown>)[name];
      if (value !== undefined && value !== false && value !== "uncommitted") {
        throw this.#embeddedOnly(
          `read with ${name}`,
          "restore the topic into a log and read that, or choose among the records",
        );
      }
    }
    for (const [name, value] of [["last", last], ["limit", limit]] as const) {
      if (value !== undefined && (!Number.isSafeInteger(value) || value < 0)) {
        throw new RangeError(`Cannot read: ${name} must be a whole number from 0, not ${String(value)}`);
      }
    }
    if (shard !== undefined) return [this.shard(shard).id];
    if (typeof from === "number" && this.shards.length > 1) {
      throw new TypeError(
        "Cannot read from an offset on all shards: name a shard, or give an array of offsets by shard",
      );
    }
    return this.shards.map(({ id }) => id);
  }

  /** A record without a key stays on one shard until a batch of it closes, then takes the next: larger batches. */
  #stickyShard(): PartitionWriter {
    const { shards } = this;
    const isDone = (shard: PartitionWriter): boolean => shard.state !== "open" || shard.batches !== this.#stickyBatches;
    if (isDone(shards[this.#sticky])) {
      for (let step = 1; step <= shards.length; step++) {
        this.#sticky = (this.#sticky + 1) % shards.length;
        if (shards[this.#sticky].state === "open") break;
      }
      this.#stickyBatches = shards[this.#sticky].batches;
    }
    return shards[this.#sticky];
  }

  #embeddedOnly(action: string, advice: string): LogError {
    return new LogError("UNSUPPORTED", `Cannot ${action} on a cluster: it needs the embedded log; ${advice}`);
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) {
      throw new LogError("CLOSED", `Cannot use the log ${this.directory}: it is closed; open it again`);
    }
  }
}

/** The task, or the signal's reason as soon as it is given. */
function untilAborted<T>(task: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return task;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    task.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
