/**
 * The files of the user index, byte for byte: see docs/format.md, "User tables".
 *
 * @module
 */
import { crc32c } from "../batch/crc32c.ts";
import { equalBytes, readI64, readU16, readU32, writeI32, writeI64, writeU16 } from "../bytes.ts";
import { rowLength } from "../index/rows.ts";
import { parseUserTable, userTableName } from "../segment/names.ts";
import type { DirectoryEntry } from "../vfs.ts";

export const ROW_USER_RUN = 4;
export const ROW_USER_BUCKET = 5;
export const ROW_USER_TABLE = 6;
export const TABLE_HEADER_BYTES = 64;
export const SLOT_BYTES = 8;
export const BUCKET_PREFIX_BYTES = 48;
export const RUN_PREFIX_BYTES = 32;
/** Its length has 16 bits and is a multiple of 8. */
export const MAX_ROW_BYTES = 65_528;
/** Postings of a user up to here stand in its bucket; more have runs of their own. */
export const MAX_INLINE = 64;
const OFFSETS_A_BUCKET = 512;
const MAX_BUCKETS: number = 2 ** 17;
const VERSION = 1;
const MAGIC: Uint8Array = new TextEncoder().encode("BIMIPUSR");

/** The batch that the last offset of a table lies in: a table is believed where the log has it. */
export interface LastBatch {
  readonly baseOffset: number;
  /** In the `.log` of its segment. */
  readonly position: number;
  readonly crc: number;
  readonly epoch: number;
}

/** Which offsets a table covers. */
export interface TableRange {
  /** The first offset covered. */
  readonly first: number;
  /** The first one behind. */
  readonly next: number;
}

/** Whose table it is, of which offsets. */
export interface TableIdentity extends TableRange {
  readonly logId: Uint8Array;
  readonly shard: number;
}

/** A table's name in its shard's directory. */
export function tableName({ first, next }: TableRange): string {
  return userTableName(first, next);
}

/** Tables among the entries of a shard's directory that are finished, by their first offset, the longer one first. */
export function tablesAmong(entries: readonly DirectoryEntry[]): TableRange[] {
  const tables: TableRange[] = [];
  for (const { name, kind } of entries) {
    const parsed = kind === "file" ? parseUserTable(name) : undefined;
    if (parsed !== undefined && !parsed.isDraft) tables.push({ first: parsed.first, next: parsed.next });
  }
  return tables.sort((a, b) => a.first - b.first || b.next - a.next);
}

/** The tables that readers use, disjoint and in order: of two that overlap the longer one, as the other is on its way out. */
export function disjoint(tables: readonly TableRange[]): TableRange[] {
  const chosen: TableRange[] = [];
  for (const table of tables) {
    const last = chosen[chosen.length - 1];
    if (last !== undefined && table.next <= last.next) continue;
    while (chosen.length > 0 && chosen[chosen.length - 1].first >= table.first) chosen.pop();
    if (chosen.length === 0 || chosen[chosen.length - 1].next <= table.first) chosen.push(table);
  }
  return chosen;
}

/** Buckets of a table: a power of two, from its name alone, so that a lookup need not read the header. */
export function bucketsOf({ first, next }: TableRange): number {
  let buckets = 1;
  while (buckets < MAX_BUCKETS && buckets * OFFSETS_A_BUCKET < next - first) buckets *= 2;
  return buckets;
}

/** By how many bits the upper half of a hash is shifted to get its bucket; 32 stands for the only bucket. */
export function bucketShift(buckets: number): number {
  return 32 - Math.log2(buckets);
}

/** The bucket of a hash. */
export function bucketOf(high: number, shift: number): number {
  return shift === 32 ? 0 : high >>> shift;
}

/** The smallest upper half of a hash in a bucket. */
export function firstOfBucket(bucket: number, shift: number): number {
  return shift === 32 ? 0 : (bucket << shift) >>> 0;
}

/** A number that tells the tables of one shard from those of any other. */
export function ownerOf({ logId, shard }: TableIdentity): number {
  const bytes = new Uint8Array(20);
  bytes.set(logId);
  writeI32(bytes, 16, shard);
  return crc32c(bytes, 0, 20);
}

/** Fills in length, type and checksum of a row whose other bytes stand already. */
export function endRow(bytes: Uint8Array, at: number, length: number, type: number): void {
  writeU16(bytes, at, length);
  bytes[at + 2] = type;
  bytes[at + 3] = 0;
  writeI32(bytes, at + 4, 0);
  writeI32(bytes, at + 4, crc32c(bytes, at, at + length));
}

/** Writes the header of a table. */
export function writeTableHeader(into: Uint8Array, identity: TableIdentity): void {
  into.fill(0, 0, TABLE_HEADER_BYTES);
  into.set(MAGIC, 8);
  into.set(identity.logId, 16);
  writeI32(into, 32, identity.shard);
  writeI32(into, 36, VERSION);
  writeI64(into, 40, identity.first);
  writeI64(into, 48, identity.next);
  writeI32(into, 56, bucketsOf(identity));
  endRow(into, 0, TABLE_HEADER_BYTES, ROW_USER_TABLE);
}

/** True where the header of this very table stands at the front. */
export function isTableHeader(bytes: Uint8Array, identity: TableIdentity): boolean {
  const expected = new Uint8Array(TABLE_HEADER_BYTES);
  writeTableHeader(expected, identity);
  return equalBytes(bytes.subarray(0, TABLE_HEADER_BYTES), expected);
}

/** Writes what stands in front of a bucket's entries. */
export function writeBucketPrefix(
  into: Uint8Array,
  at: number,
  bucket: number,
  users: number,
  entryBytes: number,
  identity: TableIdentity,
  owner: number,
  last: LastBatch,
): void {
  writeI32(into, at + 8, bucket);
  writeI32(into, at + 12, users);
  writeI64(into, at + 16, identity.first);
  writeI32(into, at + 24, owner);
  writeI32(into, at + 28, identity.next - last.baseOffset);
  writeI32(into, at + 32, last.position);
  writeI32(into, at + 36, last.crc);
  writeI32(into, at + 40, last.epoch);
  writeI32(into, at + 44, entryBytes);
}

/** What stands in front of a bucket's entries. */
export interface BucketPrefix {
  readonly users: number;
  /** Where the entries end in the bytes. */
  readonly end: number;
  readonly last: LastBatch;
}

/** The prefix of the intact bucket at `at`; `undefined` where it is damaged, or not that bucket of that table. */
export function readBucketPrefix(
  bytes: Uint8Array,
  at: number,
  length: number,
  bucket: number,
  identity: TableRange,
  owner: number,
): BucketPrefix | undefined {
  if (length < BUCKET_PREFIX_BYTES || at + length > bytes.length || readU16(bytes, at) !== length) return undefined;
  if (rowLength(bytes, at) !== length || bytes[at + 2] !== ROW_USER_BUCKET) return undefined;
  if (readU32(bytes, at + 8) !== bucket || readI64(bytes, at + 16) !== identity.first) return undefined;
  if (readU32(bytes, at + 24) !== owner >>> 0) return undefined;
  const end = at + BUCKET_PREFIX_BYTES + readU32(bytes, at + 44);
  if (end > at + length) return undefined;
  const last = {
    baseOffset: identity.next - readU32(bytes, at + 28),
    position: readU32(bytes, at + 32),
    crc: readU32(bytes, at + 36),
    epoch: readU32(bytes, at + 40),
  };
  return { users: readU32(bytes, at + 12), end, last };
}
