/**
 * Where the fields of a Kafka RecordBatch (magic 2) lie, and the checks of its header. Shared by everything that
 * writes or reads batches; see docs/format.md.
 *
 * @module
 */
import { readI16, readI32, readI64, readU16, readU32, writeI32, writeI64, writeU16 } from "../bytes.ts";
import { crc32c } from "./crc32c.ts";

export const BASE_OFFSET_AT = 0;
export const BATCH_LENGTH_AT = 8;
export const EPOCH_AT = 12;
export const MAGIC_AT = 16;
export const CRC_AT = 17;
export const ATTRIBUTES_AT = 21;
export const LAST_OFFSET_DELTA_AT = 23;
export const BASE_TIMESTAMP_AT = 27;
export const MAX_TIMESTAMP_AT = 35;
export const PRODUCER_ID_AT = 43;
export const PRODUCER_EPOCH_AT = 51;
export const BASE_SEQUENCE_AT = 53;
export const RECORDS_COUNT_AT = 57;
/** Size of the header: records follow. */
export const HEADER_BYTES = 61;
/** `batchLength` counts the bytes behind itself. */
export const LENGTH_OVERHEAD = 12;
/** Kafka's CRC covers everything from here. */
export const CRC_FROM: number = ATTRIBUTES_AT;
export const MAGIC = 2;

export const CODEC_MASK = 0x07;
export const LOG_APPEND_TIME = 0x08;
export const TRANSACTIONAL = 0x10;
export const CONTROL = 0x20;
export const DELETE_HORIZON = 0x40;
/** Attribute bits without a meaning so far. */
export const UNKNOWN_ATTRIBUTES = 0xff80;

/** No batch on disk may claim to be larger: half of the largest segment. Checked before memory is taken. */
export const MAX_BATCH_BYTES: number = 1024 * 1024 * 1024;
/** The batch size that brokers accept by default, less some room. */
export const MAX_SHARED_BATCH_BYTES = 1_000_000;

/** Name of a compression codec. */
export type CodecName = "none" | "gzip" | "snappy" | "lz4" | "zstd";
/** Codec names by the number that attributes hold. */
export const CODECS: readonly CodecName[] = ["none", "gzip", "snappy", "lz4", "zstd"];

/** The header fields of one batch. */
export interface BatchHeader {
  readonly baseOffset: number;
  /** Offset of the last record: also counts records that compaction took out. */
  readonly lastOffset: number;
  /** Header and records. */
  readonly bytes: number;
  readonly epoch: number;
  readonly crc: number;
  readonly attributes: number;
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly count: number;
}

/** Bytes of the batch that starts at `at`, from its length field; may be nonsense in a damaged file. */
export function batchBytesAt(bytes: Uint8Array, at: number): number {
  return readI32(bytes, at + BATCH_LENGTH_AT) + LENGTH_OVERHEAD;
}

/** Decodes a header without judging it. */
export function readHeader(bytes: Uint8Array, at: number): BatchHeader {
  const baseOffset = readI64(bytes, at + BASE_OFFSET_AT);
  return {
    baseOffset,
    lastOffset: baseOffset + readI32(bytes, at + LAST_OFFSET_DELTA_AT),
    bytes: batchBytesAt(bytes, at),
    epoch: readI32(bytes, at + EPOCH_AT),
    crc: readU32(bytes, at + CRC_AT),
    attributes: readU16(bytes, at + ATTRIBUTES_AT),
    baseTimestamp: readI64(bytes, at + BASE_TIMESTAMP_AT),
    maxTimestamp: readI64(bytes, at + MAX_TIMESTAMP_AT),
    producerId: readI64(bytes, at + PRODUCER_ID_AT),
    producerEpoch: readI16(bytes, at + PRODUCER_EPOCH_AT),
    baseSequence: readI32(bytes, at + BASE_SEQUENCE_AT),
    count: readI32(bytes, at + RECORDS_COUNT_AT),
  };
}

/**
 * Why the header at `at` cannot be one, or `undefined`. `available` is how many bytes there are from `at`: a batch
 * that claims more is refused here, before anybody takes memory for it. The CRC is not looked at.
 */
