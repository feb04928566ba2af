/**
 * Makes one table of several that follow each other.
 *
 * @module
 */
import type { Vfs } from "../vfs.ts";
import { TableFile } from "./table_file.ts";
import type { TableIdentity, TableRange } from "./table_format.ts";
import { TableScan } from "./table_scan.ts";
import { TableWriter } from "./table_writer.ts";

/**
 * Merges tables into a new one. The old ones stay; whoever reads takes the longer one of two.
 *
 * @param ranges In order and without a hole, at least two.
 * @throws {TableDamage} where one of them is damaged.
 */
export async function mergeTables(
  vfs: Vfs,
  directory: string,
  owner: Pick<TableIdentity, "logId" | "shard">,
  ranges: readonly TableRange[],
  stride: number,
  signal: AbortSignal,
): Promise<TableRange> {
  const range: TableRange = { first: ranges[0].first, next: ranges[ranges.length - 1].next };
  const files: TableFile[] = [];
  let writer: TableWriter | undefined;
  try {
    for (const { first, next } of ranges) files.push(await TableFile.open(vfs, directory, { ...owner, first, next }));
    const scans = files.map((file) => new TableScan(file, true));
    const standing: TableScan[] = [];
    for (const scan of scans) if (await scan.next()) standing.push(scan);
    const { last } = files[files.length - 1];
    if (last === undefined) throw files[files.length - 1].damage("it has no bucket");
    writer = new TableWriter(vfs, directory, { ...owner, ...range }, last, stride);
    await writer.open();
    while (standing.length > 0) {
      const users = smallest(standing);
      let count = 0;
      for (const { entry } of users) count += entry!.count;
      const { high, low } = users[0].entry!;
      writer.begin(high, low, count);
      for (const scan of users) {
        const put = putPostings(writer, scan, range.first);
        if (put !== undefined) await put;
        const more = scan.next();
        if (!(more instanceof Promise ? await more : more)) standing.splice(standing.indexOf(scan), 1);
      }
      if (writer.isFilled) {
        await writer.flush();
        signal.throwIfAborted();
      }
    }
    await writer.finish();
    return range;
  } catch (error) {
    await writer?.abandon();
    throw error;
  } finally {
    for (const file of files) await file.close();
  }
}

/** Those that stand on the smallest hash, in the order of their offsets. */
function smallest(standing: readonly TableScan[]): TableScan[] {
  const found: TableScan[] = [standing[0]];
  let { high, low } = standing[0].entry!;
  for (let i = 1; i < standing.length; i++) {
    const entry = standing[i].entry!;
    if (entry.high > high || (entry.high === high && entry.low > low)) continue;
    if (entry.high < high || entry.low < low) {
      found.length = 0;
      high = entry.high;
      low = entry.low;
    }
    found.push(standing[i]);
  }
  return found;
}

function putPostings(writer: TableWriter, { file, entry }: TableScan, first: number): Promise<void> | undefined {
  const inline = entry!.inline;
  if (inline === undefined) return putRuns(writer, file, entry!, first);
  for (let i = 0; i < inline.offsets.length; i++) writer.add(inline.offsets[i] - first, inline.positions[i]);
  return undefined;
}

async function putRuns(
  writer: TableWriter,
  file: TableFile,
  entry: NonNullable<TableScan["entry"]>,
  first: number,
): Promise<void> {
  for await (const { offsets, positions } of file.chunks(entry, false)) {
    for (let i = 0; i < offsets.length; i++) writer.add(offsets[i] - first, positions[i]);
    if (writer.isFilled) await writer.flush();
  }
}
