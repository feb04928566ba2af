/**
 * What retention asks the files about finished segments: how large they are, and how old.
 *
 * @module
 */
import { sizeIfThere } from "../if_there.ts";
import { LoadedIndex } from "../index/index_file.ts";
import { type IndexIdentity, readSealRow, ROW_BYTES, ROW_SEAL, rowLength, rowType } from "../index/rows.ts";
import { indexPath, logPath } from "../segment/names.ts";
import { walkBatches } from "../segment/walk.ts";
import { type Vfs, VfsError } from "../vfs.ts";

/** Remembers what never changes: each segment is asked about once. */
export class SegmentFacts {
  readonly #vfs: Vfs;
  readonly #directory: string;
  readonly #logId: Uint8Array;
  readonly #shard: number;
  readonly #bytes = new Map<number, number>();
  /** Only the oldest segment is ever asked for its age. */
  #timed: { readonly base: number; readonly maxTimestamp: number } | undefined = undefined;

  constructor(vfs: Vfs, directory: string, logId: Uint8Array, shard: number) {
    this.#vfs = vfs;
    this.#directory = directory;
    this.#logId = logId;
    this.#shard = shard;
  }

  /** Size of a finished segment's `.log`. */
  async bytes(base: number): Promise<number> {
    let bytes = this.#bytes.get(base);
    if (bytes === undefined) {
      bytes = await sizeIfThere(this.#vfs, logPath(this.#directory, base)) ?? 0;
      this.#bytes.set(base, bytes);
    }
    return bytes;
  }

  /** The largest timestamp in a finished segment; -1 where there is none. */
  async maxTimestamp(base: number, nextOffset: number): Promise<number> {
    if (this.#timed?.base !== base) {
      const bytes = await this.bytes(base);
      const maxTimestamp = await this.#sealed(base, nextOffset, bytes) ?? await this.#searched(base, bytes);
      this.#timed = { base, maxTimestamp };
    }
    return this.#timed.maxTimestamp;
  }

  /** When the `.log` last changed, in milliseconds since 1970. */
  async modified(base: number): Promise<number> {
    return await this.#vfs.modified(logPath(this.#directory, base));
  }

  /** The segment is gone. */
  forget(base: number): void {
    this.#bytes.delete(base);
  }

  /** The last row of its index says so, where it is about this very file. */
  async #sealed(base: number, nextOffset: number, bytes: number): Promise<number | undefined> {
    const row = new Uint8Array(ROW_BYTES);
    try {
      const file = await this.#vfs.open(indexPath(this.#directory, base), "read");
      try {
        const position = await file.size() - ROW_BYTES;
        if (position < 0 || await file.read(row, position) < ROW_BYTES) return undefined;
      } finally {
        await file.close();
      }
    } catch (error) {
      if (error instanceof VfsError) return undefined;
      throw error;
    }
    if (rowLength(row, 0) !== ROW_BYTES || rowType(row, 0) !== ROW_SEAL) return undefined;
    const seal = readSealRow(row, 0);
    return seal.nextOffset === nextOffset && seal.logBytes === bytes ? seal.maxTimestamp : undefined;
  }

  /** From its rows, and from its batches where rows are missing. */
  async #searched(base: number, bytes: number): Promise<number> {
    const identity: IndexIdentity = { logId: this.#logId, shard: this.#shard, base };
    const index = new LoadedIndex(identity, true);
    await index.readRows(this.#vfs, indexPath(this.#directory, base), bytes);
    const path = logPath(this.#directory, base);
    await index.complete(bytes, (from, to, visit) => walkBatches(this.#vfs, path, from, to, visit));
    return index.samples.maxTimestamp;
  }
}
