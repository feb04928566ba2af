/** What the files of a shard hold, read without the engine's own reader: exactly Kafka batches, and rows that tell the truth. */
import type { MemoryVfs } from "../../adapters/memory.ts";
import { noCodecs } from "../../src/batch/codecs.ts";
import { batchFault, headerDigest, readHeader } from "../../src/batch/format.ts";
import { RecordDecoder } from "../../src/batch/record_decoder.ts";
import { readBatchRow, ROW_BATCH, ROW_BYTES, ROW_FILE_HEADER, rowLength, rowType } from "../../src/index/rows.ts";
import { firstKept } from "../../src/segment/log_start.ts";
import { type LogRecord, StoredRecord } from "../../src/read/stored_record.ts";
import { ensure } from "./violation.ts";

/** Anchor and state hold no records, and two pages each. */
function isChecked(name: string): boolean {
  return name !== "anchor" && name !== "state";
}

/** Segments and quarantine of the shards' directories `<prefix><n>`, by shard and name. */
export function filesByShard(vfs: MemoryVfs, prefix: string, shards: number): Map<string, Uint8Array>[] {
  return Array.from({ length: shards }, (_, id) => vfs.readDirectory(`${prefix}${id}`, isChecked));
}

/** The files without those of segments that lie wholly below the log start. */
export function keptFiles(files: ReadonlyMap<string, Uint8Array>, logStart: number): Map<string, Uint8Array> {
  const bases = [...files.keys()].filter((name) => name.endsWith(".log")).map((name) => Number(name.slice(0, 20)));
  const first = bases[firstKept(bases, logStart)] ?? 0;
  return new Map(
    [...files].filter(([name]) => !/^\d{20}\.(log|idx)$/.test(name) || Number(name.slice(0, 20)) >= first),
  );
}

/** Bytes in files of a kind. */
export function bytesIn(files: ReadonlyMap<string, Uint8Array>, isKind: (name: string) => boolean): number {
  let sum = 0;
  for (const [name, bytes] of files) if (isKind(name)) sum += bytes.length;
  return sum;
}

/** Records in the `.log` files of an open shard; throws where they are not what a log of this engine is. */
export function storedRecords(files: ReadonlyMap<string, Uint8Array>, shard: number): LogRecord[] {
  const records: LogRecord[] = [];
  let next = Number([...files.keys()].find((name) => name.endsWith(".log"))?.slice(0, 20) ?? 0);
  let epoch = 0;
  for (const [name, bytes] of files) {
    if (!name.endsWith(".log")) continue;
    ensure(
      Number(name.slice(0, 20)) === next,
      () => `${name} of shard ${shard} does not continue the log, which ends at ${next}`,
    );
    const starts = new Map<number, number>();
    for (let at = 0; at < bytes.length;) {
      const where = (): string => `the batch at ${at} of ${name} of shard ${shard}`;
      const fault = batchFault(bytes, at, bytes.length - at);
      ensure(fault === undefined, () => `${where()} is not intact: ${fault}`);
      const header = readHeader(bytes, at);
      ensure(header.baseOffset === next, () => `${where()} has base offset ${header.baseOffset}, not ${next}`);
      ensure(header.epoch >= epoch, () => `${where()} has epoch ${header.epoch} behind ${epoch}`);
      const decoder = new RecordDecoder(bytes, at, noCodecs);
      while (decoder.next()) records.push(new StoredRecord(shard, decoder));
      ensure(decoder.fault === undefined, () => `${where()}: ${decoder.fault}`);
      starts.set(at, headerDigest(bytes, at));
      epoch = header.epoch;
      next = header.lastOffset + 1;
      at += header.bytes;
    }
    const index = files.get(name.replace(".log", ".idx"));
    if (index !== undefined) checkRows(index, starts, bytes.length, `${name} of shard ${shard}`);
  }
  return records;
}

/** Rows up to the first that is not intact are believed by readers: each must be of a batch that is there. */
function checkRows(index: Uint8Array, digests: ReadonlyMap<number, number>, end: number, of: string): void {
  let position = 0;
  if (rowLength(index, 0) !== ROW_BYTES || rowType(index, 0) !== ROW_FILE_HEADER) return;
  for (let at = ROW_BYTES; rowLength(index, at) > 0; at += rowLength(index, at)) {
    const row = rowType(index, at) === ROW_BATCH ? readBatchRow(index, at) : undefined;
    if (row === undefined) continue;
    // Readers end there, too.
    if (row.position !== position || position + row.bytes > end) return;
    ensure(digests.get(position) === row.digest, () => `the index has a row of another batch for ${position} of ${of}`);
    position += row.bytes;
  }
}
