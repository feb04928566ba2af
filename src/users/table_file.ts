/**
 * Reads a table of the user index: one user, or all of them in the order of their hashes.
 *
 * @module
 */
import { readU16, readU32 } from "../bytes.ts";
import { rowLength } from "../index/rows.ts";
import type { MaybePromise, Vfs, VfsFile } from "../vfs.ts";
import { NumberReader } from "./numbers.ts";
import {
  BUCKET_PREFIX_BYTES,
  bucketOf,
  type BucketPrefix,
  bucketShift,
  bucketsOf,
  firstOfBucket,
  type LastBatch,
  MAX_ROW_BYTES,
  ownerOf,
  readBucketPrefix,
  ROW_USER_RUN,
  RUN_PREFIX_BYTES,
  SLOT_BYTES,
  TABLE_HEADER_BYTES,
  type TableIdentity,
  tableName,
} from "./table_format.ts";

/** Of runs, so much is read at first, and at most at once. The second is more than any row. */
const FIRST_RUNS_BYTES = 4 * 1024;
const RUNS_BYTES: number = 2 * (MAX_ROW_BYTES + 8);

/** Something in a table is not what it should be: its range of the log is scanned instead. */
export class TableDamage extends Error {
  override readonly name: string = "TableDamage";
  /** Without the name of the file. */
  readonly what: string;

  constructor(table: string, what: string) {
    super(`${table}: ${what}`);
    this.what = what;
  }
}

/** Postings in the order of their offsets. */
export interface PostingChunk {
  readonly offsets: number[];
  /** Where the batch of each starts in its `.log`. */
  readonly positions: number[];
}

/** What a table has of one user. */
export interface UserEntry {
  readonly high: number;
  readonly low: number;
  readonly count: number;
  /** All postings, where they stand in the bucket. */
  readonly inline: PostingChunk | undefined;
  /** Otherwise: where the runs are, and how long the last one is. */
  readonly from: number;
  readonly bytes: number;
  readonly lastRun: number;
}

/** One open table. */
export class TableFile {
  readonly identity: TableIdentity;
  readonly buckets: number;
  readonly #file: VfsFile;
  readonly #shift: number;
  readonly #owner: number;
  /** Of the bucket that was read last. */
  last: LastBatch | undefined = undefined;

  private constructor(file: VfsFile, identity: TableIdentity) {
    this.#file = file;
    this.identity = identity;
    this.buckets = bucketsOf(identity);
    this.#shift = bucketShift(this.buckets);
    this.#owner = ownerOf(identity);
  }

  static async open(vfs: Vfs, directory: string, identity: TableIdentity): Promise<TableFile> {
    return new TableFile(await vfs.open(`${directory}/${tableName(identity)}`, "read"), identity);
  }

  close(): MaybePromise<void> {
    return this.#file.close();
  }

  size(): MaybePromise<number> {
    return this.#file.size();
  }

