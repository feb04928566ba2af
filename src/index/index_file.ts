/**
 * An `.idx` file as it is read: believed as far as its rows are intact and follow each other, completed from the `.log`.
 *
 * @module
 */
import type { End } from "../anchor/end.ts";
import { readHeader } from "../batch/format.ts";
import { giveScratch, takeScratch } from "../scratch.ts";
import { type Vfs, VfsError, type VfsFile } from "../vfs.ts";
import { type IndexIdentity, isFileHeaderRow, readBatchRow, ROW_BATCH, ROW_BYTES, rowLength, rowType } from "./rows.ts";
import { SegmentIndex } from "./segment_index.ts";

/** Behind a first short read: most often few rows are wanted, those of a small segment, or what came since the last look. */
const READ_BYTES: number = 256 * 1024;
/** Largest row there may be: its length has 16 bits. */
const MAX_ROW_BYTES: number = 65_536;

/** What a batch source answers: the batches of a `.log` between two positions, in order. */
export type BatchWalk = (
  from: number,
  to: number,
  visit: (bytes: Uint8Array, at: number, position: number) => void,
) => Promise<void>;

/** The index of one segment in memory, extended as the segment grows. */
export class LoadedIndex {
  readonly samples: SegmentIndex = new SegmentIndex();
  /** The `.log` is covered up to here. */
  position = 0;
  /** Offset behind the last batch covered. */
  nextOffset: number;
  /** Rows are read up to here in the `.idx`. */
  rowPosition = 0;
  /** The rows cannot be believed from {@linkcode LoadedIndex.rowPosition} on. */
  broken = false;
  readonly #identity: IndexIdentity;
  readonly #holes: boolean;

  constructor(identity: IndexIdentity, holes: boolean) {
    this.#identity = identity;
    this.#holes = holes;
    this.nextOffset = identity.base;
  }

  /** Takes everything in front of an end for read, which nobody will ask for: rows go on behind it. */
  skipTo(end: End): void {
    this.position = end.position;
    this.nextOffset = end.nextOffset;
    this.rowPosition = end.indexPosition;
    this.samples.maxTimestamp = end.maxTimestamp;
  }

  /** Takes in the rows of the file at `path` for batches that end at or before `position` of the `.log`. */
  async readRows(vfs: Vfs, path: string, position: number): Promise<void> {
    if (this.broken || this.position >= position) return;
    let file: VfsFile;
    try {
      file = await vfs.open(path, "read");
    } catch (error) {
      if (!(error instanceof VfsError)) throw error;
      this.broken = true;
      return;
    }
    const first = takeScratch();
    try {
      let size = first.length;
      while (!this.broken && this.position < position) {
        const buffer = size === first.length ? first : new Uint8Array(size);
        const read = await file.read(buffer, this.rowPosition);
        const taken = this.#takeRows(buffer.subarray(0, read), position);
        if (taken === 0 && (read < size || size >= MAX_ROW_BYTES)) this.broken = true;
        // Where the file ended, the next read shows no more than what has come since: mostly nothing.
        size = read < size ? first.length : READ_BYTES;
      }
    } finally {
      giveScratch(first);
      await file.close();
    }
  }

  /** Completes the samples from the `.log` itself where rows are missing, as far as its batches follow each other. */
  async complete(position: number, walk: BatchWalk): Promise<void> {
    if (this.position >= position) return;
    await walk(this.position, position, (bytes, at, batchPosition) => {
      const header = readHeader(bytes, at);
      // The CRC does not cover the base offset: from a wrong one on nothing can be told.
      if (batchPosition !== this.position || !this.#continues(header.baseOffset)) return;
      this.#add(header.baseOffset, header.lastOffset, batchPosition, header.bytes, header.maxTimestamp);
    });
  }

  /** Consumes whole rows and answers how many bytes they were. */
  #takeRows(bytes: Uint8Array, limit: number): number {
    let at = 0;
    if (this.rowPosition === 0) {
      if (!isFileHeaderRow(bytes, 0, this.#identity)) {
        this.broken = true;
        return 0;
      }
      at = ROW_BYTES;
    }
    while (this.position < limit) {
      const length = rowLength(bytes, at);
      if (length === 0) {
        // Not whole in this piece, or damaged: the next read begins here and shows which.
        break;
      }
      if (rowType(bytes, at) === ROW_BATCH && !this.#takeBatchRow(bytes, at, limit)) {
        this.broken = true;
        break;
      }
      at += length;
    }
    this.rowPosition += at;
    return at;
  }

  #takeBatchRow(bytes: Uint8Array, at: number, limit: number): boolean {
    const row = readBatchRow(bytes, at);
    if (row === undefined || row.position !== this.position || row.position + row.bytes > limit) return false;
    if (!this.#continues(row.baseOffset)) return false;
    this.#add(row.baseOffset, row.lastOffset, row.position, row.bytes, row.runningMaxTimestamp);
    return true;
  }

  #continues(baseOffset: number): boolean {
    return this.#holes ? baseOffset >= this.nextOffset : baseOffset === this.nextOffset;
  }

  #add(baseOffset: number, lastOffset: number, position: number, bytes: number, maxTimestamp: number): void {
    this.samples.add(baseOffset, position, maxTimestamp);
    this.position = position + bytes;
    this.nextOffset = lastOffset + 1;
  }
}
