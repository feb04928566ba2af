/**
 * Visits the batches of a segment by what its index says of their producers; where that ends early, by their own headers.
 *
 * @module
 */
import { type BatchHeader, CONTROL, readHeader } from "../batch/format.ts";
import { nextSequence } from "../batch/producer_fields.ts";
import { readI16, readI32, readI64, readU16 } from "../bytes.ts";
import { LogError } from "../errors.ts";
import {
  type IndexIdentity,
  isFileHeaderRow,
  readBatchRow,
  ROW_BATCH,
  ROW_BYTES,
  rowLength,
  rowType,
} from "../index/rows.ts";
import { indexPath, logPath } from "../segment/names.ts";
import { walkBatches } from "../segment/walk.ts";
import { type Vfs, VfsError } from "../vfs.ts";
import type { TakenBatch } from "./producer_states.ts";

const READ_BYTES: number = 256 * 1024;
const MAX_ROW_BYTES = 65_536;

/** Called with each batch that has a producer, in the order of the log. */
export type VisitProduced = (id: number, batch: TakenBatch) => void;

/**
 * Visits the batches of a segment that have a producer.
 *
 * @param end Where readable data of the segment ends in its `.log`.
 * @throws {LogError} `CORRUPT_BATCH` where a batch is damaged: what comes behind it is not known.
 */
export async function visitProduced(
  vfs: Vfs,
  directory: string,
  identity: IndexIdentity,
  end: number,
  visit: VisitProduced,
): Promise<void> {
  let position = await visitRows(vfs, indexPath(directory, identity.base), identity, end, visit);
  if (position >= end) return;
  const path = logPath(directory, identity.base);
  await walkBatches(vfs, path, position, end, (bytes, at, batchPosition) => {
    const header = readHeader(bytes, at);
    position = batchPosition + header.bytes;
    visitBatch(header, visit);
  });
  if (position >= end) return;
  throw new LogError(
    "CORRUPT_BATCH",
    `Cannot tell what producers have written to shard ${identity.shard}: the batch at byte ${position} of ${path} is damaged; see ` +
      "bimiplog verify, and bimiplog repair",
    { shard: identity.shard, file: path, position },
  );
}

/** Visits a batch where it has a producer. */
export function visitBatch(header: BatchHeader, visit: VisitProduced): void {
  if ((header.attributes & CONTROL) !== 0) return;
  const { producerId, producerEpoch, baseSequence, baseOffset, lastOffset, maxTimestamp } = header;
  visitOne(visit, producerId, producerEpoch, baseSequence, baseOffset, lastOffset, maxTimestamp);
}

/** Visits what rows speak of, as far as they are intact and follow each other. Answers how far in the `.log` that is. */
async function visitRows(
  vfs: Vfs,
  path: string,
  identity: IndexIdentity,
  end: number,
  visit: VisitProduced,
): Promise<number> {
  let position = 0;
  try {
    const file = await vfs.open(path, "read");
    try {
      const buffer = new Uint8Array(READ_BYTES);
      let read = 0;
      for (let from = 0; position < end; from += read) {
        const filled = await file.read(buffer, from);
        const rows = buffer.subarray(0, filled);
        read = 0;
        if (from === 0) {
          if (!isFileHeaderRow(rows, 0, identity)) return 0;
          read = ROW_BYTES;
        }
        while (position < end) {
          const length = rowLength(rows, read);
          if (length === 0) break;
          if (rowType(rows, read) === ROW_BATCH) {
            const row = readBatchRow(rows, read);
            if (row === undefined || row.position !== position || position + row.bytes > end) return position;
            if ((readU16(rows, read + 50) & CONTROL) === 0) visitRow(rows, read, row, visit);
            position += row.bytes;
          }
          read += length;
        }
        if (read === 0 || (filled < READ_BYTES && filled - read < MAX_ROW_BYTES && rowLength(rows, read) === 0)) break;
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    // An index is disposable: the batches themselves are looked at.
    if (!(error instanceof VfsError)) throw error;
  }
  return position;
}

function visitRow(
  rows: Uint8Array,
  at: number,
  row: { baseOffset: number; lastOffset: number; runningMaxTimestamp: number },
  visit: VisitProduced,
): void {
  const { baseOffset, lastOffset, runningMaxTimestamp } = row;
  const sequence = readI32(rows, at + 52);
  visitOne(
    visit,
    readI64(rows, at + 40),
    readI16(rows, at + 48),
    sequence,
    baseOffset,
    lastOffset,
    runningMaxTimestamp,
  );
}

/** Ids above 2^53 - 1 are passed over: no append names such a producer. */
function visitOne(
  visit: VisitProduced,
  id: number,
  epoch: number,
  firstSequence: number,
  baseOffset: number,
  lastOffset: number,
  timestamp: number,
): void {
  if (!Number.isSafeInteger(id) || id < 0 || epoch < 0 || firstSequence < 0) return;
  const lastSequence = nextSequence(firstSequence, lastOffset - baseOffset);
  visit(id, { epoch, firstSequence, lastSequence, baseOffset, lastOffset, timestamp });
}
