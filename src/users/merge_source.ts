/**
 * One of the tables that are merged: goes through its users, and hands their postings on without keeping them.
 *
 * @module
 */
import { readU16, readU32 } from "../bytes.ts";
import { rowLength } from "../index/rows.ts";
import type { MaybePromise } from "../vfs.ts";
import { NumberReader } from "./numbers.ts";
import type { TableFile } from "./table_file.ts";
import {
  BUCKET_PREFIX_BYTES,
  MAX_ROW_BYTES,
  ROW_USER_RUN,
  RUN_PREFIX_BYTES,
  SLOT_BYTES,
  TABLE_HEADER_BYTES,
} from "./table_format.ts";
import type { TableWriter } from "./table_writer.ts";

/** As large as the largest row; reads of so much are answered at once, and take no turn of the event loop. */
const WINDOW_BYTES: number = 64 * 1024;
/** Made between two writes: it keeps the thread for about three milliseconds. */
export const MERGE_BUFFER_BYTES: number = 512 * 1024;
const MAX_SLOTS = 4096;

/** A piece of a file. Most rows are in the piece that the row before was in. */
class Window {
  readonly bytes: Uint8Array = new Uint8Array(WINDOW_BYTES);
  readonly #file: TableFile;
  #from = 0;
  #to = 0;

  constructor(file: TableFile) {
    this.#file = file;
  }

  /** True where so much stands in the window already. */
  has(position: number, length: number): boolean {
    return position >= this.#from && position + length <= this.#to;
  }

  /** Where `position` stands in the bytes, once `length` bytes from there are in the window. */
  place(position: number, length: number): MaybePromise<number> {
    if (this.has(position, length)) return position - this.#from;
    return this.#load(position, length);
  }

  async #load(position: number, length: number): Promise<number> {
    this.#from = this.#to = 0;
    const read = await this.#file.read(this.bytes, position);
    if (read < length) throw this.#file.damage("the file ends early");
    this.#from = position;
    this.#to = position + read;
    return 0;
  }
}

/** Stands on a user after each `next()` that answered true; then its postings have to be taken, once. */
export class MergeSource {
  readonly file: TableFile;
  high = 0;
  low = 0;
  /** Postings of the user. */
  count = 0;
  #isInline = true;
  #bucket = 0;
  #users = 0;
  /** The runs of a bucket's users stand behind the bucket before, in front of its own row. */
  #runsFrom: number;
  #slotsFrom = 0;
  #slotsTo = 0;
  readonly #slots: Uint8Array;
  readonly #rows: Window;
  /** For runs that are not in the other one. */
  readonly #runs: Window;
  readonly #reader: NumberReader;
  readonly #stride: number;

  /** @param stride Postings in a run of the new table, at most. */
  constructor(file: TableFile, stride: number) {
    this.file = file;
    this.#stride = stride;
    this.#slots = new Uint8Array(Math.min(file.buckets, MAX_SLOTS) * SLOT_BYTES);
    this.#runsFrom = TABLE_HEADER_BYTES + file.buckets * SLOT_BYTES;
    this.#rows = new Window(file);
    this.#runs = new Window(file);
    this.#reader = new NumberReader(this.#rows.bytes, 0, 0);
  }

  /** Steps to the next user in the order of hashes. */
  next(): MaybePromise<boolean> {
    return this.#users > 0 ? this.#step() : this.#nextBucket();
  }

  /** Hands all postings on; their offsets count from `first`. */
  put(writer: TableWriter, first: number): MaybePromise<void> {
    if (!this.#isInline) return this.#putRuns(writer, first);
    const reader = this.#reader;
    const offset = this.file.identity.first - first + reader.next();
    writer.copy(offset, reader.next(), reader, this.count);
    if (reader.failed) throw this.file.damage("postings make no sense");
  }

  #step(): true {
    const reader = this.#reader;
    this.#users--;
    this.high += reader.next();
    const { position } = reader;
    if (position + 4 > reader.end) throw this.file.damage("an entry is cut off");
    this.low = readU32(reader.bytes, position);
    reader.position += 4;
    const code = reader.next();
    this.count = code >>> 1;
    this.#isInline = (code & 1) === 0;
    if (reader.failed) throw this.file.damage("an entry makes no sense");
    return true;
  }

