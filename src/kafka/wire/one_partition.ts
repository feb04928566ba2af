/**
 * What a broker answers about the only partition that it was asked for.
 *
 * @module
 */
import { WireError, type WireReader } from "./encoding.ts";

/**
 * Reads an array of topics, each with an array of partitions, and answers what `read` made of the first one.
 *
 * @param read Reads what stands behind the partition's number.
 * @throws {WireError} The answer has no partition.
 */
export function readOnePartition<T>(answer: WireReader, read: () => T): T {
  const topics = answer.array(() => {
    answer.string();
    return answer.array(() => {
      answer.int32();
      return { result: read() };
    });
  });
  const found = topics[0]?.[0];
  if (found === undefined) throw new WireError("it says nothing about the partition");
  return found.result;
}
