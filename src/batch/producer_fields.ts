/**
 * The producer fields of a batch: who produced it, and which of the producer's records are in it.
 *
 * @module
 */
import { readI16, readI32, readI64, writeI32, writeI64, writeU16 } from "../bytes.ts";
import { crc32c } from "./crc32c.ts";
import {
  BASE_SEQUENCE_AT,
  batchBytesAt,
  CRC_AT,
  CRC_FROM,
  LAST_OFFSET_DELTA_AT,
  PRODUCER_EPOCH_AT,
  PRODUCER_ID_AT,
} from "./format.ts";

/** Sequences of an epoch: behind 2,147,483,647 comes 0. */
export const SEQUENCES: number = 2 ** 31;
/** Largest epoch of a producer. */
export const MAX_PRODUCER_EPOCH = 32_767;

/** Who produced a batch, and the sequence of its first record. */
export interface ProducerOfBatch {
  /** A whole number from 0 to 2^53 - 1; those from 2^52 on belong to named producers. */
  readonly id: number;
  /** 0–32,767. A later one locks the earlier ones out. */
  readonly epoch: number;
  /** 0–2,147,483,647; after that it begins again with 0. A new epoch begins with 0. */
  readonly sequence: number;
}

/** The same of a batch that is there, and how many sequences it covers. */
export interface ProducedBatch extends ProducerOfBatch {
  readonly count: number;
}

/** The sequence `count` records after another one. */
export function nextSequence(sequence: number, count: number): number {
  return (sequence + count) % SEQUENCES;
}

/**
 * Answers a copy of the fields.
 *
 * @throws {RangeError} where one is out of range.
 */
export function checkProducer({ id, epoch, sequence }: ProducerOfBatch): ProducerOfBatch {
  const check = (name: string, value: number, high: number): void => {
    if (Number.isSafeInteger(value) && value >= 0 && value <= high) return;
    throw new RangeError(
      `Cannot build batches: ${name} must be a whole number from 0 to ${high}, not ${String(value)}`,
    );
  };
  check("producer.id", id, Number.MAX_SAFE_INTEGER);
  check("producer.epoch", epoch, MAX_PRODUCER_EPOCH);
  check("producer.sequence", sequence, SEQUENCES - 1);
  return { id, epoch, sequence };
}

/** Writes the fields into a finished batch, and its CRC, which covers them. */
export function stampProducer(bytes: Uint8Array, at: number, { id, epoch, sequence }: ProducerOfBatch): void {
  writeI64(bytes, at + PRODUCER_ID_AT, id);
  writeU16(bytes, at + PRODUCER_EPOCH_AT, epoch);
  writeI32(bytes, at + BASE_SEQUENCE_AT, sequence);
  writeI32(bytes, at + CRC_AT, crc32c(bytes, at + CRC_FROM, at + batchBytesAt(bytes, at)));
}

/** True where a batch names a producer. */
export function hasProducer(bytes: Uint8Array, at: number): boolean {
  return bytes[at + PRODUCER_ID_AT] < 0x80;
}

/** The fields as they stand. Nothing is judged. */
export function readProducer(bytes: Uint8Array, at: number): ProducedBatch {
  return {
    id: readI64(bytes, at + PRODUCER_ID_AT),
    epoch: readI16(bytes, at + PRODUCER_EPOCH_AT),
    sequence: readI32(bytes, at + BASE_SEQUENCE_AT),
    count: readI32(bytes, at + LAST_OFFSET_DELTA_AT) + 1,
  };
}
