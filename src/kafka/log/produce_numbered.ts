/**
 * Sends a batch with the numbers that its producer gave it.
 *
 * @module
 */
import { BASE_OFFSET_AT, EPOCH_AT } from "../../batch/format.ts";
import { writeI32, writeI64 } from "../../bytes.ts";
import type { BrokerConnection } from "../wire/connection.ts";
import { KafkaError, refusesBatch } from "../wire/kafka_error.ts";
import { type PartitionPlace, requestProduce } from "../wire/requests.ts";

/**
 * Sends it once.
 *
 * @returns The offset of its first record, also where it was there already; or why the broker refuses this batch, and only this one.
 * @throws {KafkaError} Nobody knows whether it was written, or nothing can be.
 */
export async function produceNumbered(
  leader: BrokerConnection,
  place: PartitionPlace,
  batch: Uint8Array,
): Promise<number | KafkaError> {
  try {
    return await requestProduce(leader, place, batch);
  } catch (error) {
    if (error instanceof KafkaError && refusesBatch(error.number)) return error;
    throw error;
  }
}

/** Clears what a batch says of where it stood; no checksum covers it. */
export function neutralize(batch: Uint8Array): void {
  writeI64(batch, BASE_OFFSET_AT, 0);
  writeI32(batch, EPOCH_AT, -1);
}
