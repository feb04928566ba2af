/**
 * Where the readable data of a damaged shard ends.
 *
 * @module
 */
import { emptyEnd, type End } from "../anchor/end.ts";
import { batchAt, headerAt } from "../segment/batch_at.ts";
import { logPath } from "../segment/names.ts";
import { findBatch, type Found } from "../segment/search.ts";
import type { Vfs, VfsFile } from "../vfs.ts";
import type { Inventory } from "./inventory.ts";
import type { ScanResult, ScanRules } from "./scan.ts";

/**
 * Behind the last intact batch of a damaged shard: readers get there by skipping what is damaged. Offsets up to `required`
 * were acknowledged: readers must come across what is left of them, and say that it is damaged.
 */
export async function salvageEnd(
  vfs: Vfs,
  inventory: Inventory,
  scan: ScanResult,
  required: number,
  rules: ScanRules,
): Promise<End> {
  let end = scan.end;
  for (const segment of inventory.segments) {
    if (segment.base < end.segment) continue;
    if (segment.base > end.segment) {
      if (segment.base < end.nextOffset) continue;
      end = emptyEnd(segment.base);
    }
    const nextBase = inventory.segments.find(({ base }) => base > segment.base)?.base;
    const file = await vfs.open(logPath(inventory.directory, segment.base), "read");
    try {
      end = await salvageSegment(file, segment.bytes, nextBase, end, { required, minEpoch: scan.epoch }, rules);
    } finally {
      await file.close();
    }
  }
  if (end.nextOffset >= required) return end;
  const bytes = inventory.segments.find((segment) => segment.base === end.segment)?.bytes ?? end.position;
  return { ...end, nextOffset: required, position: bytes };
}

async function salvageSegment(
  file: VfsFile,
  bytes: number,
  nextBase: number | undefined,
  start: End,
  { required, minEpoch }: { readonly required: number; readonly minEpoch: number },
  rules: ScanRules,
): Promise<End> {
  let end = start;
  for (let from = end.position;;) {
    const found = await findBatch(file, from, bytes, end.nextOffset, Number.MAX_SAFE_INTEGER, minEpoch);
    if (found === undefined) return end;
    const isNext = found.position === end.position;
    // Where nothing was skipped, another offset than the next one is a damaged one: the CRC does not cover it.
    const isMisnumbered = isNext && found.baseOffset !== end.nextOffset && !rules.holes;
    // What was skipped may be a value that holds batches. Up to `required` readers know where the log ends.
    const isDoubtful = !isNext && found.lastOffset >= required && !await isFollowed(file, bytes, nextBase, end, found);
    if (isMisnumbered || isDoubtful) {
      from = found.position + 1;
      continue;
    }
    from = found.position + found.bytes;
    end = {
      ...end,
      nextOffset: found.lastOffset + 1,
      position: from,
      last: { baseOffset: found.baseOffset, position: found.position, crc: 0 },
    };
  }
}

/** True where a batch stands where the damaged one's header says the next one begins, or is followed by its successor. */
async function isFollowed(
  file: VfsFile,
  bytes: number,
  nextBase: number | undefined,
  end: End,
  found: Found,
): Promise<boolean> {
  const damaged = await headerAt(file, end.position, bytes);
  if (damaged?.baseOffset === end.nextOffset && end.position + damaged.bytes === found.position) return true;
  const next = found.position + found.bytes;
  const behind = next === bytes ? nextBase : (await batchAt(file, next, bytes))?.baseOffset;
  return behind === found.lastOffset + 1;
}
