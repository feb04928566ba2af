/**
 * Checks the tables of the user index: every row, and that their last batch is in the log.
 *
 * @module
 */
import { isMissing } from "../if_there.ts";
import type { MaybePromise, Vfs } from "../vfs.ts";
import { TableDamage, TableFile } from "../users/table_file.ts";
import {
  isTableHeader,
  TABLE_HEADER_BYTES,
  type TableIdentity,
  tableName,
  tablesAmong,
} from "../users/table_format.ts";
import { TableScan } from "../users/table_scan.ts";
import type { Observer } from "./finding.ts";
import type { Survey } from "./survey.ts";

/** Checks the tables of one shard. What is wrong with one costs no record: readers scan the log instead. */
export async function checkUserTables(vfs: Vfs, observer: Observer, { place, limit }: Survey): Promise<void> {
  const { directory, logId, shard } = place;
  for (const range of tablesAmong(await vfs.list(directory))) {
    const identity: TableIdentity = { logId, shard, ...range };
    const file = `${directory}/${tableName(range)}`;
    // Of a writer that is running now, or of records that a power loss took: readers do not look at it.
    if (limit !== undefined && range.next > limit.nextOffset) continue;
    const fault = await faultOf(vfs, directory, identity);
    if (fault === undefined) continue;
    const what = `${fault}; remove the file: readers scan the log instead, and the next writer makes it again`;
    observer.damage({ shard, file, position: 0, range: undefined, what });
  }
}

/** What is wrong with a table; `undefined` where nothing is, or it is gone by now. */
async function faultOf(vfs: Vfs, directory: string, identity: TableIdentity): Promise<string | undefined> {
  let table: TableFile;
  try {
    table = await TableFile.open(vfs, directory, identity);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  try {
    const header = new Uint8Array(TABLE_HEADER_BYTES);
    await table.read(header, 0);
    if (!isTableHeader(header, identity)) return "the header is damaged or another table's";
    await walk(table);
    return undefined;
  } catch (error) {
    if (error instanceof TableDamage) return error.what;
    throw error;
  } finally {
    await table.close();
  }
}

async function walk(table: TableFile): Promise<void> {
  const scan = new TableScan(table, true);
  let before = -1;
  for (;;) {
    const step: MaybePromise<boolean> = scan.next();
    if (!(step instanceof Promise ? await step : step)) return;
    const entry = scan.entry!;
    if (entry.high < before) throw table.damage("users are out of order");
    before = entry.high;
    let count = entry.inline?.offsets.length ?? 0;
    if (entry.inline === undefined) {
      for await (const { offsets } of table.chunks(entry, false)) count += offsets.length;
    }
    if (count !== entry.count) throw table.damage("a user has another number of postings than its entry says");
  }
}
