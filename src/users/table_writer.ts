/**
 * Writes a table of the user index: users in the order of their hashes, and of each its postings, the oldest first.
 *
 * @module
 */
import { writeI32 } from "../bytes.ts";
import type { Vfs, VfsFile } from "../vfs.ts";
import { MAX_POSTING_BYTES, type NumberReader, writeNumber, writePostings } from "./numbers.ts";
import { RunWriter } from "./run_writer.ts";
import { TableBuffer } from "./table_buffer.ts";
import {
  BUCKET_PREFIX_BYTES,
  bucketOf,
  bucketShift,
  bucketsOf,
  endRow,
  firstOfBucket,
  type LastBatch,
  MAX_INLINE,
  MAX_ROW_BYTES,
  ownerOf,
  ROW_USER_BUCKET,
  SLOT_BYTES,
  TABLE_HEADER_BYTES,
  type TableIdentity,
  tableName,
  writeBucketPrefix,
  writeTableHeader,
} from "./table_format.ts";

/** Written at once: what is made between two writes of a table keeps the thread for one or two milliseconds. */
const BUFFER_BYTES: number = 256 * 1024;
/** Hash, count, and where the runs are. */
const MAX_ENTRY_BYTES: number = 4 + 5 * 5;

/** A bucket is larger than a row can be: the table is given up. */
export class TableError extends Error {}

/** Under another name until it is finished. */
export class TableWriter {
  readonly #vfs: Vfs;
  readonly #directory: string;
  readonly #identity: TableIdentity;
  readonly #owner: number;
  readonly #last: LastBatch;
  readonly #inline: number;
  readonly #shift: number;
  readonly #slots: Uint8Array;
  #file: VfsFile | undefined = undefined;
  readonly #buffer: TableBuffer;
  readonly #runs: RunWriter;
  #bucket = 0;
  #entries = new Uint8Array(4096);
  #entryAt = 0;
  #users = 0;
  /** Of the user before in the bucket, or where the bucket's hashes begin. */
  #previousHigh = 0;
  /** Hash of the user that is being written. */
  high = 0;
  low = 0;
  // Of the same user: whether its postings stand in the bucket, where its runs begin, and its newest posting in the bucket.
  #isInline = true;
  #runsFrom = 0;
  #offset = 0;
  #position = 0;

  /** @param stride Postings in a run, at most. */
  constructor(vfs: Vfs, directory: string, identity: TableIdentity, last: LastBatch, stride: number) {
    this.#vfs = vfs;
    this.#directory = directory;
    this.#identity = identity;
    this.#owner = ownerOf(identity);
    this.#last = last;
    this.#inline = Math.min(stride, MAX_INLINE);
    const buckets = bucketsOf(identity);
    this.#shift = bucketShift(buckets);
    this.#slots = new Uint8Array(buckets * SLOT_BYTES);
    this.#buffer = new TableBuffer(TABLE_HEADER_BYTES + this.#slots.length);
    this.#runs = new RunWriter(this.#buffer, stride);
  }

