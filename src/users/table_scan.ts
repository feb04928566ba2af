/**
 * Goes through all users of a table in the order of their hashes.
 *
 * @module
 */
import { readU32 } from "../bytes.ts";
import type { MaybePromise } from "../vfs.ts";
import { NumberReader } from "./numbers.ts";
import type { TableFile, UserEntry } from "./table_file.ts";
import { BUCKET_PREFIX_BYTES, MAX_ROW_BYTES, SLOT_BYTES, TABLE_HEADER_BYTES } from "./table_format.ts";

const WINDOW_BYTES = 128 * 1024;

/** Stands on a user after each `next()` that answered true. Holds a window of the file, not all of it. */
export class TableScan {
  readonly file: TableFile;
  entry: UserEntry | undefined = undefined;
  /** A lower half that no hash has: then no postings are taken. */
  readonly #wanted: number | undefined;
  #before = 0;
  #bucket = 0;
  #left = 0;
  #reader = new NumberReader(EMPTY, 0, 0);
  readonly #slots: Uint8Array;
  #slotsFrom = 0;
  #slotsTo = 0;
  #window: Uint8Array = EMPTY;
  #windowFrom = 0;

  /** @param withPostings False: only counts are wanted. */
  constructor(file: TableFile, withPostings: boolean) {
    this.file = file;
    this.#wanted = withPostings ? undefined : -1;
    this.#slots = new Uint8Array(Math.min(file.buckets, 4096) * SLOT_BYTES);
  }

  next(): MaybePromise<boolean> {
    if (this.#left > 0) return this.#step();
    return this.#nextBucket();
  }

  #step(): true {
    this.#left--;
    this.entry = this.file.entry(this.#reader, this.#before, this.#wanted);
    this.#before = this.entry.high;
    return true;
  }

  async #nextBucket(): Promise<boolean> {
    while (this.#left === 0) {
      if (this.#bucket === this.file.buckets) {
        this.entry = undefined;
        return false;
      }
      await this.#loadBucket();
    }
    return this.#step();
  }

  async #loadBucket(): Promise<void> {
    const number = this.#bucket++;
    if (number >= this.#slotsTo) {
      await this.#fill(this.#slots, TABLE_HEADER_BYTES + number * SLOT_BYTES);
      this.#slotsFrom = number;
      this.#slotsTo = number + this.#slots.length / SLOT_BYTES;
    }
    const slot = (number - this.#slotsFrom) * SLOT_BYTES;
    const position = readU32(this.#slots, slot) * 8;
    const length = readU32(this.#slots, slot + 4);
    if (length < BUCKET_PREFIX_BYTES || length > MAX_ROW_BYTES) throw this.file.damage("a slot makes no sense");
    const windowTo = this.#windowFrom + this.#window.length;
    if (position < this.#windowFrom || position + length > windowTo) {
      // Bytes of buckets that were handed out before stay as they are: entries may point into them.
      const window = new Uint8Array(WINDOW_BYTES);
      this.#window = window.subarray(0, await this.#fill(window, position, length));
      this.#windowFrom = position;
    }
    const at = position - this.#windowFrom;
    const { users, end } = this.file.prefix(this.#window, at, length, number);
    this.#left = users;
    this.#before = this.file.firstOf(number);
    this.#reader = new NumberReader(this.#window, at + BUCKET_PREFIX_BYTES, end);
  }

  async #fill(into: Uint8Array, position: number, needed = into.length): Promise<number> {
    const read = await this.file.read(into, position);
    if (read < needed) throw this.file.damage("the file ends early");
    return read;
  }
}

const EMPTY = new Uint8Array(0);
