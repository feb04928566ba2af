/**
 * The bytes of a snapshot: Kafka's own file format of a broker's producer state, with an identity behind it that a broker passes over.
 *
 * @module
 */
import { crc32c } from "../batch/crc32c.ts";
import { SEQUENCES } from "../batch/producer_fields.ts";
import { equalBytes, readI16, readI32, readI64, readU16, readU32, writeI32, writeI64, writeU16 } from "../bytes.ts";
import { MAX_PRODUCERS, REMEMBERED_BATCHES, type TakenBatch } from "./producer_states.ts";

const VERSION = 1;
const CRC_AT = 2;
const CRC_FROM = 6;
const ENTRIES_AT = 10;
const ENTRY_BYTES = 46;
const TRAILER_BYTES = 40;
const MAGIC: Uint8Array = new TextEncoder().encode("BIMIPPRD");

/** Nothing larger is read: twice what a shard remembers. */
export const MAX_SNAPSHOT_BYTES: number = ENTRIES_AT + 2 * MAX_PRODUCERS * REMEMBERED_BATCHES * ENTRY_BYTES;

/** Whose snapshot it is, and in front of which offset. */
export interface SnapshotIdentity {
  readonly logId: Uint8Array;
  readonly shard: number;
  readonly base: number;
}

/** A batch with its producer. */
export interface SnapshotEntry extends TakenBatch {
  readonly id: number;
}

/** The bytes of a snapshot; of each producer the newest batch comes last, as that is the one which a broker keeps. */
export function encodeSnapshot(
  identity: SnapshotIdentity,
  producers: Iterable<{ id: number; batches: readonly TakenBatch[] }>,
): Uint8Array {
  const entries: SnapshotEntry[] = [];
  for (const { id, batches } of producers) for (const batch of batches) entries.push({ id, ...batch });
  const trailerAt = ENTRIES_AT + entries.length * ENTRY_BYTES;
  const bytes = new Uint8Array(trailerAt + TRAILER_BYTES);
  writeU16(bytes, 0, VERSION);
  writeI32(bytes, CRC_FROM, entries.length);
  let at = ENTRIES_AT;
  for (const entry of entries) {
    writeI64(bytes, at, entry.id);
    writeU16(bytes, at + 8, entry.epoch);
    writeI32(bytes, at + 10, entry.lastSequence);
    writeI64(bytes, at + 14, entry.lastOffset);
    writeI32(bytes, at + 22, entry.lastOffset - entry.baseOffset);
    writeI64(bytes, at + 26, entry.timestamp);
    // No transaction: coordinator epoch and first offset of one are -1.
    bytes.fill(0xff, at + 34, at + ENTRY_BYTES);
    at += ENTRY_BYTES;
  }
  bytes.set(MAGIC, trailerAt);
  bytes.set(identity.logId, trailerAt + 8);
  writeI32(bytes, trailerAt + 24, identity.shard);
  writeI64(bytes, trailerAt + 32, identity.base);
  writeI32(bytes, CRC_AT, crc32c(bytes, CRC_FROM, bytes.length));
  return bytes;
}

/** What a snapshot holds; `undefined` where it is damaged, or not this one. */
export function decodeSnapshot(bytes: Uint8Array, identity: SnapshotIdentity): SnapshotEntry[] | undefined {
  const found = readSnapshot(bytes);
  if (found?.identity === undefined || !isSame(found.identity, identity)) return undefined;
  return found.entries;
}

/** The same of whichever log; `identity` is `undefined` in one that a broker wrote. */
export function readSnapshot(
  bytes: Uint8Array,
): { entries: SnapshotEntry[]; identity: SnapshotIdentity | undefined } | undefined {
  if (bytes.length < ENTRIES_AT || readU16(bytes, 0) !== VERSION) return undefined;
  if (readU32(bytes, CRC_AT) !== crc32c(bytes, CRC_FROM, bytes.length)) return undefined;
  const count = readI32(bytes, CRC_FROM);
  const trailerAt = ENTRIES_AT + count * ENTRY_BYTES;
  if (count < 0 || trailerAt > bytes.length) return undefined;
  const identity = readIdentity(bytes, trailerAt);
  const entries: SnapshotEntry[] = [];
  for (let at = ENTRIES_AT; at < trailerAt; at += ENTRY_BYTES) {
    const lastSequence = readI32(bytes, at + 10);
    const lastOffset = readI64(bytes, at + 14);
    const delta = readI32(bytes, at + 22);
    const entry = {
      id: readI64(bytes, at),
      epoch: readI16(bytes, at + 8),
      firstSequence: (lastSequence - delta + SEQUENCES) % SEQUENCES,
      lastSequence,
      baseOffset: lastOffset - delta,
      lastOffset,
      timestamp: readI64(bytes, at + 26),
    };
    const isSane = Number.isSafeInteger(entry.id) && entry.id >= 0 && entry.epoch >= 0 && lastSequence >= 0 &&
      delta >= 0 && entry.baseOffset >= 0 && lastOffset < (identity?.base ?? Infinity);
    if (!isSane) return undefined;
    entries.push(entry);
  }
  return { entries, identity };
}

function readIdentity(bytes: Uint8Array, at: number): SnapshotIdentity | undefined {
  if (bytes.length !== at + TRAILER_BYTES || !equalBytes(bytes.subarray(at, at + 8), MAGIC)) return undefined;
  return { logId: bytes.slice(at + 8, at + 24), shard: readU32(bytes, at + 24), base: readI64(bytes, at + 32) };
}

function isSame(a: SnapshotIdentity, b: SnapshotIdentity): boolean {
  return a.shard === b.shard && a.base === b.base && equalBytes(a.logId, b.logId);
}
