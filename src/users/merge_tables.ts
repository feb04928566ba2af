/**
 * Makes one table of several that follow each other.
 *
 * @module
 */
import type { Vfs } from "../vfs.ts";
import { MERGE_BUFFER_BYTES, MergeSource } from "./merge_source.ts";
import { TableFile } from "./table_file.ts";
import type { TableIdentity, TableRange } from "./table_format.ts";
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
    const standing: MergeSource[] = [];
    for (const file of files) {
      const source = new MergeSource(file, stride);
      if (await source.next()) standing.push(source);
    }
    const { last } = files[files.length - 1];
    if (last === undefined) throw files[files.length - 1].damage("it has no bucket");
    writer = new TableWriter(vfs, directory, { ...owner, ...range }, last, stride);
    await writer.open();
    while (standing.length > 0) {
      begin(writer, standing);
      const { high, low } = writer;
      for (let i = 0; i < standing.length; i++) {
        const source = standing[i];
        if (source.high !== high || source.low !== low) continue;
        const put = source.put(writer, range.first);
        if (put instanceof Promise) await put;
        const step = source.next();
        if (!(step instanceof Promise ? await step : step)) standing.splice(i--, 1);
      }
      writer.end();
      if (writer.isFilled(MERGE_BUFFER_BYTES)) {
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

/** Begins the user with the smallest hash. */
function begin(writer: TableWriter, standing: readonly MergeSource[]): void {
  let { high, low } = standing[0];
  let count = 0;
  for (const source of standing) {
    if (source.high > high || (source.high === high && source.low > low)) continue;
    if (source.high !== high || source.low !== low) {
      count = 0;
      ({ high, low } = source);
    }
    count += source.count;
  }
  writer.begin(high, low, count);
}
