/**
 * Moves the start of a partition.
 *
 * @module
 */
import type { BrokerConnection } from "./connection.ts";
import { WireWriter } from "./encoding.ts";
import { brokerError } from "./kafka_error.ts";
import { readOnePartition } from "./one_partition.ts";
import type { PartitionPlace } from "./requests.ts";

const DELETE_RECORDS = 21;

/**
 * Drops all records below an offset.
 *
 * @returns The partition's first offset now.
 */
export async function requestDeleteRecords(
  connection: BrokerConnection,
  { topic, partition }: PartitionPlace,
  offset: number,
): Promise<number> {
  const action = `trim partition ${partition} of ${topic}`;
  const body = new WireWriter().int32(1).string(topic).int32(1).int32(partition).int64(offset);
  body.int32(connection.timeoutMs);
  const answer = await connection.request(DELETE_RECORDS, 1, [body.bytes], action);
  answer.int32();
  const result = readOnePartition(answer, () => {
    const start = answer.int64();
    return { start, code: answer.int16() };
  });
  if (result.code !== 0) throw brokerError(result.code, action, { shard: partition });
  return result.start;
}
