/**
 * Looks around a damaged place of a segment: what stands where, and where good batches go on.
 *
 * @module
 */
import { batchBytesAt, batchFault, HEADER_BYTES, headerDigest, headerFault, readHeader } from "../batch/format.ts";
import { MAGIC, MAGIC_AT } from "../batch/format.ts";
import type { BatchRow } from "../index/rows.ts";
import { findBatch } from "../segment/search.ts";
import type { Vfs, VfsFile } from "../vfs.ts";
import type { IndexRows } from "./rebuild_rows.ts";

/** A place where batches go on. */
export interface Resumption {
  readonly position: number;
  readonly baseOffset: number;
}

/** An intact batch. */
export interface IntactBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly bytes: number;
  readonly epoch: number;
  readonly digest: number;
}

/** What bounds a segment. */
export interface SegmentBounds {
  /** Exclusive end of its bytes. */
  readonly limit: number;
  /** Base offset of the segment behind it; `undefined` for the last one. */
  readonly nextBase: number | undefined;
  /** Epoch of that segment's first batch; `undefined` where it says nothing. */
  readonly nextEpoch: number | undefined;
  /** Records before this offset were acknowledged. */
  readonly promised: number;
  readonly maxEpoch: number | undefined;
}

/** Bounds of a segment that is looked at by itself. */
export function boundsAlone(limit: number): SegmentBounds {
  return { limit, nextBase: undefined, nextEpoch: undefined, promised: 0, maxEpoch: undefined };
}

/** Looks at places of one file by itself. */
export async function lookInto<T>(
  vfs: Vfs,
  source: { readonly path: string; readonly bytes: number },
  look: (probe: SegmentProbe) => Promise<T>,
): Promise<T> {
  const file = await vfs.open(source.path, "read");
  try {
    return await look(new SegmentProbe(file, boundsAlone(source.bytes)));
  } finally {
    await file.close();
  }
}

/** One segment's `.log` around its damages. */
export class SegmentProbe {
  readonly file: VfsFile;
  readonly bounds: SegmentBounds;

  constructor(file: VfsFile, bounds: SegmentBounds) {
    this.file = file;
    this.bounds = bounds;
  }

  /** The 61 bytes at `position`; `undefined` where the segment ends before. */
  async header(position: number): Promise<Uint8Array | undefined> {
    if (this.bounds.limit - position < HEADER_BYTES) return undefined;
    const raw = new Uint8Array(HEADER_BYTES);
    return await this.file.read(raw, position) < HEADER_BYTES ? undefined : raw;
  }

  /** The batch at `position`, where header and checksum are right. */
  async intactAt(position: number): Promise<IntactBatch | undefined> {
    const raw = await this.header(position);
    if (raw === undefined || headerFault(raw, 0, this.bounds.limit - position) !== undefined) return undefined;
    const batch = new Uint8Array(batchBytesAt(raw, 0));
    if (batchFault(batch, 0, await this.file.read(batch, position)) !== undefined) return undefined;
    const { baseOffset, lastOffset, bytes, epoch } = readHeader(batch, 0);
    return { baseOffset, lastOffset, bytes, epoch, digest: headerDigest(batch, 0) };
  }

  /**
   * True where offsets go on with `offset` at `position`: the header there says so, or the segment ends as it should. The last
   * segment ends where state or anchor say.
   */
  async continuesAt(position: number, offset: number): Promise<boolean> {
    const { limit, nextBase, promised } = this.bounds;
    if (position === limit) return offset === (nextBase ?? promised);
    if (nextBase !== undefined && offset >= nextBase) return false;
    const raw = await this.header(position);
    return raw !== undefined && raw[MAGIC_AT] === MAGIC && readHeader(raw, 0).baseOffset === offset;
  }

  /** True at the end of the last segment where nobody knows what its last offset is. */
  isUnknownEnd(position: number): boolean {
    const { limit, nextBase, promised } = this.bounds;
    return position === limit && nextBase === undefined && promised === 0;
  }

  /** The epoch of the batch at `position`, where it is the one with this base offset. It may be the next segment's first. */
  async epochAt(position: number, offset: number): Promise<number | undefined> {
    const { limit, nextBase, nextEpoch } = this.bounds;
    if (position === limit && offset === nextBase) return nextEpoch;
    const raw = await this.header(position);
    if (raw === undefined || raw[MAGIC_AT] !== MAGIC) return undefined;
    const { baseOffset, epoch } = readHeader(raw, 0);
    return baseOffset === offset ? epoch : undefined;
  }

