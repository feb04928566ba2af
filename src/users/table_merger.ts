/**
 * Merges the tables of a segment into one once it is finished, beside the commits.
 *
 * @module
 */
import type { ShardView } from "../read/shard_view.ts";
import { VfsError } from "../vfs.ts";
import { mergeTables } from "./merge_tables.ts";
import { tableName, type TableRange, tablesAmong } from "./table_format.ts";

/** Of one shard that is being written. */
export class TableMerger {
  readonly #view: ShardView;
  readonly #stride: number;
  readonly #stop = new AbortController();
  #last: Promise<void> = Promise.resolve();
  /** Tables in front of it are gone. */
  #earliest = 0;

  /** @param stride Postings in a run, at most. */
  constructor(view: ShardView, stride: number) {
    this.#view = view;
    this.#stride = stride;
  }

  /** Makes one table of several, once `ready` has resolved and those before are merged. Where it fails the shorter ones stay and do as well. */
  merge(group: readonly TableRange[], ready: Promise<void>): void {
    if (group.length < 2) return;
    this.#last = this.#last.then(() => ready).then(() => this.#merge(group)).catch(() => undefined);
  }

  /** Goes on where the last writer ended: tables of finished segments that it did not merge any more. */
  resume(tables: readonly TableRange[]): void {
    if (tables.length < 2) return;
    this.#last = this.#last.then(async () => {
      const bases = await this.#view.bases();
      let group: TableRange[] = [];
      for (const table of tables) {
        const base = bases.findLast((base) => base <= table.first) ?? 0;
        const next = bases.find((other) => other > base);
        if (next === undefined) break;
        if (group.length > 0 && group[0].first < base) group = [];
        if (table.next <= next) group.push(table);
        if (table.next === next && group.length > 1) await this.#merge(group);
      }
    }).catch(() => undefined);
  }

  /** Removes the tables of what was dropped from the front of the log since it was asked for last. */
  trim(): void {
    const { vfs, directory, publication } = this.#view;
    const { earliest } = publication;
    if (earliest === this.#earliest) return;
    this.#earliest = earliest;
    this.#last = this.#last.then(async () => {
      for (const table of tablesAmong(await vfs.list(directory))) if (table.next <= earliest) await this.remove(table);
    }).catch(() => undefined);
  }

  /** Removes a table that is not needed, or damaged: then the next opening makes it again. */
  async remove(range: TableRange): Promise<void> {
    const { vfs, directory } = this.#view;
    try {
      await vfs.remove(`${directory}/${tableName(range)}`);
    } catch (error) {
      // The next opening removes it, where it is not needed.
      if (!(error instanceof VfsError)) throw error;
    }
  }

  /** Resolves once nothing is being merged. */
  settled(): Promise<void> {
    return this.#last;
  }

  /** Ends it; a merge that takes long is given up, and done by the next writer. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#last;
  }

  async #merge(tables: readonly TableRange[]): Promise<void> {
    const { vfs, directory, id } = this.#view;
    const group = tables.filter((table) => table.next > this.#earliest);
    if (group.length < 2) return;
    const owner = { logId: this.#view.identity(0).logId, shard: id };
    await mergeTables(vfs, directory, owner, group, this.#stride, this.#stop.signal);
    for (const range of group) await this.remove(range);
  }
}
