/**
 * The index of a segment that is being imported.
 *
 * @module
 */
import type { End } from "../anchor/end.ts";
import { type BatchHeader, headerDigest } from "../batch/format.ts";
import { type IndexIdentity, ROW_BYTES, writeBatchRow, writeFileHeaderRow, writeSealRow } from "../index/rows.ts";
import type { Vfs, VfsFile } from "../vfs.ts";

const ROWS_A_WRITE = 256;

/** Writes an `.idx` batch by batch, and knows where the segment ends. */
export class ImportRows {
  end: End;
  readonly #file: VfsFile;
  readonly #rows: Uint8Array = new Uint8Array(ROWS_A_WRITE * ROW_BYTES);
  #filled = ROW_BYTES;
  #written = 0;
  #lastDigest = 0;

  private constructor(file: VfsFile, identity: IndexIdentity, empty: End) {
    this.#file = file;
    this.end = empty;
    writeFileHeaderRow(this.#rows, 0, identity);
  }

  static async create(vfs: Vfs, path: string, identity: IndexIdentity, empty: End): Promise<ImportRows> {
    return new ImportRows(await vfs.open(path, "create"), identity, empty);
  }

  /** The next batch. */
  async add(bytes: Uint8Array, at: number, header: BatchHeader, position: number): Promise<void> {
    if (this.#filled === this.#rows.length) await this.#flush();
    const maximum = writeBatchRow(this.#rows, this.#filled, bytes, at, position, this.end.maxTimestamp);
    this.#filled += ROW_BYTES;
    this.#lastDigest = headerDigest(bytes, at);
    this.end = {
      segment: this.end.segment,
      nextOffset: header.lastOffset + 1,
      position: position + header.bytes,
      indexPosition: this.#written + this.#filled,
      last: { baseOffset: header.baseOffset, position, crc: header.crc },
      lastTimestamp: header.maxTimestamp,
      maxTimestamp: maximum,
    };
  }

  /** Ends the index, with a seal where another segment follows. */
  async finish(sealed: boolean): Promise<void> {
    if (this.#filled === this.#rows.length) await this.#flush();
    const rowPosition = this.#written + this.#filled;
    if (sealed) {
      const { nextOffset, position, maxTimestamp } = this.end;
      writeSealRow(this.#rows, this.#filled, {
        nextOffset,
        logBytes: position,
        rowPosition,
        maxTimestamp,
        lastDigest: this.#lastDigest,
      });
      this.#filled += ROW_BYTES;
    }
    this.end = { ...this.end, indexPosition: rowPosition };
    await this.#flush();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async #flush(): Promise<void> {
    await this.#file.write(this.#rows.subarray(0, this.#filled), this.#written);
    this.#written += this.#filled;
    this.#filled = 0;
  }
}
