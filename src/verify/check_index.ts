/**
 * Compares an `.idx` with the batches of its `.log`: a row is made anew for each batch, and must be the same bytes.
 *
 * @module
 */
import { headerDigest, readHeader } from "../batch/format.ts";
import { equalBytes } from "../bytes.ts";
import { openIfThere } from "../if_there.ts";
import {
  type IndexIdentity,
  isFileHeaderRow,
  readBatchRow,
  readSealRow,
  ROW_BATCH,
  ROW_BYTES,
  ROW_SEAL,
  rowLength,
  rowType,
  writeBatchRow,
  writeSealRow,
} from "../index/rows.ts";
import type { Vfs, VfsFile } from "../vfs.ts";
import { isZero } from "./survey_slots.ts";

/** Much larger than any row (65,528 bytes at most), so that a row is whole in it or damaged. */
const WINDOW_BYTES: number = 512 * 1024;
/** With less left the window moves on: the row of a batch may stand behind a few of other kinds. */
const REFILL_BYTES: number = 128 * 1024;

/** How an index and a batch agree. */
export type Agreement = "same" | "batch differs" | "unknown";

/** Where an index is told what is wrong with it. */
export interface IndexFaults {
  damage(position: number, what: string): void;
  note(what: string): void;
}

/** Walks an index beside its `.log`. */
export class IndexCheck {
  readonly #identity: IndexIdentity;
  readonly #faults: IndexFaults;
  readonly #file: VfsFile;
  readonly #expected: Uint8Array = new Uint8Array(ROW_BYTES);
  readonly #buffer: Uint8Array = new Uint8Array(WINDOW_BYTES);
  #window: Uint8Array = new Uint8Array(0);
  /** Where the window starts in the file, and where the next row starts in the window. */
  #windowStart = 0;
  #at = 0;
  /** The running maximum of the timestamps that the last row holds. */
  #maximum = -1;
  #lastDigest = 0;
  /** Rows cannot be compared any more: damaged, or there are no more. */
  #over = false;

  private constructor(identity: IndexIdentity, file: VfsFile, faults: IndexFaults) {
    this.#identity = identity;
    this.#file = file;
    this.#faults = faults;
  }

  /** Opens the index at `path`; `undefined` where there is none. */
  static async open(
    vfs: Vfs,
    path: string,
    identity: IndexIdentity,
    faults: IndexFaults,
  ): Promise<IndexCheck | undefined> {
    const file = await openIfThere(vfs, path, "read");
    if (file === undefined) return undefined;
    const check = new IndexCheck(identity, file, faults);
    await check.#begin();
    return check;
  }

  close(): Promise<void> | void {
    return this.#file.close();
  }

  /** True where {@linkcode IndexCheck.fill} has to be called before the next batch. */
  get needsFill(): boolean {
    return !this.#over && this.#window.length - this.#at < REFILL_BYTES && this.#window.length === WINDOW_BYTES;
  }

  /** Reads on. */
  async fill(): Promise<void> {
    this.#windowStart += this.#at;
    this.#at = 0;
    this.#window = this.#buffer.subarray(0, await this.#file.read(this.#buffer, this.#windowStart));
  }

  /** Compares the row of the intact batch at `at` of `bytes`, which stands at `position` of the `.log`. */
  batch(bytes: Uint8Array, at: number, position: number): Agreement {
    if (!this.#toBatchRow(position)) return "unknown";
    const row = readBatchRow(this.#window, this.#at);
    const rowAt = this.#windowStart + this.#at;
    if (row === undefined || row.position !== position) {
      this.#stop(
        rowAt,
        row === undefined ? "the row makes no sense" : `the row is not that of the batch at position ${position}`,
      );
      return "unknown";
    }
    writeBatchRow(this.#expected, 0, bytes, at, position, this.#maximum);
    const same = equalBytes(this.#expected, this.#window.subarray(this.#at, this.#at + ROW_BYTES));
    this.#at += ROW_BYTES;
    this.#maximum = row.runningMaxTimestamp;
    this.#lastDigest = row.digest;
    if (same) return "same";
    // The row itself is intact, so a digest that differs tells of the batch: Kafka's checksum leaves 21 bytes out.
    if (row.digest !== headerDigest(bytes, at)) return "batch differs";
    this.#faults.damage(
      rowAt,
      `the row does not agree with the batch at position ${position} (offset ${readHeader(bytes, at).baseOffset})`,
    );
    return "unknown";
  }

  /** Passes over the rows of batches in front of `position`: they are damaged. */
  async skipTo(position: number): Promise<void> {
    for (;;) {
      if (this.needsFill) await this.fill();
      if (this.#over || !this.#toRow()) return;
      const row = rowType(this.#window, this.#at) === ROW_BATCH ? readBatchRow(this.#window, this.#at) : undefined;
      if (rowType(this.#window, this.#at) === ROW_SEAL || (row !== undefined && row.position >= position)) return;
      this.#maximum = row?.runningMaxTimestamp ?? this.#maximum;
      this.#at += rowLength(this.#window, this.#at);
    }
  }

  /** After the last batch of a finished segment that is all there: nothing but the seal is left. */
  finish(nextOffset: number, logBytes: number): void {
    if (this.#over || !this.#toRow()) return;
    const rowAt = this.#windowStart + this.#at;
    if (rowType(this.#window, this.#at) !== ROW_SEAL) return this.#stop(rowAt, "rows follow that belong to no batch");
    const { lastDigest } = readSealRow(this.#window, this.#at);
    const maxTimestamp = this.#maximum;
    const seal = {
      nextOffset,
      logBytes,
      rowPosition: rowAt,
      maxTimestamp,
      lastDigest: lastDigest === 0 ? 0 : this.#lastDigest,
    };
    writeSealRow(this.#expected, 0, seal);
    if (!equalBytes(this.#expected, this.#window.subarray(this.#at, this.#at + ROW_BYTES))) {
      this.#faults.damage(rowAt, "the seal does not agree with the segment");
    }
    this.#at += ROW_BYTES;
    if (this.#at < this.#window.length) this.#stop(rowAt + ROW_BYTES, "bytes follow the seal");
  }

  async #begin(): Promise<void> {
    await this.fill();
    if (this.#window.length === 0) {
      this.#over = true;
      this.#faults.note("the index is empty; it is made again when it is needed");
    } else if (!isFileHeaderRow(this.#window, 0, this.#identity)) {
      this.#stop(0, "the file header is damaged or another segment's");
    } else this.#at = ROW_BYTES;
  }

  /** Moves to the next row of a batch. */
  #toBatchRow(position: number): boolean {
    while (!this.#over && this.#toRow()) {
      const type = rowType(this.#window, this.#at);
      if (type === ROW_BATCH) return true;
      if (type === ROW_SEAL) {
        this.#stop(this.#windowStart + this.#at, `the seal stands before the row of the batch at position ${position}`);
        return false;
      }
      this.#at += rowLength(this.#window, this.#at);
    }
    return false;
  }

  /** True where an intact row stands here. */
  #toRow(): boolean {
    if (rowLength(this.#window, this.#at) > 0) return true;
    const rest = this.#window.subarray(this.#at);
    this.#over = true;
    // An index is never synced: after a power loss its end may be missing, or zeros.
    if (isZero(rest)) this.#faults.note("the index ends early; the rest is made again when it is needed");
    else this.#faults.damage(this.#windowStart + this.#at, "the row fails its checksum");
    return false;
  }

  #stop(position: number, what: string): void {
    this.#over = true;
    this.#faults.damage(position, what);
  }
}
