/**
 * What reading needs to know of a shard, whoever writes it.
 *
 * @module
 */
import { asLogError } from "../errors.ts";
import { LoadedIndex } from "../index/index_file.ts";
import type { IndexIdentity } from "../index/rows.ts";
import { listBases } from "../recovery/inventory.ts";
import { firstKept } from "../segment/log_start.ts";
import { indexPath, logPath } from "../segment/names.ts";
import { walkBatches } from "../segment/walk.ts";
import type { Publication } from "../shard/publication.ts";
import type { Vfs, VfsFile } from "../vfs.ts";

/** Indexes of finished segments that are kept in memory for each shard. */
const MAX_LOADED_INDEXES = 32;

/** A shard as readers see it: its publication, its segments and their indexes. */
export class ShardView {
  readonly id: number;
  readonly directory: string;
  readonly vfs: Vfs;
  readonly publication: Publication;
  readonly holes: boolean;
  readonly #logId: Uint8Array;
  #bases: number[] = [];
  /** The log start by which they were listed. */
  #listedFrom = 0;
  readonly #indexes = new Map<number, LoadedIndex>();
  /** Loading one index at a time keeps two readers from extending the same one. */
  #loading: Promise<unknown> = Promise.resolve();

  constructor(vfs: Vfs, directory: string, logId: Uint8Array, id: number, holes: boolean, publication: Publication) {
    this.vfs = vfs;
    this.directory = directory;
    this.#logId = logId;
    this.id = id;
    this.holes = holes;
    this.publication = publication;
  }

  /** Whose index a segment's `.idx` must be. */
  identity(base: number): IndexIdentity {
    return { logId: this.#logId, shard: this.id, base };
  }

  /** Base offsets of the segments from the log start up to the published end, in order. */
  async bases(): Promise<readonly number[]> {
    const { earliest, end } = this.publication;
    if (this.#bases[this.#bases.length - 1] !== end.segment || this.#listedFrom !== earliest) {
      const bases = (await listBases(this.vfs, this.directory)).filter((base) => base <= end.segment);
      this.#bases = bases.slice(firstKept(bases, earliest));
      this.#listedFrom = earliest;
      for (const base of this.#indexes.keys()) if (base < this.#bases[0]) this.#indexes.delete(base);
    }
    return this.#bases;
  }

  /**
   * Looks anew for the log start and the segments: one that should be there is not.
   *
   * @throws {LogError} where the log start cannot be read: whether the segment was dropped is not known then.
   */
  async refresh(): Promise<void> {
    const { publication } = this;
    await publication.refresh();
    this.#bases = [];
    if (publication.fault !== undefined) {
      throw asLogError(publication.fault, `read shard ${this.id}`, { shard: this.id });
    }
  }

  /** The segment that has an offset: the last one that begins at or before it, else the first; `undefined` where there is none. */
  async baseOf(offset: number): Promise<number | undefined> {
    const bases = await this.bases();
    let i = bases.length - 1;
    while (i > 0 && bases[i] > offset) i--;
    return bases[i];
  }

  /**
   * Where readable data of a segment ends in its `.log`.
   *
   * @param held The file, where the caller has it open: its name may be gone by now.
   */
  async limit(base: number, held?: VfsFile): Promise<number> {
    const end = this.publication.end;
    if (base === end.segment) return end.position;
    if (held !== undefined) return await held.size();
    const file = await this.vfs.open(logPath(this.directory, base), "read");
    try {
      return await file.size();
    } finally {
      await file.close();
    }
  }

  /** The index of the segment with an offset, where it is in memory and knows that offset; without asking for anything. */
  loadedFor(offset: number): LoadedIndex | undefined {
    const bases = this.#bases;
    let i = bases.length - 1;
    while (i > 0 && bases[i] > offset) i--;
    const index = this.#indexes.get(bases[i]);
    return index !== undefined && offset < index.nextOffset ? index : undefined;
  }

  /** The index of a segment, as far as the segment is readable now. */
  async index(base: number): Promise<LoadedIndex> {
    const task = this.#loading.then(() => this.#load(base));
    this.#loading = task.catch(() => undefined);
    return await task;
  }

  async #load(base: number): Promise<LoadedIndex> {
    const limit = await this.limit(base);
    let index = this.#indexes.get(base);
    if (index === undefined) index = new LoadedIndex(this.identity(base), this.holes);
    // The most recently used one is the last of the map.
    this.#indexes.delete(base);
    this.#indexes.set(base, index);
    if (this.#indexes.size > MAX_LOADED_INDEXES) this.#indexes.delete(this.#indexes.keys().next().value!);
    await index.readRows(this.vfs, indexPath(this.directory, base), limit);
    await index.complete(
      limit,
      (from, to, visit) => walkBatches(this.vfs, logPath(this.directory, base), from, to, visit),
    );
    return index;
  }
}