  async #nextBucket(): Promise<boolean> {
    while (this.#users === 0) {
      if (this.#bucket === this.file.buckets) return false;
      await this.#loadBucket(this.#bucket++);
    }
    return this.#step();
  }

  async #loadBucket(number: number): Promise<void> {
    const { file } = this;
    if (number >= this.#slotsTo) {
      const read = await file.read(this.#slots, TABLE_HEADER_BYTES + number * SLOT_BYTES);
      if (read < this.#slots.length) throw file.damage("the file ends early");
      this.#slotsFrom = number;
      this.#slotsTo = number + this.#slots.length / SLOT_BYTES;
    }
    const slot = (number - this.#slotsFrom) * SLOT_BYTES;
    const length = readU32(this.#slots, slot + 4);
    if (length < BUCKET_PREFIX_BYTES || length > MAX_ROW_BYTES) throw file.damage("a slot makes no sense");
    const position = readU32(this.#slots, slot) * 8;
    const runsBytes = position - this.#runsFrom;
    const isTogether = runsBytes >= 0 && runsBytes + length <= WINDOW_BYTES;
    const front = isTogether ? runsBytes : 0;
    const at = front + await this.#rows.place(position - front, front + length);
    this.#runsFrom = position + length;
    const { users, end } = file.prefix(this.#rows.bytes, at, length, number);
    this.#users = users;
    this.high = file.firstOf(number);
    this.#reader.position = at + BUCKET_PREFIX_BYTES;
    this.#reader.end = end;
  }

  async #putRuns(writer: TableWriter, first: number): Promise<void> {
    const { file } = this;
    const reader = this.#reader;
    let from = reader.next() * 8;
    const end = from + reader.next() * 8;
    reader.next();
    if (reader.failed) throw file.damage("an entry makes no sense");
    let left = this.count;
    while (from < end) {
      const wanted = Math.min(MAX_ROW_BYTES, end - from);
      const runs = this.#rows.has(from, wanted) ? this.#rows : this.#runs;
      const place = runs.place(from, wanted);
      let at = typeof place === "number" ? place : await place;
      const to = at + wanted;
      const before = at;
      while (at + RUN_PREFIX_BYTES <= to) {
        const length = readU16(runs.bytes, at);
        if (at + length > to) break;
        left -= this.#putRun(writer, runs.bytes, at, length, first);
        at += length;
      }
      if (at === before) throw file.damage("a run is cut off");
      from += at - before;
      if (writer.isFilled(MERGE_BUFFER_BYTES)) await writer.flush();
    }
    if (left !== 0) throw file.damage("runs have another number of postings than their entry says");
  }

  /** Hands on the postings of one run and answers how many there are. */
  #putRun(writer: TableWriter, bytes: Uint8Array, at: number, length: number, first: number): number {
    const { file } = this;
    const isIntact = length >= RUN_PREFIX_BYTES && rowLength(bytes, at) === length && bytes[at + 2] === ROW_USER_RUN &&
      readU32(bytes, at + 8) === this.high && readU32(bytes, at + 12) === this.low;
    const end = at + RUN_PREFIX_BYTES + (isIntact ? readU32(bytes, at + 28) : 0);
    const count = readU16(bytes, at + 24);
    if (!isIntact || end > at + length || count === 0) throw file.damage("a run is damaged");
    const offset = file.identity.first - first + readU32(bytes, at + 16);
    // A few postings, such as the last ones of each table, go together with those of the next table.
    if (2 * count >= this.#stride) writer.copyRun(bytes, at, length, offset);
    else {
      const reader = new NumberReader(bytes, at + RUN_PREFIX_BYTES, end);
      writer.copy(offset, readU32(bytes, at + 20), reader, count);
      if (reader.failed) throw file.damage("a run makes no sense");
    }
    return count;
  }
}
