/**
 * The few requests that copying a log takes, in versions that every broker from Kafka 2.1 to 4 answers.
 *
 * @module
 */
import type { BrokerConnection } from "./connection.ts";
import { WireError, type WireReader, WireWriter } from "./encoding.ts";
import { brokerError, MESSAGE_TOO_LARGE } from "./kafka_error.ts";
import { readOnePartition } from "./one_partition.ts";

const PRODUCE = 0;
const FETCH = 1;
const LIST_OFFSETS = 2;
const METADATA = 3;
const INIT_PRODUCER_ID = 22;
const DESCRIBE_CONFIGS = 32;

const ACKS_ALL = -1;
const NO_REPLICA = -1;
/** Times that mean the two ends of a partition. */
const LATEST = -1;
const EARLIEST = -2;
const NO_EPOCH = -1;
const TOPIC_RESOURCE = 2;

/** A broker of the cluster. */
export interface BrokerAddress {
  readonly id: number;
  readonly host: string;
  readonly port: number;
}

/** What a cluster says of a topic. */
export interface TopicMetadata {
  readonly clusterId: string;
  readonly brokers: readonly BrokerAddress[];
  /** Kafka's error code for the topic; 0: none. */
  readonly error: number;
  /** Broker id of each partition's leader, by partition; -1 where it has none at the moment. */
  readonly leaders: readonly number[];
  /** How many replicas each partition has. */
  readonly replicas: readonly number[];
  /** How many of them are in sync. */
  readonly inSync: readonly number[];
}

/** Asks for the cluster's brokers and a topic's leaders. The topic is not created. */
export async function requestMetadata(connection: BrokerConnection, topic: string): Promise<TopicMetadata> {
  const body = new WireWriter().int32(1).string(topic).bool(false);
  const answer = await connection.request(METADATA, 4, [body.bytes], `look up topic ${topic}`);
  answer.int32();
  const brokers = answer.array(() => {
    const broker = { id: answer.int32(), host: answer.string() ?? "", port: answer.int32() };
    answer.string();
    return broker;
  });
  const clusterId = answer.string() ?? "";
  answer.int32();
  const topics = answer.array(() => readTopic(answer));
  const [found] = topics;
  if (found === undefined) throw new WireError("it says nothing about the topic");
  return { clusterId, brokers, ...found };
}

function readTopic(answer: WireReader): Pick<TopicMetadata, "error" | "leaders" | "replicas" | "inSync"> {
  const error = answer.int16();
  answer.string();
  answer.bool();
  const partitions = answer.array(() => {
    answer.int16();
    const partition = { id: answer.int32(), leader: answer.int32() };
    const replicas = answer.array(() => answer.int32()).length;
    return { ...partition, replicas, inSync: answer.array(() => answer.int32()).length };
  });
  const leaders: number[] = new Array<number>(partitions.length).fill(-1);
  const inSync: number[] = new Array<number>(partitions.length).fill(0);
  for (const partition of partitions) {
    const { id } = partition;
    if (id < 0 || id >= partitions.length) throw new WireError(`it names partition ${id} of ${partitions.length}`);
    leaders[id] = partition.leader;
    inSync[id] = partition.inSync;
  }
  return { error, leaders, replicas: partitions.map(({ replicas }) => replicas), inSync };
}

/** A producer as the cluster knows it. */
export interface ProducerIdentity {
  readonly id: number;
  readonly epoch: number;
}

/** Asks for a producer id that nobody had before. */
export async function requestProducerId(connection: BrokerConnection): Promise<ProducerIdentity> {
  const action = "get a producer id";
  const body = new WireWriter().string(null).int32(60_000);
  const answer = await connection.request(INIT_PRODUCER_ID, 1, [body.bytes], action);
  answer.int32();
  const code = answer.int16();
  if (code !== 0) throw brokerError(code, action);
  return { id: answer.int64(), epoch: answer.int16() };
}

/** Which batch of which partition. */
export interface PartitionPlace {
  readonly topic: string;
  readonly partition: number;
}

/**
 * Sends one batch, as it is, and waits until all replicas in sync have it.
 *
 * @returns The offset that its first record got.
 */
export async function requestProduce(
  connection: BrokerConnection,
  { topic, partition }: PartitionPlace,
  batch: Uint8Array,
): Promise<number> {
  const action = `write to partition ${partition} of ${topic}`;
  const head = new WireWriter().string(null).int16(ACKS_ALL).int32(connection.timeoutMs);
  head.int32(1).string(topic).int32(1).int32(partition).int32(batch.length);
  const answer = await connection.request(PRODUCE, 7, [head.bytes, batch], action);
  const result = readOnePartition(answer, () => {
    const code = answer.int16();
    const baseOffset = answer.int64();
    answer.int64();
    answer.int64();
    return { code, baseOffset };
  });
  if (MESSAGE_TOO_LARGE.includes(result.code)) {
    throw await tooLarge(connection, topic, batch.length, action, result.code);
  }
  if (result.code !== 0) throw brokerError(result.code, action, { shard: partition });
  return result.baseOffset;
}

