/**
 * Finds out what a damaged batch header was. A header counts as known only where something else proves it: the digest in the
 * index row, an end in state or anchor, or the batch's own checksum together with the offsets on both sides.
 *
 * @module
 */
import type { End } from "../anchor/end.ts";
import { continueCrc32c, crc32c } from "../batch/crc32c.ts";
import {
  BASE_OFFSET_AT,
  BATCH_LENGTH_AT,
  CRC_AT,
  CRC_FROM,
  EPOCH_AT,
  HEADER_BYTES,
  headerDigest,
  headerFault,
  LAST_OFFSET_DELTA_AT,
  LENGTH_OVERHEAD,
  MAGIC,
  MAGIC_AT,
  readHeader,
} from "../batch/format.ts";
import { equalBytes, readI32, readU32, writeI32, writeI64 } from "../bytes.ts";
import type { BatchRow } from "../index/rows.ts";
import type { VfsFile } from "../vfs.ts";

const PIECE_BYTES: number = 1024 * 1024;
/** So many epochs are tried between the lowest and the highest one there can be. */
const MAX_EPOCHS = 4096;
const MAX_EPOCH = 0x7fff_ffff;

/** Epochs that a batch can have: not below that of the batch before it, not above that of the batch behind it. */
export interface EpochRange {
  readonly low: number;
  readonly high: number;
}

/** A header that was proven. */
export interface ProvenHeader {
  readonly header: Uint8Array;
  /** Of the whole batch. */
  readonly bytes: number;
  readonly lastOffset: number;
  readonly epoch: number;
}

/** CRC-32C of a range of a file, continued from `crc`; `undefined` where the file is shorter. */
export async function crcOfRange(
  file: VfsFile,
  from: number,
  to: number,
  crc: number = 0,
): Promise<number | undefined> {
  const buffer = new Uint8Array(Math.min(PIECE_BYTES, Math.max(0, to - from)));
  for (let at = from; at < to; at += buffer.length) {
    const piece = buffer.subarray(0, Math.min(buffer.length, to - at));
    if (await file.read(piece, at) < piece.length) return undefined;
    crc = continueCrc32c(crc, piece);
  }
  return crc;
}

/** A copy of a header with the fields that Kafka's checksum leaves out. */
export function withFields(raw: Uint8Array, baseOffset: number, bytes: number, epoch: number): Uint8Array {
  const header = raw.slice(0, HEADER_BYTES);
  writeI64(header, BASE_OFFSET_AT, baseOffset);
  writeI32(header, BATCH_LENGTH_AT, bytes - LENGTH_OVERHEAD);
  writeI32(header, EPOCH_AT, epoch);
  header[MAGIC_AT] = MAGIC;
  return header;
}

/** Last offset minus base offset, as the header says. */
export function offsetDelta(raw: Uint8Array): number {
  return readI32(raw, LAST_OFFSET_DELTA_AT);
}

/**
 * The epoch that a batch had: the one it says where that can be, else the one that a single flipped bit explains, else the
 * lowest there can be. Readers never see it; it only has to keep the order.
 */
export function likelyEpoch(stored: number, { low, high }: EpochRange): number {
  if (stored >= low && stored <= high) return stored;
  const flipped: number[] = [];
  for (let bit = 0; bit < 32; bit++) {
    const epoch = stored ^ (1 << bit);
    if (epoch >= low && epoch <= high) flipped.push(epoch);
  }
  return flipped.length === 1 ? flipped[0] : low;
}

function* possibleEpochs(stored: number, { low, high }: EpochRange): Generator<number> {
  for (const epoch of [stored, ...Array.from({ length: 32 }, (_, bit) => stored ^ (1 << bit))]) {
    if (epoch >= low && epoch <= high) yield epoch;
  }
  for (let epoch = low; epoch <= Math.min(high, low + MAX_EPOCHS); epoch++) yield epoch;
}

/** The epoch with which the header has the digest of its index row, or `undefined`. */
export function epochByDigest(header: Uint8Array, digest: number, epochs: EpochRange): number | undefined {
  const copy = header.slice(0, HEADER_BYTES);
  for (const epoch of possibleEpochs(readI32(header, EPOCH_AT), epochs)) {
    writeI32(copy, EPOCH_AT, epoch);
    if (headerDigest(copy, 0) === digest) return epoch;
  }
  return undefined;
}

/**
 * The header that the index row was made for. Its digest covers all 61 bytes, the checksum of the body among them, so
 * a match proves the body as well.
 *
 * @param raw The header as it stands in the file.
 * @param limit Exclusive end of the segment.
 */
