/** Kafka's rules for the next batch of a producer, as they are told, and batches that try them. */
import fc from "fast-check";
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

/** Which batch of a producer a test sends. */
export interface Sending {
  readonly id: number;
  /** 0: the next one. Otherwise one of those before, or a place around it. */
  readonly back: number;
  readonly shift: number;
  readonly count: number;
  readonly epoch: number;
}

/** What a {@linkcode Sending} of one of these producers is drawn from. */
export function sendingsOf(ids: readonly number[]): { [name in keyof Sending]: fc.Arbitrary<number> } {
  return {
    id: fc.constantFrom(...ids),
    back: fc.constantFrom(0, 0, 0, 0, 1, 2, 3, 5, 6, 7),
    shift: fc.constantFrom(0, 0, 0, 0, 0, 1, -1, 3),
    count: fc.integer({ min: 1, max: 4 }),
    epoch: fc.constantFrom(0, 0, 0, 0, 0, 0, 1, -1),
  };
}

/** The batch that is meant, behind those that its producer has written; `first`: the sequence of a producer's first one. */
export function chosenBatch(
  batches: readonly ModelBatch[],
  { back, shift, count, epoch }: Sending,
  first: number,
): Omit<ModelBatch, "base"> {
  const last = batches.at(-1);
  const again = back > 0 ? batches.at(-back) : undefined;
  const next = last === undefined ? first : epoch > 0 ? 0 : (last.sequence + last.count) % MODULUS;
  return {
    epoch: Math.max(0, (again ?? last ?? { epoch: 0 }).epoch + epoch),
    sequence: ((again?.sequence ?? next) + shift + MODULUS) % MODULUS,
    count: again?.count ?? count,
  };
}