async function tooLarge(
  connection: BrokerConnection,
  topic: string,
  bytes: number,
  action: string,
  code: number,
): Promise<Error> {
  const limit = await requestTopicSetting(connection, topic, "max.message.bytes").catch(() => undefined);
  const error = brokerError(code, action);
  const known = limit === undefined ? "the topic's max.message.bytes" : `max.message.bytes of the topic is ${limit}`;
  error.message += `: a batch has ${bytes} bytes, ${known}; raise it to at least ${bytes}`;
  return error;
}

/** A setting of a topic; `undefined` where the broker does not tell it, as where that is not permitted. */
export async function requestTopicSetting(
  connection: BrokerConnection,
  topic: string,
  name: string,
): Promise<string | undefined> {
  const body = new WireWriter().int32(1).int8(TOPIC_RESOURCE).string(topic).int32(1).string(name).bool(false);
  const answer = await connection.request(DESCRIBE_CONFIGS, 1, [body.bytes], `ask for ${name} of ${topic}`);
  answer.int32();
  const [settings] = answer.array(() => {
    answer.int16();
    answer.string();
    answer.int8();
    answer.string();
    return answer.array(() => {
      const setting = { name: answer.string(), value: answer.string() };
      answer.bool();
      answer.int8();
      answer.bool();
      answer.array(() => [answer.string(), answer.string(), answer.int8()]);
      return setting;
    });
  });
  return settings?.find((setting) => setting.name === name)?.value ?? undefined;
}

/**
 * Where a partition begins and ends: the oldest offset, and the one that the next record gets.
 *
 * @param isCommitted The end is where the first transaction begins that is still open.
 */
export async function requestOffsets(
  connection: BrokerConnection,
  { topic, partition }: PartitionPlace,
  isCommitted: boolean = false,
): Promise<{ earliest: number; end: number }> {
  const action = `ask for the offsets of partition ${partition} of ${topic}`;
  const ask = (time: number): Promise<number> =>
    requestOffset(connection, { topic, partition }, time, isCommitted, action);
  const [end, earliest] = [await ask(LATEST), await ask(EARLIEST)];
  return { earliest, end };
}

/** The first offset whose record has at least this timestamp, in milliseconds; `undefined` where none has. */
export async function requestOffsetAt(
  connection: BrokerConnection,
  place: PartitionPlace,
  time: number,
): Promise<number | undefined> {
  const action = `look for a time in partition ${place.partition} of ${place.topic}`;
  // Times below zero have meanings of their own.
  const offset = await requestOffset(connection, place, Math.max(0, Math.ceil(time)), false, action);
  return offset < 0 ? undefined : offset;
}

async function requestOffset(
  connection: BrokerConnection,
  { topic, partition }: PartitionPlace,
  time: number,
  isCommitted: boolean,
  action: string,
): Promise<number> {
  const body = new WireWriter().int32(NO_REPLICA).int8(isCommitted ? 1 : 0);
  body.int32(1).string(topic).int32(1).int32(partition).int64(time);
  const answer = await connection.request(LIST_OFFSETS, 2, [body.bytes], action);
  answer.int32();
  const result = readOnePartition(answer, () => {
    const code = answer.int16();
    answer.int64();
    return { code, offset: answer.int64() };
  });
  if (result.code !== 0) throw brokerError(result.code, action, { shard: partition });
  return result.offset;
}

/** What a fetch brought. */
export interface Fetched {
  /** Batches, the last one perhaps cut off. */
  readonly bytes: Uint8Array;
  /** The oldest offset of the partition. */
  readonly logStart: number;
  /** The exclusive end of what is readable. */
  readonly highWatermark: number;
  /** Transactions that were aborted, where only committed records were asked for: the producer's id, and its first offset. */
  readonly aborted: readonly (readonly [producerId: number, firstOffset: number])[];
}

/** Fetches whole batches from the one with `offset` on; at least one, however large it is. */
export async function requestFetch(
  connection: BrokerConnection,
  { topic, partition }: PartitionPlace,
  offset: number,
  maxBytes: number,
  isCommitted: boolean = false,
): Promise<Fetched> {
  const action = `read partition ${partition} of ${topic}`;
  const body = new WireWriter().int32(NO_REPLICA).int32(500).int32(1).int32(maxBytes).int8(isCommitted ? 1 : 0);
  body.int32(0).int32(NO_EPOCH);
  body.int32(1).string(topic).int32(1).int32(partition).int32(NO_EPOCH).int64(offset).int64(-1).int32(maxBytes);
  body.int32(0).string("");
  const answer = await connection.request(FETCH, 11, [body.bytes], action);
  answer.int32();
  const whole = answer.int16();
  if (whole !== 0) throw brokerError(whole, action, { shard: partition });
  answer.int32();
  const result = readOnePartition(answer, () => {
    const code = answer.int16();
    const highWatermark = answer.int64();
    answer.int64();
    const logStart = answer.int64();
    const aborted = answer.array(() => [answer.int64(), answer.int64()] as const);
    answer.int32();
    return { code, highWatermark, logStart, aborted, bytes: answer.sized() };
  });
  if (result.code !== 0) throw brokerError(result.code, action, { shard: partition });
  return result;
}