export async function proveByRow(
  file: VfsFile,
  raw: Uint8Array,
  row: BatchRow,
  limit: number,
  epochs: EpochRange,
): Promise<ProvenHeader | undefined> {
  const { position, bytes } = row;
  if (position + bytes > limit) return undefined;
  const stored = readI32(raw, EPOCH_AT);
  const header = withFields(raw, row.baseOffset, bytes, stored);
  const actual = await crcOfRange(file, position + CRC_FROM, position + bytes);
  if (actual === undefined) return undefined;
  const withActual = header.slice();
  writeI32(withActual, CRC_AT, actual);
  const epoch = epochByDigest(withActual, row.digest, epochs);
  if (epoch !== undefined) return proven(withFields(withActual, row.baseOffset, bytes, epoch), bytes);

  // A single bit inside the checksummed part of the header: the digest finds it, the batch's checksum confirms it.
  for (let bit = CRC_FROM * 8; bit < HEADER_BYTES * 8; bit++) {
    const flipped = header.slice();
    flipped[bit >> 3] ^= 1 << (bit & 7);
    if (headerDigest(flipped, 0) !== row.digest) continue;
    const crc = await crcOfRange(
      file,
      position + HEADER_BYTES,
      position + bytes,
      crc32c(flipped, CRC_FROM, HEADER_BYTES),
    );
    if (crc === readU32(flipped, CRC_AT) && stored >= epochs.low && stored <= epochs.high) {
      return proven(flipped, bytes);
    }
  }
  return undefined;
}

/** The header of the last batch in front of an end that state or anchor names. */
export async function proveByEnd(
  file: VfsFile,
  raw: Uint8Array,
  end: End,
  limit: number,
  epochs: EpochRange,
): Promise<ProvenHeader | undefined> {
  const { last, position: to } = end;
  if (last === undefined || to > limit || to - last.position < HEADER_BYTES) return undefined;
  const bytes = to - last.position;
  const header = withFields(raw, last.baseOffset, bytes, likelyEpoch(readI32(raw, EPOCH_AT), epochs));
  writeI32(header, CRC_AT, last.crc);
  writeI32(header, LAST_OFFSET_DELTA_AT, end.nextOffset - 1 - last.baseOffset);
  const crc = await crcOfRange(file, last.position + HEADER_BYTES, to, crc32c(header, CRC_FROM, HEADER_BYTES));
  return crc === last.crc ? proven(header, bytes) : undefined;
}

/** The header of a batch of this size whose base offset is known, where its own checksum says that the rest is right. */
export async function proveByChecksum(
  file: VfsFile,
  position: number,
  raw: Uint8Array,
  baseOffset: number,
  bytes: number,
  epochs: EpochRange,
): Promise<ProvenHeader | undefined> {
  if (await crcOfRange(file, position + CRC_FROM, position + bytes) !== readU32(raw, CRC_AT)) return undefined;
  const header = withFields(raw, baseOffset, bytes, likelyEpoch(readI32(raw, EPOCH_AT), epochs));
  return headerFault(header, 0, bytes) === undefined ? proven(header, bytes) : undefined;
}

function proven(header: Uint8Array, bytes: number): ProvenHeader | undefined {
  if (headerFault(header, 0, bytes) !== undefined) return undefined;
  const { lastOffset, epoch } = readHeader(header, 0);
  return { header, bytes, lastOffset, epoch };
}

/** Number of bits in which two base offsets differ, as they stand in a header. */
export function baseBitsApart(raw: Uint8Array, baseOffset: number): number {
  const wanted = new Uint8Array(8);
  writeI64(wanted, 0, baseOffset);
  let bits = 0;
  for (let i = 0; i < 8; i++) {
    for (let difference = raw[BASE_OFFSET_AT + i] ^ wanted[i]; difference !== 0; difference &= difference - 1) bits++;
  }
  return bits;
}

/** What a restored header says differently, as a part of a sentence. */
export function headerChanges(raw: Uint8Array, header: Uint8Array): string {
  const fields = [
    ["base offset", BASE_OFFSET_AT, 8],
    ["length", BATCH_LENGTH_AT, 4],
    ["epoch", EPOCH_AT, 4],
    ["magic", MAGIC_AT, 1],
    ["checksum", CRC_AT, 4],
    ["checksummed part", CRC_FROM, HEADER_BYTES - CRC_FROM],
  ] as const;
  const names = fields.filter(([, at, size]) =>
    !equalBytes(raw.subarray(at, at + size), header.subarray(at, at + size))
  ).map(([name]) => name);
  return names.join(" and ");
}

/** All epochs from `low` on. */
export function epochsFrom(low: number, high: number | undefined): EpochRange {
  return { low, high: Math.max(low, high ?? MAX_EPOCH) };
}