  /**
   * Where good batches go on at or behind a damage. What the damaged batch says of its own size is asked first, then the
   * index, then the bytes: a value may hold bytes that look like batches, so one that is found by searching counts only
   * where the next one follows it.
   *
   * @param expected Offset that the damaged batch should have.
   * @param minEpoch No batch behind it has a lower one.
   */
  async resume(
    position: number,
    raw: Uint8Array | undefined,
    rows: IndexRows,
    expected: number,
    minEpoch: number,
  ): Promise<Resumption | undefined> {
    const row = await rows.rowAt(position);
    const isRow = row?.baseOffset === expected && this.#isWithin(position + row.bytes, row.lastOffset + 1);
    const behind = isRow ? { position: position + row.bytes, baseOffset: row.lastOffset + 1 } : undefined;
    if (behind !== undefined && await this.continuesAt(behind.position, behind.baseOffset)) return behind;
    const claimed = await this.#claimed(position, raw, expected);
    if (claimed !== undefined) return claimed;
    if (behind !== undefined) return await this.#moved(position, row!) ?? behind;
    const indexed = await this.#indexed(position, rows, expected, minEpoch);
    const searched = await this.#searched(position, indexed?.position ?? this.bounds.limit, expected, minEpoch);
    return searched ?? indexed;
  }

  #isWithin(position: number, offset: number): boolean {
    const { limit, nextBase } = this.bounds;
    return position <= limit && (nextBase === undefined || offset <= nextBase);
  }

  /** Behind the damaged batch, where its header makes sense and what follows agrees with it. */
  async #claimed(position: number, raw: Uint8Array | undefined, expected: number): Promise<Resumption | undefined> {
    if (raw === undefined || headerFault(raw, 0, this.bounds.limit - position) !== undefined) return undefined;
    const { baseOffset, lastOffset, bytes } = readHeader(raw, 0);
    const next = position + bytes;
    if (baseOffset === expected) {
      // A header that may be damaged is not believed to have more records than bytes.
      if (!this.#isWithin(next, lastOffset + 1) || lastOffset - baseOffset >= bytes) return undefined;
      const isSure = await this.continuesAt(next, lastOffset + 1) || await this.intactAt(position) !== undefined;
      return isSure ? { position: next, baseOffset: lastOffset + 1 } : undefined;
    }
    // An intact batch with later offsets, and those behind it agree: the ones between are not there at all.
    if (baseOffset < expected || !await this.continuesAt(next, lastOffset + 1)) return undefined;
    return await this.intactAt(position) === undefined ? undefined : { position, baseOffset };
  }

  /** The batch of a row at a later position: bytes were put in front of it. */
  async #moved(position: number, { baseOffset, digest }: BatchRow): Promise<Resumption | undefined> {
    const found = await findBatch(this.file, position + 1, this.bounds.limit, baseOffset, baseOffset);
    const batch = found === undefined ? undefined : await this.intactAt(found.position);
    return batch?.digest === digest ? { position: found!.position, baseOffset } : undefined;
  }

  async #indexed(
    position: number,
    rows: IndexRows,
    expected: number,
    minEpoch: number,
  ): Promise<Resumption | undefined> {
    for (let row = rows.row; row !== undefined; row = rows.row) {
      if (row.position > position && row.baseOffset >= expected && this.#isWithin(row.position, row.baseOffset)) {
        const batch = await this.intactAt(row.position);
        if (batch?.baseOffset === row.baseOffset && batch.digest === row.digest && this.#isInOrder(batch, minEpoch)) {
          return { position: row.position, baseOffset: row.baseOffset };
        }
      }
      await rows.next();
    }
    return undefined;
  }

  async #searched(
    position: number,
    end: number,
    expected: number,
    minEpoch: number,
  ): Promise<Resumption | undefined> {
    const maxOffset = (this.bounds.nextBase ?? Number.MAX_SAFE_INTEGER) - 1;
    for (let from = position + 1;;) {
      const found = await findBatch(this.file, from, end, expected, maxOffset);
      if (found === undefined) return undefined;
      const batch = await this.intactAt(found.position);
      const next = found.position + found.bytes;
      const isNext = await this.continuesAt(next, found.lastOffset + 1);
      if (batch !== undefined && this.#isInOrder(batch, minEpoch) && isNext) {
        return { position: found.position, baseOffset: found.baseOffset };
      }
      from = found.position + 1;
    }
  }

  #isInOrder(batch: IntactBatch, minEpoch: number): boolean {
    return batch.epoch >= minEpoch && batch.epoch <= (this.bounds.maxEpoch ?? Infinity);
  }
}
