/**
 * Lines about a table of the user index: its header, the runs of its users, its buckets.
 *
 * @module
 */
import { hex32 } from "../batch/format.ts";
import { readI64, readU16, readU32, toHex } from "../bytes.ts";
import { rowLength, rowType } from "../index/rows.ts";
import { NumberReader } from "../users/numbers.ts";
import {
  BUCKET_PREFIX_BYTES,
  bucketsOf,
  isTableHeader,
  MAX_ROW_BYTES,
  ownerOf,
  readBucketPrefix,
  ROW_USER_BUCKET,
  ROW_USER_RUN,
  ROW_USER_TABLE,
  SLOT_BYTES,
  TABLE_HEADER_BYTES,
  type TableIdentity,
} from "../users/table_format.ts";
import type { VfsFile } from "../vfs.ts";
import type { Line } from "./dump_line.ts";

const WINDOW_BYTES: number = 256 * 1024;

/** True where the first bytes of a file are those of a table. */
export function isTable(head: Uint8Array): boolean {
  return readU16(head, 0) === TABLE_HEADER_BYTES && head[2] === ROW_USER_TABLE;
}

/** One line a row, up to the first that is damaged. */
export async function* dumpTable(file: VfsFile, bytes: number): AsyncGenerator<Line> {
  const head = new Uint8Array(TABLE_HEADER_BYTES);
  await file.read(head, 0);
  const identity: TableIdentity = {
    logId: head.slice(16, 32),
    shard: readU32(head, 32),
    first: readI64(head, 40),
    next: readI64(head, 48),
  };
  const { logId, shard, first, next } = identity;
  if (!isTableHeader(head, identity) || !(next > first)) {
    yield { position: 0, kind: "table", invalid: "its header fails its checksum, or makes no sense", bytes };
    return;
  }
  const buckets = bucketsOf(identity);
  yield { position: 0, kind: "table", logId: toHex(logId), shard, version: readU32(head, 36), first, next, buckets };
  const slots = new Uint8Array(buckets * SLOT_BYTES);
  if (await file.read(slots, TABLE_HEADER_BYTES) < slots.length) {
    yield { position: TABLE_HEADER_BYTES, kind: "slots", invalid: "the file ends early" };
    return;
  }
  yield* dumpTableRows(file, bytes, identity, slots);
}

async function* dumpTableRows(
  file: VfsFile,
  bytes: number,
  identity: TableIdentity,
  slots: Uint8Array,
): AsyncGenerator<Line> {
  const window = new Uint8Array(WINDOW_BYTES);
  const owner = ownerOf(identity);
  const buckets = slots.length / SLOT_BYTES;
  let bucket = 0;
  let position = TABLE_HEADER_BYTES + slots.length;
  let from = 0;
  let filled = 0;
  while (position < bytes) {
    if (position + MAX_ROW_BYTES > from + filled && from + filled < bytes) {
      from = position;
      filled = await file.read(window, from);
    }
    const at = position - from;
    const piece = window.subarray(0, filled);
    const length = rowLength(piece, at);
    const type = length === 0 ? 0 : rowType(piece, at);
    if (type === ROW_USER_RUN) yield runLine(piece, at, length, position, identity.first);
    else if (type === ROW_USER_BUCKET && bucket < buckets) {
      yield bucketLine(piece, at, length, position, { identity, owner, slots, bucket: bucket++ });
    } else {
      const invalid = length === 0 ? "the row fails its checksum, or ends early" : `no row of a table has type ${type}`;
      yield { position, kind: "row", invalid, bytes: bytes - position };
      return;
    }
    position += length;
  }
  if (bucket < buckets) yield { position, kind: "row", invalid: `${buckets - bucket} buckets are missing` };
}

function runLine(bytes: Uint8Array, at: number, length: number, position: number, first: number): Line {
  return {
    position,
    kind: "run",
    user: hex32(readU32(bytes, at + 8)) + hex32(readU32(bytes, at + 12)),
    postings: readU16(bytes, at + 24),
    firstOffset: first + readU32(bytes, at + 16),
    firstPosition: readU32(bytes, at + 20),
    bytes: length,
    bytesOfRunBefore: readU16(bytes, at + 26),
  };
}

interface BucketPlace {
  readonly identity: TableIdentity;
  readonly owner: number;
  readonly slots: Uint8Array;
  readonly bucket: number;
}

function bucketLine(bytes: Uint8Array, at: number, length: number, position: number, place: BucketPlace): Line {
  const { identity, owner, slots, bucket } = place;
  const prefix = readBucketPrefix(bytes, at, length, bucket, identity, owner);
  if (prefix === undefined) return { position, kind: "bucket", invalid: `it is not bucket ${bucket} of this table` };
  const reader = new NumberReader(bytes, at + BUCKET_PREFIX_BYTES, prefix.end);
  let postings = 0;
  for (let left = prefix.users; left > 0 && !reader.failed; left--) {
    reader.next();
    reader.position += 4;
    const code = reader.next();
    postings += code >>> 1;
    const numbers = (code & 1) === 1 ? 3 : (code >>> 1) * 2;
    for (let i = 0; i < numbers && !reader.failed; i++) reader.next();
  }
  const slot = bucket * SLOT_BYTES;
  const isFound = readU32(slots, slot) * 8 === position && readU32(slots, slot + 4) === length;
  const invalid = reader.failed || reader.position !== prefix.end
    ? "its entries make no sense"
    : isFound
    ? undefined
    : "its slot says another place";
  const { baseOffset, crc } = prefix.last;
  const line = { bucket, users: prefix.users, postings, bytes: length, lastBatch: { baseOffset, crc: hex32(crc) } };
  return { position, kind: "bucket", ...(invalid !== undefined && { invalid }), ...line };
}
