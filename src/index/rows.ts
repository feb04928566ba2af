/**
 * Rows of an `.idx` file: one function makes them from finished batches, at flush time and when rebuilding alike.
 *
 * @module
 */
import { continueCrc32c, crc32c } from "../batch/crc32c.ts";
import { type BatchHeader, HEADER_BYTES, headerDigest, readHeader } from "../batch/format.ts";
import { copyFew, holdsAt, readI64, readU16, readU32, writeI32, writeI64, writeU16 } from "../bytes.ts";

export const ROW_FILE_HEADER = 1;
export const ROW_BATCH = 2;
export const ROW_SEAL = 3;
/** Size of the three kinds of rows above. */
export const ROW_BYTES = 64;
/** Smallest row: length, type and checksum. */
const MIN_ROW_BYTES = 8;
const CRC_AT = 4;
const VERSION = 1;
const MAGIC: Uint8Array = new TextEncoder().encode("BIMIPIDX");

/** Whose index it is. */
export interface IndexIdentity {
  readonly logId: Uint8Array;
  readonly shard: number;
  readonly base: number;
}

/** What a batch row says. */
export interface BatchRow {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly position: number;
  readonly bytes: number;
  readonly digest: number;
  /** The largest timestamp of the segment up to and including this batch. */
  readonly runningMaxTimestamp: number;
  readonly count: number;
}

/** What a seal row says. */
export interface SealRow {
  readonly nextOffset: number;
  readonly logBytes: number;
  /** Where the row itself stands. */
  readonly rowPosition: number;
  readonly maxTimestamp: number;
  readonly lastDigest: number;
}

function beginRow(row: Uint8Array, at: number, type: number): void {
  row.fill(0, at, at + ROW_BYTES);
  writeU16(row, at, ROW_BYTES);
  row[at + 2] = type;
}

function endRow(row: Uint8Array, at: number): void {
  writeI32(row, at + CRC_AT, rowChecksum(row, at, ROW_BYTES));
}

/** The checksum leaves its own four bytes out, as if they were 0. */
function rowChecksum(bytes: Uint8Array, at: number, length: number): number {
  for (let i = 0; i < CRC_AT; i++) front[i] = bytes[at + i];
  return continueCrc32c(crc32c(front), bytes, at + front.length, at + length);
}
const front = new Uint8Array(CRC_AT + 4);

/** Writes the first row of an `.idx`. */
export function writeFileHeaderRow(into: Uint8Array, at: number, identity: IndexIdentity): void {
  beginRow(into, at, ROW_FILE_HEADER);
  into.set(MAGIC, at + 8);
  into.set(identity.logId, at + 16);
  writeI32(into, at + 32, identity.shard);
  writeI32(into, at + 36, VERSION);
  writeI64(into, at + 40, identity.base);
  endRow(into, at);
}

/** True where a valid file header of this identity stands at `at`. */
export function isFileHeaderRow(bytes: Uint8Array, at: number, identity: IndexIdentity): boolean {
  return rowLength(bytes, at) === ROW_BYTES && bytes[at + 2] === ROW_FILE_HEADER &&
    holdsAt(bytes, at + 8, MAGIC) && holdsAt(bytes, at + 16, identity.logId) &&
    readU32(bytes, at + 32) === identity.shard &&
    readU32(bytes, at + 36) === VERSION && readI64(bytes, at + 40) === identity.base;
}

/**
 * Writes the row of the finished batch at `batchAt` of `batch`.
 *
 * @returns The running maximum of the timestamps, this batch included.
 */
export function writeBatchRow(
  into: Uint8Array,
  at: number,
  batch: Uint8Array,
  batchAt: number,
  position: number,
  runningMaxTimestamp: number,
): number {
  const header = readHeader(batch, batchAt);
  const maximum = runningMaximum(runningMaxTimestamp, header);
  beginRow(into, at, ROW_BATCH);
  writeI64(into, at + 8, header.baseOffset);
  writeI32(into, at + 16, header.lastOffset - header.baseOffset);
  writeI32(into, at + 20, position);
  writeI32(into, at + 24, header.bytes);
  writeI32(into, at + 28, headerDigest(batch, batchAt));
  writeI64(into, at + 32, maximum);
  // Producer id, epoch, attributes and sequence are copied as the bytes they are: -1 and all.
  copyFew(batch, batchAt + 43, into, at + 40, 10);
  copyFew(batch, batchAt + 21, into, at + 50, 2);
  copyFew(batch, batchAt + 53, into, at + 52, 4);
  writeI32(into, at + 56, header.count);
  endRow(into, at);
  return maximum;
}

/** The running maximum of timestamps; a batch without records (maximum -1) does not move it. */
export function runningMaximum(before: number, header: BatchHeader): number {
  return Math.max(before, header.maxTimestamp);
}

/** Writes the row that ends the index of a finished segment. */
export function writeSealRow(into: Uint8Array, at: number, seal: SealRow): void {
  beginRow(into, at, ROW_SEAL);
  writeI64(into, at + 8, seal.nextOffset);
  writeI32(into, at + 16, seal.logBytes);
  writeI32(into, at + 20, seal.rowPosition);
  writeI64(into, at + 24, seal.maxTimestamp);
  writeI32(into, at + 32, seal.lastDigest);
  endRow(into, at);
}

/** Length of the intact row at `at`, or 0 where there is none. */
export function rowLength(bytes: Uint8Array, at: number): number {
  if (at + MIN_ROW_BYTES > bytes.length) return 0;
  const length = readU16(bytes, at);
  if (length < MIN_ROW_BYTES || length % 8 !== 0 || at + length > bytes.length) return 0;
  return readU32(bytes, at + CRC_AT) === rowChecksum(bytes, at, length) ? length : 0;
}

export function rowType(bytes: Uint8Array, at: number): number {
  return bytes[at + 2];
}

/** Decodes a batch row that {@linkcode rowLength} found intact; `undefined` where its fields make no sense. */
export function readBatchRow(bytes: Uint8Array, at: number): BatchRow | undefined {
  if (readU16(bytes, at) !== ROW_BYTES) return undefined;
  const baseOffset = readI64(bytes, at + 8);
  const row: BatchRow = {
    baseOffset,
    lastOffset: baseOffset + readU32(bytes, at + 16),
    position: readU32(bytes, at + 20),
    bytes: readU32(bytes, at + 24),
    digest: readU32(bytes, at + 28),
    runningMaxTimestamp: readI64(bytes, at + 32),
    count: readU32(bytes, at + 56),
  };
  const sane = Number.isSafeInteger(row.lastOffset) && baseOffset >= 0 && row.bytes >= HEADER_BYTES &&
    Number.isSafeInteger(row.runningMaxTimestamp);
  return sane ? row : undefined;
}

/** Decodes a seal row that {@linkcode rowLength} found intact. */
export function readSealRow(bytes: Uint8Array, at: number): SealRow {
  return {
    nextOffset: readI64(bytes, at + 8),
    logBytes: readU32(bytes, at + 16),
    rowPosition: readU32(bytes, at + 20),
    maxTimestamp: readI64(bytes, at + 24),
    lastDigest: readU32(bytes, at + 32),
  };
}
