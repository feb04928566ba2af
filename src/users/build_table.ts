/**
 * Makes a table out of the postings in memory.
 *
 * @module
 */
import type { Vfs } from "../vfs.ts";
import type { Postings } from "./postings.ts";
import { bucketsOf, bucketShift, type TableIdentity } from "./table_format.ts";
import { TableWriter } from "./table_writer.ts";

/** Writes them as a table; nothing may be added to them meanwhile. */
export async function buildTable(
  vfs: Vfs,
  directory: string,
  identity: TableIdentity,
  postings: Postings,
  stride: number,
): Promise<void> {
  const writer = new TableWriter(vfs, directory, identity, postings.last!, stride);
  try {
    await writer.open();
    const ends = sortByBits(postings, identity);
    const { highs, lows, offsets, positions, order } = postings;
    let start = 0;
    for (const end of ends) {
      if (end === start) continue;
      sortWithin(postings, start, end);
      for (let i = start; i < end;) {
        const high = highs[order[i]];
        const low = lows[order[i]];
        let to = i + 1;
        while (to < end && highs[order[to]] === high && lows[order[to]] === low) to++;
        writer.begin(high, low, to - i);
        for (; i < to; i++) writer.add(offsets[order[i]], positions[order[i]]);
      }
      start = end;
      if (writer.isFilled) await writer.flush();
    }
    await writer.finish();
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}

/** Puts the numbers of the postings into the order of the first bits of their hashes and answers where each stretch ends. */
function sortByBits({ highs, order, count }: Postings, identity: TableIdentity): Uint32Array {
  const stretches = bucketsOf(identity) * STRETCHES_A_BUCKET;
  const shift = bucketShift(stretches);
  const ends = new Uint32Array(stretches);
  for (let i = 0; i < count; i++) ends[highs[i] >>> shift]++;
  let sum = 0;
  for (let stretch = 0; stretch < stretches; stretch++) {
    const here = ends[stretch];
    ends[stretch] = sum;
    sum += here;
  }
  for (let i = 0; i < count; i++) order[ends[highs[i] >>> shift]++] = i;
  return ends;
}

/** Few postings are left in a stretch, unless they are of one user. */
const STRETCHES_A_BUCKET = 64;
/** Below this an insertion sort is the fastest. */
const FEW = 64;

/** Sorts one stretch by hash; of one user the order of offsets stays, as numbers of postings rise with them. */
function sortWithin({ highs, lows, order }: Postings, from: number, to: number): void {
  if (to - from > FEW) {
    order.subarray(from, to).sort((a, b) => highs[a] - highs[b] || lows[a] - lows[b] || a - b);
    return;
  }
  for (let i = from + 1; i < to; i++) {
    const one = order[i];
    const high = highs[one];
    const low = lows[one];
    let at = i;
    for (; at > from; at--) {
      const before = order[at - 1];
      if (highs[before] < high || (highs[before] === high && lows[before] <= low)) break;
      order[at] = before;
    }
    order[at] = one;
  }
}
