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

/** After so many postings of one user it is looked whether enough stands in memory. */
const POSTINGS_A_STEP = 8192;
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
      const end = sorter.sort(postings, partition);
      const { data } = sorter;
      for (let at = 0; at < end;) {
        const high = data[at];
        const low = data[at + 1];
        let to = at + WORDS;
        while (to < end && data[to] === high && data[to + 1] === low) to += WORDS;
        writer.begin(high, low, (to - at) / WORDS);
        while (at < to) {
          const step = Math.min(to, at + POSTINGS_A_STEP * WORDS);
          for (; at < step; at += WORDS) writer.add(data[at + 2], data[at + 3]);
          if (at < to && writer.isFilled(isLate() ? LATE_BUFFER_BYTES : undefined)) await writer.flush();
        }
      }
      if (writer.isFilled(isLate() ? LATE_BUFFER_BYTES : undefined)) await writer.flush();
    }
    await writer.finish();
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}
