/**
 * The tables of a shard as its readers see them, whoever writes them.
 *
 * @module
 */
import { HEADER_BYTES, headerFault, readHeader } from "../batch/format.ts";
import type { ShardView } from "../read/shard_view.ts";
import { logPath } from "../segment/names.ts";
import { VfsError } from "../vfs.ts";
import { KeyHasher } from "./key_hash.ts";
import { TableDamage, TableFile } from "./table_file.ts";
import { disjoint, type LastBatch, type TableRange, tablesAmong } from "./table_format.ts";

/** Most tables whose verdict is remembered. */
const MAX_VERDICTS = 4096;

/** See above. */
export class UserTables {
  readonly view: ShardView;
  readonly hasher: KeyHasher;
  /** Told of tables that are wrong. */
  onDistrust: ((range: TableRange) => void) | undefined = undefined;
  /** Looked at once: the log has, or has not, the batch that a table ends with. */
  readonly #verdicts = new Map<string, boolean>();
  readonly #logId: Uint8Array;

  constructor(view: ShardView) {
    this.view = view;
    this.#logId = view.identity(0).logId;
    this.hasher = new KeyHasher(this.#logId);
  }

  /** Tables of published offsets, disjoint and in order. */
  async list(): Promise<TableRange[]> {
    const { vfs, directory, publication } = this.view;
    const end = publication.end.nextOffset;
    try {
      const usable = tablesAmong(await vfs.list(directory)).filter((table) => {
        return table.next <= end && this.#verdicts.get(nameOf(table)) !== false;
      });
      return disjoint(usable);
    } catch (error) {
      if (error instanceof VfsError) return [];
      throw error;
    }
  }

  /** Opens a table; `undefined` where it is gone. */
  async open({ first, next }: TableRange): Promise<TableFile | undefined> {
    const { vfs, directory, id } = this.view;
    try {
      return await TableFile.open(vfs, directory, { logId: this.#logId, shard: id, first, next });
    } catch (error) {
      if (error instanceof VfsError) return undefined;
      throw error;
    }
  }

  /** After the first look into a table: fails where it is not one of this log as it is now. */
  async check(file: TableFile): Promise<void> {
    const name = nameOf(file.identity);
    const known = this.#verdicts.get(name);
    const isRight = known ?? (file.last !== undefined && await this.#isInLog(file.last));
    if (known === undefined) {
      if (this.#verdicts.size >= MAX_VERDICTS) this.#verdicts.clear();
      this.#verdicts.set(name, isRight);
    }
    if (!isRight) throw file.damage("it is of another log");
  }

  /** From now on the table is passed over: something in it is wrong, or it is gone. */
  distrust(range: TableRange): void {
    this.#verdicts.set(nameOf(range), false);
    this.onDistrust?.(range);
  }

  async #isInLog({ baseOffset, position, crc, epoch }: LastBatch): Promise<boolean> {
    const { vfs, directory } = this.view;
    const base = await this.view.baseOf(baseOffset);
    if (base === undefined) return false;
    try {
      const file = await vfs.open(logPath(directory, base), "read");
      try {
        const head = new Uint8Array(HEADER_BYTES);
        if (await file.read(head, position) < HEADER_BYTES) return false;
        if (headerFault(head, 0, Infinity) !== undefined) return false;
        const header = readHeader(head, 0);
        return header.baseOffset === baseOffset && header.crc === crc && header.epoch === epoch;
      } finally {
        await file.close();
      }
    } catch (error) {
      if (error instanceof VfsError) return false;
      throw error;
    }
  }
}

/** True where a failure is one of the index, and the log itself can be asked instead. */
export function isIndexFault(error: unknown): boolean {
  return error instanceof TableDamage || error instanceof VfsError;
}

function nameOf({ first, next }: TableRange): string {
  return `${first}-${next}`;
}
