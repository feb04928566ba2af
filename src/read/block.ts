/**
 * A piece of a `.log` in memory, whole batches of which each was checked.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import { batchFault, CONTROL, readHeader } from "../batch/format.ts";
import { RecordDecoder } from "../batch/record_decoder.ts";
import { StoredRecord } from "./stored_record.ts";

/** So many records lie between two places that are remembered: a record is found by going through half of that. */
const MARK_EVERY = 16;

/** A batch of a block that has records. */
interface BlockBatch {
  readonly lastOffset: number;
  readonly decoder: RecordDecoder;
  /** Where every {@linkcode MARK_EVERY}th record starts, and its offset. */
  readonly positions: Uint32Array;
  readonly offsets: Float64Array;
}

/** The batches from one sample of the index to the next. */
export class Block {
  /** First offset. */
  readonly from: number;
  /** The offset behind the last one. */
  readonly to: number;
  /** Memory it holds, in bytes. */
  readonly byteLength: number;
  readonly #batches: readonly BlockBatch[];

  private constructor(from: number, to: number, byteLength: number, batches: readonly BlockBatch[]) {
    this.from = from;
    this.to = to;
    this.byteLength = byteLength;
    this.#batches = batches;
  }

  /**
   * Checks and takes apart what was read.
   *
   * @param from Base offset that the first batch must have.
   * @param holes Offsets may be missing between two batches.
   * @returns `undefined` where something is not as it should be: an ordinary reader finds out what.
   */
  static read(bytes: Uint8Array, from: number, holes: boolean, codecs: Codecs): Block | undefined {
    const batches: BlockBatch[] = [];
    let to = from;
    let byteLength = bytes.length;
    for (let at = 0; at < bytes.length;) {
      if (batchFault(bytes, at, bytes.length - at) !== undefined) return undefined;
      const header = readHeader(bytes, at);
      if (holes ? header.baseOffset < to : header.baseOffset !== to) return undefined;
      if (header.count > 0 && (header.attributes & CONTROL) === 0) {
        const batch = takeApart(bytes, at, codecs);
        if (batch === undefined) return undefined;
        if (batch.decoder.bytes !== bytes) byteLength += batch.decoder.bytes.length;
        byteLength += batch.positions.byteLength + batch.offsets.byteLength;
        batches.push(batch);
      }
      to = header.lastOffset + 1;
      at += header.bytes;
    }
    return new Block(from, to, byteLength, batches);
  }

  /** Hands out records from `offset` on, at most `limit` of them. */
  records(shard: number, offset: number, limit: number): StoredRecord[] {
    const records: StoredRecord[] = [];
    let i = 0;
    for (let step = this.#batches.length; step > 0; step >>>= 1) {
      while (i + step <= this.#batches.length && this.#batches[i + step - 1].lastOffset < offset) i += step;
    }
    for (; i < this.#batches.length && records.length < limit; i++) {
      const { decoder, positions, offsets } = this.#batches[i];
      let mark = 0;
      for (let step = positions.length; step > 0; step >>>= 1) {
        while (mark + step < positions.length && offsets[mark + step] <= offset) mark += step;
      }
      decoder.seek(positions[mark], mark * MARK_EVERY);
      while (records.length < limit && decoder.next()) {
        if (decoder.offset >= offset) records.push(new StoredRecord(shard, decoder));
      }
    }
    return records;
  }
}

/** Goes through the records of a batch once, so that each is known to be good, and remembers some places. */
function takeApart(bytes: Uint8Array, at: number, codecs: Codecs): BlockBatch | undefined {
  const decoder = new RecordDecoder(bytes, at, codecs);
  const { count, lastOffset } = decoder.header;
  // A count that lies is refused before memory is taken for it: no record is smaller than seven bytes.
  if (count > decoder.bytes.length / 7) return undefined;
  const positions = new Uint32Array(Math.ceil(count / MARK_EVERY));
  const offsets = new Float64Array(positions.length);
  for (let position = decoder.position; decoder.next(); position = decoder.position) {
    const read = decoder.read - 1;
    if (read % MARK_EVERY !== 0) continue;
    positions[read / MARK_EVERY] = position;
    offsets[read / MARK_EVERY] = decoder.offset;
  }
  return decoder.fault === undefined ? { lastOffset, decoder, positions, offsets } : undefined;
}
