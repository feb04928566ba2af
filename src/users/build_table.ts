/**
 * Makes a table out of the postings in memory.
 *
 * @module
 */
import type { Vfs } from "../vfs.ts";
import { WORDS } from "./posting_pool.ts";
import type { Postings } from "./postings.ts";
import { PostingSorter } from "./sort_postings.ts";
import type { TableIdentity } from "./table_format.ts";
import { TableWriter } from "./table_writer.ts";

/** After so many numbers of one user's postings it is looked whether enough stands in memory. */
const STEP_WORDS: number = 8192 * WORDS;
/** While a program appends without a pause there are few turns; where tables wait for each other, more is made in each. */
const LATE_BUFFER_BYTES: number = 512 * 1024;

/**
 * Writes them as a table; nothing may be added to them meanwhile.
 *
 * @param isLate Others wait already: then it takes fewer and longer turns.
 */
export async function buildTable(
  vfs: Vfs,
  directory: string,
  identity: TableIdentity,
  postings: Postings,
  stride: number,
  isLate: () => boolean,
): Promise<void> {
  const writer = new TableWriter(vfs, directory, identity, postings.last!, stride);
  try {
    await writer.open();
    const sorter = new PostingSorter();
    for (let partition = 0; partition < postings.partitions; partition++) {
      sorter.load(postings, partition);
      const { data } = sorter;
      while (sorter.next()) {
        const { from, to } = sorter;
        writer.begin(data[from], data[from + 1], (to - from) / WORDS);
        for (let at = from; at < to; at += STEP_WORDS) {
          writer.write(data, at, Math.min(to, at + STEP_WORDS));
          if (to - at > STEP_WORDS && writer.isFilled(isLate() ? LATE_BUFFER_BYTES : undefined)) await writer.flush();
        }
        writer.end();
      }
      if (writer.isFilled(isLate() ? LATE_BUFFER_BYTES : undefined)) await writer.flush();
    }
    await writer.finish();
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}
