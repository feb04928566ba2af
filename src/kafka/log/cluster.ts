/**
 * What readers of a log on a cluster share.
 *
 * @module
 */
import type { Codecs } from "../../batch/codecs.ts";
import { LogError } from "../../errors.ts";
import type { ReadOptions } from "../../read/read_options.ts";
import type { ConsumerLags } from "../group/consumer_lags.ts";
import { type KafkaOptions, patienceOf } from "../kafka_options.ts";
import type { BrokerConnection } from "../wire/connection.ts";
import type { KafkaTopic } from "../wire/cluster.ts";
import type { Patience } from "../wire/patience.ts";
import { requestOffsetAt, requestOffsets } from "../wire/requests.ts";

/** Longest time without progress while brokers are away. */
const PATIENCE_MS = 120_000;
/** A topic that was there is there again so soon after its broker. */
const KNOWN_TOPIC_MS = 10_000;
/** One that was just created is known to every broker so soon. */
export const NEW_TOPIC_MS = 2000;

/** A log's way to its cluster. */
export interface Cluster {
  readonly options: KafkaOptions;
  readonly codecs: Codecs;
  readonly partitions: number;
  /** Those of its writers. */
  readonly connections: KafkaTopic;
  /** What is known of its consumers in this program. */
  readonly lags: ConsumerLags;
  /** Set off when the log is closed. */
  readonly closed: AbortSignal;
}

/** Connections of their own: a reader that waits for records must not keep a writer waiting. */
export function ownConnections({ connections }: Cluster): KafkaTopic {
  return connections.another();
}

/** How long one task waits for brokers. */
export function patienceFor(
  { options }: Pick<Cluster, "options">,
  signal: AbortSignal | undefined,
  unknownTopicMs: number = KNOWN_TOPIC_MS,
): Patience {
  return patienceOf(options, PATIENCE_MS, signal, unknownTopicMs);
}

/** Asks with patience. */
export async function ask<T>(
  topic: KafkaTopic,
  partition: number,
  patience: Patience,
  request: (leader: BrokerConnection) => Promise<T>,
): Promise<T> {
  for (;;) {
    try {
      const answer = await request(await topic.leader(partition));
      patience.succeeded();
      return answer;
    } catch (error) {
      topic.forget();
      await patience.wait(error);
    }
  }
}

/** Where one partition is read. */
export interface PartitionRange {
  readonly from: number;
  readonly fromTime: number | undefined;
  /** Exclusive end: that of this moment, or the one that was asked for. */
  readonly end: number;
  readonly earliest: number;
}

/**
 * Finds where a reader begins and ends.
 *
 * @throws {LogError} `OFFSET_OUT_OF_RANGE`; the message names the valid range.
 */
export async function findRange(
  topic: KafkaTopic,
  partition: number,
  patience: Patience,
  options: ReadOptions,
): Promise<PartitionRange> {
  const range = await findStart(topic, partition, patience, options);
  const { before } = options;
  if (before === undefined) return range;
  const named = typeof before === "number" ? before : (before as readonly number[])[partition] ?? Infinity;
  const place = { topic: topic.topic, partition };
  const found = before instanceof Date
    ? await ask(topic, partition, patience, (leader) => requestOffsetAt(leader, place, before.getTime())) ?? Infinity
    : named;
  return { ...range, end: Math.min(range.end, found) };
}

async function findStart(
  topic: KafkaTopic,
  partition: number,
  patience: Patience,
  { from = "earliest", isolation }: ReadOptions,
): Promise<PartitionRange> {
  const place = { topic: topic.topic, partition };
  const isCommitted = isolation === "committed";
  const { earliest, end } = await ask(
    topic,
    partition,
    patience,
    (leader) => requestOffsets(leader, place, isCommitted),
  );
  if (from === "earliest") return { from: earliest, fromTime: undefined, earliest, end };
  if (from === "latest") return { from: end, fromTime: undefined, earliest, end };
  if (from instanceof Date) {
    const time = from.getTime();
    if (!Number.isFinite(time)) throw new TypeError("Cannot read from a time: the Date is invalid");
    const found = await ask(topic, partition, patience, (leader) => requestOffsetAt(leader, place, time));
    return { from: found ?? end, fromTime: time, earliest, end };
  }
  const offset = typeof from === "number" ? from : Array.isArray(from) ? (from as number[])[partition] : undefined;
  if (offset === undefined || !Number.isSafeInteger(offset) || offset < 0) {
    throw new TypeError(
      `Cannot read shard ${partition} from ${String(from)}: give an offset, "earliest", "latest" or a Date`,
    );
  }
  if (offset < earliest || offset > end) {
    throw new LogError(
      "OFFSET_OUT_OF_RANGE",
      `Cannot read shard ${partition} from offset ${offset}: valid offsets are ${earliest} to ${end}`,
      { shard: partition, range: [earliest, end] },
    );
  }
  return { from: offset, fromTime: undefined, earliest, end };
}
