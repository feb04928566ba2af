/**
 * The pair of files a shard is writing: appends bodies to the `.log` and rows to the `.idx`.
 *
 * @module
 */
import { BASE_OFFSET_AT, batchBytesAt, headerDigest, LAST_OFFSET_DELTA_AT, readHeader } from "../batch/format.ts";
import { readI32, readI64 } from "../bytes.ts";
import { emptyEnd, type End } from "../anchor/end.ts";
import { type IndexIdentity, ROW_BYTES, writeBatchRow, writeFileHeaderRow, writeSealRow } from "../index/rows.ts";
import type { MaybePromise, VfsFile } from "../vfs.ts";
import { BodyWriter } from "./body_writer.ts";

/** Kafka's indexes hold offsets relative to the segment in 31 bits. */
const MAX_OFFSETS = 0x7fff_ffff;

/** Appends to one segment. One call at a time. */
export class SegmentWriter {
  /** Where the segment ends: everything before it was written. */
  end: End;
  readonly #log: BodyWriter;
  /** `undefined` once a row could not be written: the index ends there and is made again at the next opening. */
  #index: VfsFile | undefined;
  #rows: Uint8Array = new Uint8Array(ROW_BYTES * 16);
  #lastDigest = 0;
  readonly identity: IndexIdentity;
  #indexGivenUp: (() => void) | undefined = undefined;

  constructor(identity: IndexIdentity, log: VfsFile, index: VfsFile | undefined, end: End) {
    this.identity = identity;
    this.#log = new BodyWriter(log, end.position);
    this.#index = index;
    this.end = end;
  }

  /** Begins a new segment in two empty files. */
  static async begin(identity: IndexIdentity, log: VfsFile, index: VfsFile | undefined): Promise<SegmentWriter> {
    const writer = new SegmentWriter(identity, log, index, emptyEnd(identity.base));
    writeFileHeaderRow(writer.#rows, 0, identity);
    await writer.#writeRows(ROW_BYTES);
    return writer;
  }

  /** How many bytes of `bytes[from, to)`, in whole batches, still belong into this segment. */
  room(bytes: Uint8Array, from: number, to: number, segmentBytes: number): number {
    let at = from;
    let position = this.#log.position;
    while (at < to) {
      const size = batchBytesAt(bytes, at);
      if (position > 0 && position + size > segmentBytes) break;
      const lastOffset = readI64(bytes, at + BASE_OFFSET_AT) + readI32(bytes, at + LAST_OFFSET_DELTA_AT);
      if (position > 0 && lastOffset - this.identity.base > MAX_OFFSETS) break;
      position += size;
      at += size;
    }
    return at - from;
  }

  /** Puts whole batches behind the bodies before them; the caller hands in no more than {@linkcode SegmentWriter.room}. */
  get body(): BodyWriter {
    return this.#log;
  }

  /**
   * Once a body is settled, in the order of the bodies: writes the rows of its batches, in one write, and moves the end.
   * An index that cannot be written never stops a log.
   */
  appendRows(bytes: Uint8Array, from: number, to: number): MaybePromise<void> {
    let maximum = this.end.maxTimestamp;
    let position = this.end.position;
    let rows = 0;
    let last = from;
    for (let at = from; at < to; rows += ROW_BYTES) {
      if (rows + ROW_BYTES > this.#rows.length) this.#growRows();
      maximum = writeBatchRow(this.#rows, rows, bytes, at, position, maximum);
      last = at;
      const size = batchBytesAt(bytes, at);
      position += size;
      at += size;
    }
    const header = readHeader(bytes, last);
    this.#lastDigest = headerDigest(bytes, last);
    const indexPosition = this.end.indexPosition;
    this.end = {
      segment: this.identity.base,
      nextOffset: header.lastOffset + 1,
      position,
      indexPosition,
      last: { baseOffset: header.baseOffset, position: position - header.bytes, crc: header.crc },
      lastTimestamp: header.maxTimestamp,
      maxTimestamp: maximum,
    };
    return this.#writeRows(rows);
  }

  /** Calls `givenUp` once the index is not written any more, at once where that is so already. */
  watchIndex(givenUp: () => void): void {
    if (this.#index === undefined) givenUp();
    else this.#indexGivenUp = givenUp;
  }

  /** Ends the index of the finished segment. */
  seal(): MaybePromise<void> {
    writeSealRow(this.#rows, 0, {
      nextOffset: this.end.nextOffset,
      logBytes: this.end.position,
      rowPosition: this.end.indexPosition,
      maxTimestamp: this.end.maxTimestamp,
      lastDigest: this.#lastDigest,
    });
    return this.#writeRows(ROW_BYTES);
  }

  /** Syncs the `.log`. The index is disposable and never synced. */
  sync(): MaybePromise<void> {
    return this.#log.sync();
  }

  async close(): Promise<void> {
    await this.#log.close();
    await this.#index?.close();
  }

  #writeRows(bytes: number): MaybePromise<void> {
    if (this.#index === undefined) return;
    const rows = this.#rows.subarray(0, bytes);
    let done: MaybePromise<void>;
    try {
      done = this.#index.write(rows, this.end.indexPosition);
    } catch {
      return this.#endIndex();
    }
    if (done instanceof Promise) return done.then(() => this.#moveIndex(bytes), () => this.#endIndex());
    this.#moveIndex(bytes);
  }

  #moveIndex(bytes: number): void {
    this.end = { ...this.end, indexPosition: this.end.indexPosition + bytes };
  }

  async #endIndex(): Promise<void> {
    const index = this.#index;
    this.#index = undefined;
    this.#indexGivenUp?.();
    try {
      await index?.close();
    } catch {
      // The index is given up either way.
    }
  }

  #growRows(): void {
    const larger = new Uint8Array(this.#rows.length * 2);
    larger.set(this.#rows);
    this.#rows = larger;
  }
}
