/**
 * Writes the runs of a user that has more postings than its bucket takes.
 *
 * @module
 */
import { writeI32, writeU16 } from "../bytes.ts";
import { MAX_POSTING_BYTES, type NumberReader, writeNumber, writePostings } from "./numbers.ts";
import { WORDS } from "./posting_pool.ts";
import type { TableBuffer } from "./table_buffer.ts";
import { endRow, ROW_USER_RUN, RUN_PREFIX_BYTES } from "./table_format.ts";

/** One user at a time. */
export class RunWriter {
  /** Length of the run that was written last; 0 before the first one. */
  previous = 0;
  readonly #buffer: TableBuffer;
  readonly #stride: number;
  #high = 0;
  #low = 0;
  /** The run that is being made, how many postings it has, and where the next one goes. */
  #row = new Uint8Array(0);
  #count = 0;
  #at = RUN_PREFIX_BYTES;
  /** The newest posting. */
  #offset = 0;
  #position = 0;

  /** @param stride Postings in a run, at most. */
  constructor(buffer: TableBuffer, stride: number) {
    this.#buffer = buffer;
    this.#stride = stride;
  }

  begin(high: number, low: number): void {
    const needed = RUN_PREFIX_BYTES + this.#stride * MAX_POSTING_BYTES + 8;
    if (this.#row.length < needed) this.#row = new Uint8Array(needed);
    this.#high = high;
    this.#low = low;
    this.previous = this.#count = 0;
    this.#at = RUN_PREFIX_BYTES;
  }

  /** Postings in memory, as in {@linkcode writePostings}. */
  write(data: Uint32Array, from: number, to: number): void {
    while (from < to) {
      const end = Math.min(to, from + (this.#stride - this.#count) * WORDS);
      const isFirst = this.#count === 0;
      this.#count += (end - from) / WORDS;
      if (isFirst) {
        this.#first(data[from + 2], data[from + 3]);
        from += WORDS;
      }
      this.#at = writePostings(this.#row, this.#at, data, from, end, this.#offset, this.#position);
      this.#offset = data[end - 2];
      this.#position = data[end - 1];
      from = end;
      if (this.#count === this.#stride) this.end();
    }
  }

  /** Postings of another table: the first one as it is, the others from a reader. */
  copy(offset: number, position: number, reader: NumberReader, count: number): void {
    for (;;) {
      if (this.#count === 0) this.#first(offset, position);
      else {
        const at = writeNumber(this.#row, this.#at, offset - this.#offset);
        this.#at = writeNumber(this.#row, at, (position - this.#position) >>> 0);
      }
      const rest = Math.min(--count, this.#stride - ++this.#count);
      this.#at = reader.copyPostings(rest, this.#row, this.#at, offset, position);
      this.#offset = reader.offset;
      this.#position = reader.place;
      this.#count += rest;
      count -= rest;
      if (this.#count === this.#stride) this.end();
      if (count === 0 || reader.failed) return;
      offset = this.#offset + reader.next();
      position = (this.#position + reader.next()) >>> 0;
    }
  }

  /** A run of another table as it is, but for the offset of its first posting. */
  copyRun(bytes: Uint8Array, at: number, length: number, offset: number): void {
    this.end();
    const place = this.#buffer.append(bytes, at, length);
    writeI32(this.#buffer.bytes, place + 16, offset);
    writeU16(this.#buffer.bytes, place + 26, this.previous);
    endRow(this.#buffer.bytes, place, length, ROW_USER_RUN);
    this.previous = length;
  }

  /** The postings so far are a run. */
  end(): void {
    if (this.#count === 0) return;
    const row = this.#row;
    const used = this.#at;
    const length = (used + 7) & ~7;
    row.fill(0, used, length);
    writeI32(row, 8, this.#high);
    writeI32(row, 12, this.#low);
    writeU16(row, 24, this.#count);
    writeU16(row, 26, this.previous);
    writeI32(row, 28, used - RUN_PREFIX_BYTES);
    const place = this.#buffer.append(row, 0, length);
    endRow(this.#buffer.bytes, place, length, ROW_USER_RUN);
    this.previous = length;
    this.#count = 0;
    this.#at = RUN_PREFIX_BYTES;
  }

  #first(offset: number, position: number): void {
    writeI32(this.#row, 16, offset);
    writeI32(this.#row, 20, position);
    this.#offset = offset;
    this.#position = position;
  }
}
