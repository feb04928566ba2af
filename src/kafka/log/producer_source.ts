/**
 * What can be found out about the producers of a partition.
 *
 * @module
 */
import type { TakenBatch } from "../../idempotence/producer_states.ts";

/** What is known of a producer. */
export interface FoundProducer {
  /** Its last batches as far as they were looked for, oldest first. Without offsets: only where the last one ends is known. */
  readonly batches: readonly TakenBatch[];
  /** The leader remembers its last five batches. */
  readonly isActive: boolean;
  /** Where it was not found: it may have written in front of this offset, where the records are removed by now. */
  readonly unseenBefore: number;
}

/** Where it is found out. */
export interface ProducerSource {
  /** What a producer has written. */
  find(id: number): Promise<FoundProducer>;
  /** The offset of a batch that the broker may have among the producer's last five; `undefined` where it has not. Writes nothing. */
  place(batch: Uint8Array): Promise<number | undefined>;
}