  get #path(): string {
    return `${this.#directory}/${tableName(this.#identity)}`;
  }

  async open(): Promise<void> {
    const draft = `${this.#path}.tmp`;
    try {
      await this.#vfs.remove(draft);
    } catch {
      // Most often there is none; where it cannot be removed, it cannot be created either.
    }
    this.#file = await this.#vfs.open(draft, "create");
  }

  /** True where {@linkcode TableWriter.flush} should be awaited before the next user. */
  isFilled(bytes: number = BUFFER_BYTES): boolean {
    return this.#buffer.filled >= bytes;
  }

  /**
   * Begins the next user, in the order of hashes, with so many postings. They follow in one or more pieces, their offsets relative to the
   * table's first one; then {@linkcode TableWriter.end}.
   */
  begin(high: number, low: number, count: number): void {
    const bucket = bucketOf(high, this.#shift);
    while (this.#bucket < bucket) this.#endBucket();
    this.high = high;
    this.low = low;
    this.#offset = this.#position = 0;
    const isInline = count <= this.#inline;
    this.#isInline = isInline;
    this.#reserveEntry(isInline ? MAX_ENTRY_BYTES + count * MAX_POSTING_BYTES : MAX_ENTRY_BYTES);
    const entries = this.#entries;
    const at = writeNumber(entries, this.#entryAt, high - this.#previousHigh);
    this.#previousHigh = high;
    writeI32(entries, at, low);
    this.#entryAt = writeNumber(entries, at + 4, isInline ? count * 2 : count * 2 + 1);
    this.#users++;
    if (isInline) return;
    this.#runsFrom = this.#buffer.end;
    this.#runs.begin(high, low);
  }

  /** Adds postings in memory, as in {@linkcode writePostings}. */
  write(data: Uint32Array, from: number, to: number): void {
    if (!this.#isInline) return this.#runs.write(data, from, to);
    this.#entryAt = writePostings(this.#entries, this.#entryAt, data, from, to, this.#offset, this.#position);
    this.#offset = data[to - 2];
    this.#position = data[to - 1];
  }

  /** Adds postings of another table: the first one as it is, the others from a reader, which may have failed then. */
  copy(offset: number, position: number, reader: NumberReader, count: number): void {
    if (!this.#isInline) return this.#runs.copy(offset, position, reader, count);
    let at = writeNumber(this.#entries, this.#entryAt, offset - this.#offset);
    at = writeNumber(this.#entries, at, (position - this.#position) >>> 0);
    this.#entryAt = reader.copyPostings(count - 1, this.#entries, at, offset, position);
    this.#offset = reader.offset;
    this.#position = reader.place;
  }

  /** Adds a run of another table as it is, but for the offset of its first posting. The user has runs here, too. */
  copyRun(bytes: Uint8Array, at: number, length: number, offset: number): void {
    this.#runs.copyRun(bytes, at, length, offset);
  }

  /** After the last posting of a user. */
  end(): void {
    if (this.#isInline) return;
    this.#runs.end();
    let at = writeNumber(this.#entries, this.#entryAt, this.#runsFrom / 8);
    at = writeNumber(this.#entries, at, (this.#buffer.end - this.#runsFrom) / 8);
    this.#entryAt = writeNumber(this.#entries, at, this.#runs.previous / 8);
  }

  /** Hands over to the file what stands in memory. */
  async flush(): Promise<void> {
    await this.#buffer.flush(this.#file!);
  }

  /** After the last user: the table gets its name. Answers its size in bytes. */
  async finish(): Promise<number> {
    const buckets = this.#slots.length / SLOT_BYTES;
    while (this.#bucket < buckets) {
      this.#endBucket();
      if (this.isFilled()) await this.flush();
    }
    await this.flush();
    const head = new Uint8Array(TABLE_HEADER_BYTES + this.#slots.length);
    writeTableHeader(head, this.#identity);
    head.set(this.#slots, TABLE_HEADER_BYTES);
    await this.#file!.write(head, 0);
    // A table that has its name is whole, whatever comes. Nobody waits for this.
    await this.#file!.sync();
    await this.#file!.close();
    this.#file = undefined;
    await this.#vfs.rename(`${this.#path}.tmp`, this.#path);
    this.#buffer.release();
    return this.#buffer.end;
  }

  /** Gives the table up. */
  async abandon(): Promise<void> {
    this.#buffer.release();
    try {
      await this.#file?.close();
      await this.#vfs.remove(`${this.#path}.tmp`);
    } catch {
      // The next opening removes it.
    }
  }

  #endBucket(): void {
    const used = this.#entryAt;
    const length = (BUCKET_PREFIX_BYTES + used + 7) & ~7;
    if (length > MAX_ROW_BYTES) throw new TableError("a bucket is too large");
    const slot = this.#bucket * SLOT_BYTES;
    // One without users has a row, too: that there is none has to be told from a file whose pages were lost.
    const buffer = this.#buffer;
    buffer.reserve(length);
    const { bytes, filled, end } = buffer;
    writeBucketPrefix(bytes, filled, this.#bucket, this.#users, used, this.#identity, this.#owner, this.#last);
    bytes.set(this.#entries.subarray(0, used), filled + BUCKET_PREFIX_BYTES);
    bytes.fill(0, filled + BUCKET_PREFIX_BYTES + used, filled + length);
    endRow(bytes, filled, length, ROW_USER_BUCKET);
    writeI32(this.#slots, slot, end / 8);
    writeI32(this.#slots, slot + 4, length);
    buffer.filled += length;
    this.#entryAt = this.#users = 0;
    this.#bucket++;
    this.#previousHigh = firstOfBucket(this.#bucket, this.#shift);
  }

  #reserveEntry(bytes: number): void {
    if (this.#entryAt + bytes <= this.#entries.length) return;
    const larger = new Uint8Array(Math.max(this.#entries.length * 2, this.#entryAt + bytes));
    larger.set(this.#entries.subarray(0, this.#entryAt));
    this.#entries = larger;
  }
}
