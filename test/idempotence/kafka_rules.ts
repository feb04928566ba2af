/** Kafka's rules for the next batch of a producer, as they are told. */
import type { ConflictReason } from "../../mod.ts";

/** Sequences wrap here. */
export const MODULUS: number = 2 ** 31;

/** A batch that was written. */
export interface ModelBatch {
  readonly epoch: number;
  readonly sequence: number;
  readonly count: number;
  readonly base: number;
}

/** The batch's offset, -1 where it is to be written, or why it is refused; `batches`: all of the producer, oldest first. */
export function expectedOf(
  batches: readonly ModelBatch[],
  epoch: number,
  sequence: number,
  count: number,
): number | ConflictReason {
  const last = batches.at(-1);
  if (last === undefined) return -1;
  if (epoch < last.epoch) return "INVALID_PRODUCER_EPOCH";
  if (epoch > last.epoch) return sequence === 0 ? -1 : "OUT_OF_ORDER_SEQUENCE_NUMBER";
  const window = batches.slice(-5).filter((batch) => batch.epoch === epoch);
  const same = window.find((batch) => batch.sequence === sequence && batch.count === count);
  if (same !== undefined) return same.base;
  const next = (last.sequence + last.count) % MODULUS;
  if (sequence === next) return -1;
  // Sequences of these tests stay within a few thousand around the next one.
  const behind = (next - sequence + MODULUS) % MODULUS;
  const window0 = (next - window[0].sequence + MODULUS) % MODULUS;
  return behind < MODULUS / 2 && behind - count >= window0
    ? "DUPLICATE_SEQUENCE_NUMBER"
    : "OUT_OF_ORDER_SEQUENCE_NUMBER";
}
