/**
 * The public face of a log on a Kafka cluster.
 *
 * @module
 */
import type { CodecName } from "../../batch/format.ts";
import type { LogError } from "../../errors.ts";
import type { Log } from "../../log/log_types.ts";
import type { Untyped } from "../../log/typed_records.ts";
import type { Shard } from "../../shard/shard_types.ts";
import type { KafkaOptions } from "../kafka_options.ts";

/** Options of `openKafkaLog`. */
export interface KafkaLogOptions extends Omit<KafkaOptions, "vfs"> {
  /** Another number of partitions than this is an error, as with `openLog`. @default {the topic's} */
  shards?: number;
  /** How long records wait for others of the same batch, in milliseconds; 0: only for the batch before. @default {20} */
  flushIntervalMs?: number;
  /** Size at which a batch goes out, in bytes, 1,024–1,000,000, and never above the topic's `max.message.bytes`. @default {65_536} */
  batchBytes?: number;
  /** Bytes that may wait for the broker in one shard; above it `tryAppend` answers `BACKPRESSURE`. From 65,536. @default {8 MiB} */
  maxBufferPerShard?: number;
  /** How batches are compressed. Finished ones, given to `tryAppendBatch`, stay as they are. @default {"none"} */
  compression?: CodecName;
  /** Called once for each shard that takes no more records. */
  onError?: (error: LogError) => void;
}

/** A shard of such a log: a partition. */
export interface KafkaShard extends Shard {
  /** The offset that the broker gave to a record that `tryAppend` took; waits for its acknowledgement. */
  placed(taken: number): Promise<number>;
}

/**
 * A log whose shards are the partitions of a topic: a {@linkcode Log}, used as one that `openLog` opens. What differs:
 *
 * - Offsets come with the acknowledgement. The number that `tryAppend` answers is the offset as long as nobody else writes to the
 *   partition; `append` answers the real one always.
 * - Both rungs mean what the topic's `min.insync.replicas` means: an acknowledgement says that all replicas in sync have it;
 *   `guarantee()` names the numbers.
 * - Consumers are consumer groups of the cluster, of the same name: shards are dealt out among the members on all machines. A worker
 *   with a `consumerHandle` is a member by itself, with its own connections.
 * - What named producers and numbered batches have written is asked of the broker, which must be Kafka 2.8 or later; if somebody else
 *   uses the same numbers, the acknowledgement fails with `CONFLICT`.
 * - `backup` fetches all that the topic has, as `restoreFromKafka` does: an embedded log with an id of its own.
 * - Producers in workers are told numbers, too: the offsets as long as nobody else writes to the partition, and no worker died between
 *   claiming them and handing its batch over.
 * - `user`, `trimUser` and conditions of `append` need the embedded log and fail with `UNSUPPORTED`.
 *
 * @example
 * ```ts
 * import { openLog } from "@bimip/log";
 * import { openKafkaLog } from "@bimip/log/kafka";
 *
 * const { KAFKA } = globalThis as { KAFKA?: string }; // such as "broker-1:9092"
 * const log = KAFKA === undefined ? await openLog("./data/chat-example") : await openKafkaLog({ brokers: KAFKA, topic: "chat" });
 * await log.append({ key: "alice", value: "hi" });
 * await log.close();
 * ```
 */
export interface KafkaLog<T = Untyped, In = T> extends Log<T, In> {
  /** By number. */
  readonly shards: readonly KafkaShard[];
  /** A shard by number. Throws `RangeError` where there is none. */
  shard(id: number): KafkaShard;
  /** The shard of a key, as Kafka's default partitioner has it. */
  shardFor(key: string | Uint8Array): KafkaShard;
}
