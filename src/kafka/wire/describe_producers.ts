/**
 * What a partition's leader knows of the producers that write to it.
 *
 * @module
 */
import type { BrokerConnection } from "./connection.ts";
import { WireError, WireWriter } from "./encoding.ts";
import { brokerError, KafkaError } from "./kafka_error.ts";
import type { PartitionPlace } from "./requests.ts";

const API_VERSIONS = 18;
const DESCRIBE_PRODUCERS = 61;
const UNSUPPORTED_VERSION = 35;

/** A producer as the leader knows it: its last batch. */
export interface ActiveProducer {
  readonly id: number;
  readonly epoch: number;
  /** The sequence of its last record; -1 where it has none in this epoch. */
  readonly lastSequence: number;
  /** The largest timestamp of that batch. */
  readonly lastTimestamp: number;
}

/**
 * Asks for the producers that the leader remembers.
 *
 * @throws {KafkaError} `UNSUPPORTED` where the broker is older than Kafka 2.8.
 */
export async function requestProducers(
  connection: BrokerConnection,
  { topic, partition }: PartitionPlace,
): Promise<ActiveProducer[]> {
  const action = `ask for the producers of partition ${partition} of ${topic}`;
  // A broker that does not know a request hangs up without a word.
  if (!await answers(connection, DESCRIBE_PRODUCERS, action)) {
    const message = `Cannot ${action}: the broker must be Kafka 2.8 or later`;
    throw new KafkaError("UNSUPPORTED", "UNSUPPORTED_VERSION", UNSUPPORTED_VERSION, false, message, {
      shard: partition,
    });
  }
  // The head of a request of a flexible version ends with tags, and so does that of its answer.
  const body = new WireWriter().tags();
  body.count(1).compactString(topic).count(1).int32(partition).tags().tags();
  const answer = await connection.request(DESCRIBE_PRODUCERS, 0, [body.bytes], action);
  answer.tags();
  answer.int32();
  const topics = answer.compactArray(() => {
    answer.compactString();
    const partitions = answer.compactArray(() => {
      answer.int32();
      const code = answer.int16();
      answer.compactString();
      const producers = answer.compactArray(() => {
        const producer = {
          id: answer.int64(),
          epoch: answer.int32(),
          lastSequence: answer.int32(),
          lastTimestamp: answer.int64(),
        };
        answer.int32();
        answer.int64();
        answer.tags();
        return producer;
      });
      answer.tags();
      return { code, producers };
    });
    answer.tags();
    return partitions;
  });
  const found = topics[0]?.[0];
  if (found === undefined) throw new WireError("it says nothing about the partition");
  if (found.code !== 0) throw brokerError(found.code, action, { shard: partition });
  return found.producers;
}

/** Whether a broker answers a request, in its first version. */
async function answers(connection: BrokerConnection, request: number, action: string): Promise<boolean> {
  const answer = await connection.request(API_VERSIONS, 0, [], action);
  const code = answer.int16();
  if (code !== 0) throw brokerError(code, action);
  const known = answer.array(() => ({ key: answer.int16(), from: answer.int16(), to: answer.int16() }));
  return known.some(({ key, from }) => key === request && from === 0);
}