  /** What the table has of the user with this hash: two reads, whether it is there or not. */
  async find(high: number, low: number): Promise<UserEntry | undefined> {
    const number = bucketOf(high, this.#shift);
    const bytes = await this.bucket(number);
    const prefix = this.prefix(bytes, 0, bytes.length, number);
    const reader = new NumberReader(bytes, BUCKET_PREFIX_BYTES, prefix.end);
    let before = this.firstOf(number);
    for (let i = 0; i < prefix.users; i++) {
      const entry = this.entry(reader, before, low);
      if (entry.high === high && entry.low === low) return entry;
      before = entry.high;
    }
    return undefined;
  }

  /** What the first entry of a bucket counts from. */
  firstOf(bucket: number): number {
    return firstOfBucket(bucket, this.#shift);
  }

  /** The bytes of a bucket's row. */
  async bucket(number: number): Promise<Uint8Array> {
    const slot = new Uint8Array(SLOT_BYTES);
    await this.#read(slot, TABLE_HEADER_BYTES + number * SLOT_BYTES);
    return await this.#row(readU32(slot, 0) * 8, readU32(slot, 4));
  }

  /** What stands in front of the entries of a bucket. */
  prefix(bytes: Uint8Array, at: number, length: number, number: number): BucketPrefix {
    const prefix = readBucketPrefix(bytes, at, length, number, this.identity, this.#owner);
    if (prefix === undefined) throw this.damage(`bucket ${number} is damaged`);
    this.last = prefix.last;
    return prefix;
  }

  /**
   * The entry that a reader stands before.
   *
   * @param before Upper half of the hash of the entry before.
   * @param wanted Postings in the bucket are taken only of this lower half; without one, of all.
   */
  entry(reader: NumberReader, before: number, wanted?: number): UserEntry {
    const high = before + reader.next();
    const { bytes, position } = reader;
    if (position + 4 > reader.end) throw this.damage("an entry is cut off");
    const low = readU32(bytes, position);
    const isWanted = wanted === undefined || wanted === low;
    reader.position += 4;
    const code = reader.next();
    const count = code >>> 1;
    let inline: PostingChunk | undefined;
    let from = 0;
    let size = 0;
    let lastRun = 0;
    if ((code & 1) === 0) {
      if (isWanted) inline = this.#postings(reader, count, 0, 0);
      else for (let i = 0; i < 2 * count && !reader.failed; i++) reader.next();
    } else {
      from = reader.next() * 8;
      size = reader.next() * 8;
      lastRun = reader.next() * 8;
    }
    if (reader.failed) throw this.damage("an entry makes no sense");
    return { high, low, count, inline, from, bytes: size, lastRun };
  }

  /** All postings of a user, piece by piece: each piece in the order of offsets, the pieces from either end. */
  async *chunks(entry: UserEntry, reverse: boolean): AsyncGenerator<PostingChunk> {
    if (entry.inline !== undefined) yield entry.inline;
    else if (reverse) yield* this.#backward(entry);
    else yield* this.#forward(entry);
  }

  damage(what: string): TableDamage {
    return new TableDamage(tableName(this.identity), what);
  }

  async *#forward(entry: UserEntry): AsyncGenerator<PostingChunk> {
    const end = entry.from + entry.bytes;
    for (let from = entry.from; from < end;) {
      const bytes = new Uint8Array(Math.min(RUNS_BYTES, end - from));
      await this.#read(bytes, from);
      const chunk: PostingChunk = { offsets: [], positions: [] };
      let at = 0;
      while (at + 8 <= bytes.length) {
        const length = readU16(bytes, at);
        if (at + length > bytes.length) break;
        this.#run(bytes, at, length, entry, chunk);
        at += length;
      }
      if (at === 0) throw this.damage("a run is cut off");
      from += at;
      yield chunk;
    }
  }

  async *#backward(entry: UserEntry): AsyncGenerator<PostingChunk> {
    let end = entry.from + entry.bytes;
    let length = entry.lastRun;
    let size = Math.max(FIRST_RUNS_BYTES, length);
    while (end > entry.from) {
      if (length < RUN_PREFIX_BYTES || end - length < entry.from) throw this.damage("a run's link makes no sense");
      const bytes = new Uint8Array(Math.min(size, end - entry.from));
      await this.#read(bytes, end - bytes.length);
      const runs: PostingChunk[] = [];
      let at = bytes.length;
      while (length > 0 && at >= length) {
        at -= length;
        const run: PostingChunk = { offsets: [], positions: [] };
        length = this.#run(bytes, at, length, entry, run);
        runs.push(run);
      }
      end -= bytes.length - at;
      if (length === 0 && end > entry.from) throw this.damage("runs are missing");
      size = RUNS_BYTES;
      for (const run of runs) yield run;
    }
  }

  /** Adds the postings of a run and answers the length of the run before. */
  #run(bytes: Uint8Array, at: number, length: number, { high, low }: UserEntry, into: PostingChunk): number {
    const isIntact = length >= RUN_PREFIX_BYTES && rowLength(bytes, at) === length && bytes[at + 2] === ROW_USER_RUN &&
      readU32(bytes, at + 8) === high && readU32(bytes, at + 12) === low;
    const end = at + RUN_PREFIX_BYTES + (isIntact ? readU32(bytes, at + 28) : 0);
    if (!isIntact || end > at + length) throw this.damage("a run is damaged");
    const offset = readU32(bytes, at + 16);
    const position = readU32(bytes, at + 20);
    into.offsets.push(this.identity.first + offset);
    into.positions.push(position);
    const reader = new NumberReader(bytes, at + RUN_PREFIX_BYTES, end);
    const rest = this.#postings(reader, readU16(bytes, at + 24) - 1, offset, position);
    if (reader.failed) throw this.damage("a run makes no sense");
    for (const value of rest.offsets) into.offsets.push(value);
    for (const value of rest.positions) into.positions.push(value);
    return readU16(bytes, at + 26);
  }

  #postings(reader: NumberReader, count: number, offset: number, position: number): PostingChunk {
    const { first } = this.identity;
    const offsets: number[] = [];
    const positions: number[] = [];
    for (let i = 0; i < count && !reader.failed; i++) {
      offset += reader.next();
      position = (position + reader.next()) >>> 0;
      offsets.push(first + offset);
      positions.push(position);
    }
    return { offsets, positions };
  }

  /** The bytes of the row at `position`. */
  async #row(position: number, length: number): Promise<Uint8Array> {
    if (length < BUCKET_PREFIX_BYTES || length > MAX_ROW_BYTES) throw this.damage("a slot makes no sense");
    const bytes = new Uint8Array(length);
    await this.#read(bytes, position);
    return bytes;
  }

  /** Reads a range that has to be there. */
  async #read(into: Uint8Array, position: number): Promise<void> {
    const read = this.#file.read(into, position);
    if ((read instanceof Promise ? await read : read) < into.length) throw this.damage("the file ends early");
  }

  /** For whoever reads all of it: fills `into` as far as the file goes. */
  read(into: Uint8Array, position: number): MaybePromise<number> {
    return this.#file.read(into, position);
  }
}
