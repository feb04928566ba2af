/**
 * Writes a table of the user index: users in the order of their hashes, and of each its postings, the oldest first.
 *
 * @module
 */
import { writeI32, writeU16 } from "../bytes.ts";
import type { Vfs, VfsFile } from "../vfs.ts";
import { writeNumber } from "./numbers.ts";
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
  ROW_USER_RUN,
  RUN_PREFIX_BYTES,
  SLOT_BYTES,
  TABLE_HEADER_BYTES,
  type TableIdentity,
  tableName,
  writeBucketPrefix,
  writeTableHeader,
} from "./table_format.ts";

/** Written at once: what is made between two writes of a table keeps the thread for one or two milliseconds. */
const BUFFER_BYTES: number = 256 * 1024;
const FIRST_BUFFER_BYTES: number = 64 * 1024;
/** Two numbers of five bytes. */
const MAX_POSTING_BYTES = 10;
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
  readonly #stride: number;
  readonly #inline: number;
  readonly #shift: number;
  readonly #slots: Uint8Array;
  #file: VfsFile | undefined = undefined;
  /** Bytes for the file from {@linkcode TableWriter.#written} on. */
  #buffer = new Uint8Array(FIRST_BUFFER_BYTES);
  #filled = 0;
  #written: number;
  #bucket = 0;
  #entries = new Uint8Array(4096);
  #entryAt = 0;
  #users = 0;
  /** Of the user before in the bucket, or where the bucket's hashes begin. */
  #previousHigh = 0;
  /** Hash of the user that is being written. */
  high = 0;
  low = 0;
  // Of the same user.
  #isInline = true;
  #left = 0;
  #offset = 0;
  #position = 0;
  #runCount = 0;
  #runAt = 0;
  #runsFrom = 0;
  #previousRun = 0;
  #row = new Uint8Array(0);

  /** @param stride Postings in a run, at most. */
  constructor(vfs: Vfs, directory: string, identity: TableIdentity, last: LastBatch, stride: number) {
    this.#vfs = vfs;
    this.#directory = directory;
    this.#identity = identity;
    this.#owner = ownerOf(identity);
    this.#last = last;
    this.#stride = stride;
    this.#inline = Math.min(stride, MAX_INLINE);
    const buckets = bucketsOf(identity);
    this.#shift = bucketShift(buckets);
    this.#slots = new Uint8Array(buckets * SLOT_BYTES);
    this.#written = TABLE_HEADER_BYTES + this.#slots.length;
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
    return this.#filled >= bytes;
  }

  /** Begins the next user, in the order of hashes, with so many postings. */
  begin(high: number, low: number, count: number): void {
    const bucket = bucketOf(high, this.#shift);
    while (this.#bucket < bucket) this.#endBucket();
    this.high = high;
    this.low = low;
    this.#left = count;
    this.#offset =
      this.#position =
      this.#runCount =
      this.#previousRun =
        0;
    this.#isInline = count <= this.#inline;
    if (this.#isInline) {
      this.#reserveEntry(MAX_ENTRY_BYTES + count * MAX_POSTING_BYTES);
      this.#beginEntry(count);
    } else {
      this.#reserveEntry(MAX_ENTRY_BYTES);
      this.#beginEntry(count);
      this.#runsFrom = this.#written + this.#filled;
      this.#runAt = RUN_PREFIX_BYTES;
      const needed = RUN_PREFIX_BYTES + this.#stride * MAX_POSTING_BYTES + 8;
      if (this.#row.length < needed) this.#row = new Uint8Array(needed);
    }
  }

  /** Adds a posting; the offset is relative to the table's first one. */
  add(offset: number, position: number): void {
    if (this.#isInline) {
      const at = writeNumber(this.#entries, this.#entryAt, offset - this.#offset);
      this.#entryAt = writeNumber(this.#entries, at, (position - this.#position) >>> 0);
    } else {
      if (this.#runCount === 0) {
        writeI32(this.#row, 16, offset);
        writeI32(this.#row, 20, position);
      } else {
        const at = writeNumber(this.#row, this.#runAt, offset - this.#offset);
        this.#runAt = writeNumber(this.#row, at, (position - this.#position) >>> 0);
      }
      this.#runCount++;
    }
    this.#offset = offset;
    this.#position = position;
    this.#left--;
    if (this.#isInline) return;
    if (this.#runCount === this.#stride || this.#left === 0) this.#endRun();
    if (this.#left === 0) this.#endRuns();
  }

  /** Hands over to the file what stands in memory. */
  async flush(): Promise<void> {
    if (this.#filled === 0) return;
    await this.#file!.write(this.#buffer.subarray(0, this.#filled), this.#written);
    this.#written += this.#filled;
    this.#filled = 0;
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
    return this.#written;
  }

  /** Gives the table up. */
  async abandon(): Promise<void> {
    try {
      await this.#file?.close();
      await this.#vfs.remove(`${this.#path}.tmp`);
    } catch {
      // The next opening removes it.
    }
  }

  #beginEntry(count: number): void {
    const entries = this.#entries;
    const at = writeNumber(entries, this.#entryAt, this.high - this.#previousHigh);
    this.#previousHigh = this.high;
    writeI32(entries, at, this.low);
    this.#entryAt = writeNumber(entries, at + 4, count * 2 + (this.#isInline ? 0 : 1));
    this.#users++;
  }

  #endRun(): void {
    const row = this.#row;
    const used = this.#runAt;
    const length = (used + 7) & ~7;
    row.fill(0, used, length);
    writeI32(row, 8, this.high);
    writeI32(row, 12, this.low);
    writeU16(row, 24, this.#runCount);
    writeU16(row, 26, this.#previousRun);
    writeI32(row, 28, used - RUN_PREFIX_BYTES);
    endRow(row, 0, length, ROW_USER_RUN);
    this.#append(row, length);
    this.#previousRun = length;
    this.#runCount = 0;
    this.#runAt = RUN_PREFIX_BYTES;
  }

  #endRuns(): void {
    const end = this.#written + this.#filled;
    let at = writeNumber(this.#entries, this.#entryAt, this.#runsFrom / 8);
    at = writeNumber(this.#entries, at, (end - this.#runsFrom) / 8);
    this.#entryAt = writeNumber(this.#entries, at, this.#previousRun / 8);
  }

  #endBucket(): void {
    const used = this.#entryAt;
    const length = (BUCKET_PREFIX_BYTES + used + 7) & ~7;
    if (length > MAX_ROW_BYTES) throw new TableError("a bucket is too large");
    const slot = this.#bucket * SLOT_BYTES;
    // One without users has a row, too: that there is none has to be told from a file whose pages were lost.
    this.#reserve(length);
    const row = this.#buffer;
    const at = this.#filled;
    writeBucketPrefix(row, at, this.#bucket, this.#users, used, this.#identity, this.#owner, this.#last);
    row.set(this.#entries.subarray(0, used), at + BUCKET_PREFIX_BYTES);
    row.fill(0, at + BUCKET_PREFIX_BYTES + used, at + length);
    endRow(row, at, length, ROW_USER_BUCKET);
    writeI32(this.#slots, slot, (this.#written + at) / 8);
    writeI32(this.#slots, slot + 4, length);
    this.#filled += length;
    this.#entryAt = this.#users = 0;
    this.#bucket++;
    this.#previousHigh = firstOfBucket(this.#bucket, this.#shift);
  }

  #append(row: Uint8Array, length: number): void {
    this.#reserve(length);
    this.#buffer.set(row.subarray(0, length), this.#filled);
    this.#filled += length;
  }

  #reserve(bytes: number): void {
    if (this.#filled + bytes <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.max(this.#buffer.length * 2, this.#filled + bytes));
    larger.set(this.#buffer.subarray(0, this.#filled));
    this.#buffer = larger;
  }

  #reserveEntry(bytes: number): void {
    if (this.#entryAt + bytes <= this.#entries.length) return;
    const larger = new Uint8Array(Math.max(this.#entries.length * 2, this.#entryAt + bytes));
    larger.set(this.#entries.subarray(0, this.#entryAt));
    this.#entries = larger;
  }
}