export function headerFault(bytes: Uint8Array, at: number, available: number): string | undefined {
  if (available < HEADER_BYTES) return `only ${available} bytes are left, a batch header has ${HEADER_BYTES}`;
  const magic = bytes[at + MAGIC_AT];
  if (magic !== MAGIC) return `magic is ${magic}, not ${MAGIC}`;
  const size = batchBytesAt(bytes, at);
  if (size < HEADER_BYTES || size > MAX_BATCH_BYTES) return `the length field says ${size} bytes`;
  if (size > available) return `the length field says ${size} bytes, ${available} are left`;
  const base = readI64(bytes, at + BASE_OFFSET_AT);
  const delta = readI32(bytes, at + LAST_OFFSET_DELTA_AT);
  const count = readI32(bytes, at + RECORDS_COUNT_AT);
  if (delta < 0 || !Number.isSafeInteger(base) || base < 0 || !Number.isSafeInteger(base + delta + 1)) {
    return `offsets ${base} + ${delta} are out of range`;
  }
  if (count < 0 || count > delta + 1) return `it claims ${count} records for ${delta + 1} offsets`;
  const baseTimestamp = readI64(bytes, at + BASE_TIMESTAMP_AT);
  const maxTimestamp = readI64(bytes, at + MAX_TIMESTAMP_AT);
  if (!Number.isSafeInteger(baseTimestamp) || !Number.isSafeInteger(maxTimestamp)) {
    return `timestamps ${baseTimestamp} and ${maxTimestamp} are out of range`;
  }
  return undefined;
}

/** CRC-32C of `bytes[start]` to `bytes[end - 1]`. */
export type Checksum = (bytes: Uint8Array, start: number, end: number) => number;

/**
 * Why the batch at `at` is not intact, or `undefined`: header, then CRC.
 *
 * @param checksum Another way to the same CRC-32C, for memory of a kind of its own.
 */
export function batchFault(
  bytes: Uint8Array,
  at: number,
  available: number,
  checksum: Checksum = crc32c,
): string | undefined {
  const fault = headerFault(bytes, at, available);
  if (fault !== undefined) return fault;
  const actual = checksum(bytes, at + CRC_FROM, at + batchBytesAt(bytes, at));
  const stored = readU32(bytes, at + CRC_AT);
  return actual === stored ? undefined : `the checksum is ${hex32(actual)}, the header says ${hex32(stored)}`;
}

/** CRC-32C of the 61 header bytes: covers the fields that Kafka's CRC leaves out. Index rows hold it. */
export function headerDigest(bytes: Uint8Array, at: number): number {
  return crc32c(bytes, at, at + HEADER_BYTES);
}

/** What a writer knows when it seals a batch. */
export interface SealFields {
  bytes: number;
  epoch: number;
  baseOffset: number;
  lastOffsetDelta: number;
  baseTimestamp: number;
  maxTimestamp: number;
  count: number;
  /** The codec's number. @default {0} */
  attributes?: number;
}

/** Fills in the header of a batch without producer fields, and its CRC, in place. */
export function sealHeader(bytes: Uint8Array, at: number, fields: SealFields): void {
  writeI64(bytes, at + BASE_OFFSET_AT, fields.baseOffset);
  writeI32(bytes, at + BATCH_LENGTH_AT, fields.bytes - LENGTH_OVERHEAD);
  writeI32(bytes, at + EPOCH_AT, fields.epoch);
  bytes[at + MAGIC_AT] = MAGIC;
  writeU16(bytes, at + ATTRIBUTES_AT, fields.attributes ?? 0);
  writeI32(bytes, at + LAST_OFFSET_DELTA_AT, fields.lastOffsetDelta);
  writeI64(bytes, at + BASE_TIMESTAMP_AT, fields.baseTimestamp);
  writeI64(bytes, at + MAX_TIMESTAMP_AT, fields.maxTimestamp);
  writeI64(bytes, at + PRODUCER_ID_AT, -1);
  writeU16(bytes, at + PRODUCER_EPOCH_AT, 0xffff);
  writeI32(bytes, at + BASE_SEQUENCE_AT, -1);
  writeI32(bytes, at + RECORDS_COUNT_AT, fields.count);
  writeI32(bytes, at + CRC_AT, crc32c(bytes, at + CRC_FROM, at + fields.bytes));
}

/** Gives a finished batch its place in a log. Both fields are outside the CRC, which stays valid. */
export function patchBatch(bytes: Uint8Array, at: number, baseOffset: number, epoch: number): void {
  writeI64(bytes, at + BASE_OFFSET_AT, baseOffset);
  writeI32(bytes, at + EPOCH_AT, epoch);
}

export function hex32(value: number): string {
  return (value >>> 0).toString(16).padStart(8, "0");
}
