/**
 * An `.idx` as a witness: what its rows say of batches whose own header is damaged, and whether the rows themselves are
 * right. Read forward, once, beside the `.log`.
 *
 * @module
 */
import { headerDigest } from "../batch/format.ts";
import { equalBytes } from "../bytes.ts";
import { openIfThere } from "../if_there.ts";
import {
  type BatchRow,
  type IndexIdentity,
  isFileHeaderRow,
  readBatchRow,
  readSealRow,
  ROW_BATCH,
  ROW_BYTES,
  ROW_SEAL,
  rowLength,
  rowType,
  type SealRow,
  writeBatchRow,
} from "../index/rows.ts";
import type { MaybePromise, Vfs, VfsFile } from "../vfs.ts";

const WINDOW_BYTES: number = 512 * 1024;
/** The longest row is whole in what is left, or the file ends before. */
const REFILL_BYTES: number = 64 * 1024;
/** Rows are a multiple of this long: behind a damaged one the next is looked for in such steps. */
const ROW_STEP = 8;

/** The rows of one segment's index. */
export class IndexRows {
  /** A row, or the order of the rows, is not what the `.log` asks for. */
  damaged = false;
  /** There is no row for a batch that was acknowledged, or no header. */
  isLacking = false;
  readonly #file: VfsFile | undefined;
  readonly #buffer: Uint8Array = new Uint8Array(WINDOW_BYTES);
  #window: Uint8Array = new Uint8Array(0);
  #windowStart = 0;
  #at = 0;
  /** The row it stands on; `undefined` behind the last one. */
  #row: BatchRow | undefined = undefined;
  #rowAt = 0;
  #maximum = -1;
  #lastDigest = 0;
  #seal: SealRow | undefined = undefined;
  readonly #expected: Uint8Array = new Uint8Array(ROW_BYTES);

  private constructor(file: VfsFile | undefined) {
    this.#file = file;
  }

  /** Opens the index at `path`. One that is missing, or is another segment's, says nothing. */
  static async open(vfs: Vfs, path: string, identity: IndexIdentity): Promise<IndexRows> {
    const file = await openIfThere(vfs, path, "read");
    if (file === undefined) return new IndexRows(undefined);
    const rows = new IndexRows(file);
    await rows.#fill();
    if (isFileHeaderRow(rows.#window, 0, identity)) rows.#at = ROW_BYTES;
    else {
      rows.damaged = rows.isLacking = rows.#window.length > 0;
      // Behind a header that is damaged the rows speak for themselves; a header that is another's speaks for all of them.
      if (rowLength(rows.#window, 0) > 0) rows.#window = new Uint8Array(0);
    }
    await rows.#step();
    return rows;
  }

  close(): MaybePromise<void> {
    return this.#file?.close();
  }

  /** The row of the batch at `position`. Rows of batches in front of it are passed over, and there should be none. */
  rowAt(position: number): MaybePromise<BatchRow | undefined> {
    const row = this.#row;
    if (row === undefined || row.position === position) return row;
    if (row.position > position) return this.#missing();
    return this.#passOver(position);
  }

  /** The row it stands on, whichever batch it is for. */
  get row(): BatchRow | undefined {
    return this.#row;
  }

  /** Passes over one row. */
  async next(): Promise<void> {
    this.damaged = true;
    await this.#step();
  }

  /** Compares the row it stands on with the intact batch it is for, and steps to the next one. */
  take(bytes: Uint8Array, at: number, position: number): MaybePromise<void> {
    const row = this.#row!;
    if (row.digest === headerDigest(bytes, at)) {
      writeBatchRow(this.#expected, 0, bytes, at, position, this.#maximum);
      const actual = this.#window.subarray(this.#rowAt, this.#rowAt + ROW_BYTES);
      if (!equalBytes(this.#expected, actual)) this.damaged = true;
    } else this.damaged = true;
    this.#maximum = row.runningMaxTimestamp;
    this.#lastDigest = row.digest;
    const step = this.#step();
    if (step instanceof Promise) return step;
  }

  /** After the last batch of a finished segment: nothing but the seal may be left. */
  finish(nextOffset: number, logBytes: number): void {
    const seal = this.#seal;
    if (this.#row !== undefined) this.damaged = true;
    if (seal === undefined) return;
    const isRight = seal.nextOffset === nextOffset && seal.logBytes === logBytes &&
      seal.maxTimestamp === this.#maximum && (seal.lastDigest === 0 || seal.lastDigest === this.#lastDigest);
    if (!isRight) this.damaged = true;
  }

  /** Rows go on behind a batch that has none. */
  #missing(): undefined {
    this.damaged = true;
    return undefined;
  }

  async #passOver(position: number): Promise<BatchRow | undefined> {
    this.damaged = true;
    while (this.#row !== undefined && this.#row.position < position) await this.#step();
    return this.#row?.position === position ? this.#row : undefined;
  }

  /** Steps to the next row of a batch. */
  #step(): MaybePromise<void> {
    this.#row = undefined;
    for (;;) {
      const left = this.#window.length - this.#at;
      if (left < REFILL_BYTES && this.#window.length === WINDOW_BYTES) return this.#fill().then(() => this.#step());
      if (left === 0) return;
      const length = rowLength(this.#window, this.#at);
      if (length === 0) {
        const rest = this.#window.subarray(this.#at);
        // An index is never synced: after a power loss its end may be missing, or zeros.
        if (this.#window.length < WINDOW_BYTES && rest.every((byte) => byte === 0)) return this.#end();
        this.damaged = true;
        this.#at += Math.min(ROW_STEP, left);
        continue;
      }
      const at = this.#at;
      this.#at += length;
      // Nothing may stand behind the seal.
      if (this.#seal !== undefined) this.damaged = true;
      if (rowType(this.#window, at) === ROW_SEAL) this.#takeSeal(at);
      if (rowType(this.#window, at) !== ROW_BATCH) continue;
      const row = readBatchRow(this.#window, at);
      if (row === undefined) {
        this.damaged = true;
        continue;
      }
      this.#row = row;
      this.#rowAt = at;
      return;
    }
  }

  #takeSeal(at: number): void {
    const seal = readSealRow(this.#window, at);
    if (seal.rowPosition !== this.#windowStart + at) this.damaged = true;
    this.#seal = seal;
  }

  #end(): void {
    this.#at = this.#window.length;
  }

  async #fill(): Promise<void> {
    this.#windowStart += this.#at;
    this.#at = 0;
    this.#window = this.#buffer.subarray(0, await this.#file!.read(this.#buffer, this.#windowStart));
  }
}
