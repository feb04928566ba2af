/**
 * Opens a log on a cluster.
 *
 * @module
 */
import { systemClock } from "../../../adapters/system.ts";
import type { Codecs } from "../../batch/codecs.ts";
import { LogError } from "../../errors.ts";
import { Producers } from "../../log/producers.ts";
import { ConsumerLags } from "../group/consumer_lags.ts";
import { connectTopic } from "../kafka_options.ts";
import { requestDeleteRecords } from "../wire/delete_records.ts";
import type { Patience } from "../wire/patience.ts";
import { requestOffsets, requestTopicSetting } from "../wire/requests.ts";
import { ask, NEW_TOPIC_MS, patienceFor } from "./cluster.ts";
import { ClusterLog } from "./cluster_log.ts";
import { ProducerFinder } from "./find_producer.ts";
import type { KafkaLogOptions } from "./kafka_log_types.ts";
import { PartitionSender } from "./partition_sender.ts";
import { PartitionWriter } from "./partition_writer.ts";

/** What a broker takes where it does not say. */
const USUAL_MAX_BYTES = 1_048_588;
/** Workers hand over after so many bytes or records, as with the embedded log. */
const WORKER_FLUSH_BYTES = 1_048_576;
const WORKER_STRIDE = 16_384;

/** Opens the log; `openKafkaLog` of the entry calls it with the runtime's codecs. */
export async function openCluster(options: KafkaLogOptions, runtimeCodecs: Codecs): Promise<ClusterLog> {
  const { maxBuffer, flushIntervalMs, ...wanted } = checked(options);
  const { signal } = options;
  signal?.throwIfAborted();
  const topic = connectTopic(options);
  try {
    const found = patienceFor({ options }, signal, NEW_TOPIC_MS);
    const setting = await ask(
      topic,
      0,
      found,
      (leader) => requestTopicSetting(leader, options.topic, "max.message.bytes"),
    );
    const maxBatchBytes = Number(setting) > 0 ? Number(setting) : USUAL_MAX_BYTES;
    const batchBytes = Math.min(wanted.batchBytes, maxBatchBytes);
    const partitions = (await topic.metadata()).leaders.length;
    if (options.shards !== undefined && options.shards !== partitions) {
      throw new LogError(
        "CONFLICT",
        `Cannot open ${options.topic}: it has ${partitions} partitions, not ${options.shards}; a key's shard follows from their number`,
      );
    }
    const ends = await Promise.all(Array.from({ length: partitions }, (_, partition) => {
      const place = { topic: options.topic, partition };
      return ask(topic, partition, patienceFor({ options }, signal), (leader) => requestOffsets(leader, place));
    }));
    // The signal is for opening only.
    const { signal: _, ...kept } = options;
    const closed = new AbortController();
    const codecs = options.codecs ?? runtimeCodecs;
    const lags = new ConsumerLags();
    const cluster = { options: kept, codecs, partitions, connections: topic, lags, closed: closed.signal };
    const onError = (error: LogError): void => options.onError?.(error);
    const patience = (): Patience => patienceFor(cluster, closed.signal);
    const shards = ends.map(({ earliest, end }, id) => {
      const finder = new ProducerFinder(cluster, id);
      return new PartitionWriter(
        {
          id,
          earliest,
          nextOffset: end,
          batchBytes,
          maxBatchBytes,
          maxBuffer,
          flushIntervalMs,
          compression: options.compression,
          codecs,
          onError,
          producers: finder,
          trim: (before) => {
            const place = { topic: options.topic, partition: id };
            return ask(topic, id, patience(), (leader) => requestDeleteRecords(leader, place, before));
          },
        },
        new PartitionSender(topic, id, patience(), end, (batch, from) => finder.locate(batch, from)),
      );
    });
    const limits = {
      batchBytes,
      flushBytes: WORKER_FLUSH_BYTES,
      stride: WORKER_STRIDE,
      flushIntervalMs,
      maxBatchBytes,
    };
    const workers = new Producers(limits, "disk", systemClock, partitions, onError);
    return new ClusterLog(cluster, shards, topic, maxBuffer, workers, () => {
      workers.stop();
      closed.abort();
      topic.close();
    });
  } catch (error) {
    topic.close();
    throw error;
  }
}

function checked(options: KafkaLogOptions): { batchBytes: number; maxBuffer: number; flushIntervalMs: number } {
  const { batchBytes = 65_536, maxBufferPerShard = 8 * 1024 * 1024, flushIntervalMs = 20 } = options;
  if (!Number.isSafeInteger(batchBytes) || batchBytes < 1024 || batchBytes > 1_000_000) {
    throw new RangeError(`Cannot open a log on Kafka: batchBytes must be 1024 to 1000000, not ${String(batchBytes)}`);
  }
  if (!Number.isSafeInteger(maxBufferPerShard) || maxBufferPerShard < 65_536) {
    throw new RangeError(
      `Cannot open a log on Kafka: maxBufferPerShard must be a whole number from 65536, not ${
        String(maxBufferPerShard)
      }`,
    );
  }
  if (!(flushIntervalMs >= 0)) {
    throw new RangeError(`Cannot open a log on Kafka: flushIntervalMs must be from 0, not ${String(flushIntervalMs)}`);
  }
  return { batchBytes, maxBuffer: maxBufferPerShard, flushIntervalMs };
}
