/**
 * Checks the stored offsets of consumers, both copies of each.
 *
 * @module
 */
import { BLOCK_BYTES, blockCount, cursorSlotFault, decodeBlock, slotPosition } from "../consumers/cursor_slots.ts";
import { cursorFileName, isCursorFile } from "../consumers/names.ts";
import type { Clock, Vfs } from "../vfs.ts";
import type { Observer } from "./finding.ts";

/** A slot that is being written at the moment looks damaged: it is looked at again before it is called so. */
const LOOKS = 5;
const LOOK_AGAIN_MS = 3;

interface Fault {
  readonly position: number;
  readonly what: string;
}

/** Tells the observer of every damaged copy. */
export async function checkCursors(
  vfs: Vfs,
  clock: Clock,
  directory: string,
  log: { readonly id: Uint8Array; readonly shards: number },
  observer: Observer,
): Promise<void> {
  for (const entry of await vfs.list(directory)) {
    if (entry.kind !== "file" || !isCursorFile(entry.name)) continue;
    let faults: Fault[] = [];
    for (let look = 1; look <= LOOKS; look++) {
      faults = await faultsOf(vfs, directory, entry.name, log);
      if (faults.length === 0) break;
      if (look < LOOKS) await new Promise<void>((resolve) => clock.setTimer(resolve, LOOK_AGAIN_MS));
    }
    for (const { position, what } of faults) {
      observer.damage({ shard: undefined, file: `${directory}/${entry.name}`, position, range: undefined, what });
    }
  }
}

async function faultsOf(
  vfs: Vfs,
  directory: string,
  fileName: string,
  { id, shards }: { readonly id: Uint8Array; readonly shards: number },
): Promise<Fault[]> {
  const faults: Fault[] = [];
  const file = await vfs.open(`${directory}/${fileName}`, "read");
  try {
    const buffer = new Uint8Array(BLOCK_BYTES);
    for (let block = 0; block < blockCount(shards); block++) {
      const content = buffer.subarray(0, await file.read(buffer, block * BLOCK_BYTES));
      for (const index of [0, 1]) {
        const fault = cursorSlotFault(content, id, block, index);
        const what = `this copy of stored offsets does not count: ${fault}`;
        if (fault !== undefined) faults.push({ position: slotPosition(block, index), what });
      }
      const decoded = decodeBlock(content, id, block);
      const isOther = typeof decoded === "object" &&
        (decoded.shards !== shards || cursorFileName(decoded.name) !== fileName);
      if (isOther) {
        faults.push({ position: slotPosition(block, 0), what: "these stored offsets are another consumer's" });
      }
    }
    const size = await file.size();
    const wanted = blockCount(shards) * BLOCK_BYTES;
    if (size !== wanted) {
      faults.push({ position: Math.min(size, wanted), what: `the file has ${size} bytes, not ${wanted}` });
    }
  } finally {
    await file.close();
  }
  return faults;
}
