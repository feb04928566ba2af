/**
 * Makes a table out of the postings in memory.
 *
 * @module
 */
import type { Vfs } from "../vfs.ts";
import { type Postings, WORDS } from "./postings.ts";
import { bucketShift, bucketsOf, type TableIdentity } from "./table_format.ts";
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
    const { data, order } = postings;
    let start = 0;
    for (const end of ends) {
      if (end === start) continue;
      if (end - start > 1) sortWithin(postings, start, end);
      for (let i = start; i < end;) {
        const at = order[i];
        const high = data[at];
        const low = data[at + 1];
        let to = i + 1;
        while (to < end && data[order[to]] === high && data[order[to] + 1] === low) to++;
        writer.begin(high, low, to - i);
        for (; i < to; i++) writer.add(data[order[i] + 2], data[order[i] + 3]);
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

/** Puts the places of the postings into the order of the first bits of their hashes and answers where each stretch ends. */
function sortByBits({ data, order, count }: Postings, identity: TableIdentity): Uint32Array {
  const stretches = bucketsOf(identity) * STRETCHES_A_BUCKET;
  const shift = bucketShift(stretches);
  const ends = new Uint32Array(stretches);
  const words = count * WORDS;
  for (let at = 0; at < words; at += WORDS) ends[data[at] >>> shift]++;
  let sum = 0;
  for (let stretch = 0; stretch < stretches; stretch++) {
    const here = ends[stretch];
    ends[stretch] = sum;
    sum += here;
  }
  for (let at = 0; at < words; at += WORDS) order[ends[data[at] >>> shift]++] = at;
  return ends;
}

/** Few postings are left in a stretch, unless they are of one user. */
const STRETCHES_A_BUCKET = 64;
/** Below this an insertion sort is the fastest. */
const FEW = 32;
/** With more users than this in one stretch an ordinary sort does. */
const FEW_USERS = 32;

/** Sorts one stretch by hash; of one user the order of offsets stays, as places rise with them. */
function sortWithin(postings: Postings, from: number, to: number): void {
  if (to - from <= FEW) return insertionSort(postings, from, to);
  const { data, order } = postings;
  const compare = (a: number, b: number): number => data[a] - data[b] || data[a + 1] - data[b + 1];
  // One busy user, most often, and a few others beside it.
  const users: number[] = [];
  for (let i = from; i < to && users.length <= FEW_USERS; i++) {
    const at = order[i];
    const high = data[at];
    const low = data[at + 1];
    let known = 0;
    while (known < users.length && (data[users[known]] !== high || data[users[known] + 1] !== low)) known++;
    if (known === users.length) users.push(at);
  }
  if (users.length === 1) return;
  const stretch = order.slice(from, to);
  if (users.length > FEW_USERS) {
    order.set(stretch.sort((a, b) => compare(a, b) || a - b), from);
    return;
  }
  for (const user of users.sort(compare)) {
    for (const at of stretch) if (data[at] === data[user] && data[at + 1] === data[user + 1]) order[from++] = at;
  }
}

function insertionSort({ data, order }: Postings, from: number, to: number): void {
  for (let i = from + 1; i < to; i++) {
    const one = order[i];
    const high = data[one];
    const low = data[one + 1];
    let at = i;
    for (; at > from; at--) {
      const before = order[at - 1];
      if (data[before] < high || (data[before] === high && data[before + 1] <= low)) break;
      order[at] = before;
    }
    order[at] = one;
  }
}
