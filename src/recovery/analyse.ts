/**
 * Decides where a shard's good data ends and what the bytes behind it are. Writes nothing. The table stands in docs/format.md.
 *
 * @module
 */
import { type InstanceIds, sameInstance } from "../anchor/anchor.ts";
import { emptyEnd, type End } from "../anchor/end.ts";
import { LogError } from "../errors.ts";
import { findBatch, type Found } from "../segment/search.ts";
import { logPath } from "../segment/names.ts";
import type { Vfs } from "../vfs.ts";
import { gatherHints, lookForEnd } from "./hints.ts";
import type { Inventory } from "./inventory.ts";
import { scanForward, type ScanResult, type ScanRules } from "./scan.ts";

/**
 * How an opening found a shard. `clean`: nothing was wrong. `torn`: bytes behind the last good batch were cut off; they
 * were in flight, or not synced before a power loss. `loss`: acknowledged data is gone. `corrupt`: damaged data stands
 * in front of good data; the shard is read-only and nothing was cut.
 */
export type Verdict = "clean" | "torn" | "corrupt" | "loss";

/** What an analysis found. */
export interface Analysis {
  readonly verdict: Verdict;
  /** Where good data ends; with `corrupt` where readable data ends. */
  readonly end: End;
  /** A lower bound of what is durable. */
  readonly synced: End;
  /** The highest epoch known. */
  readonly epoch: number;
  readonly logStart: number;
  /** Bytes of the end's segment that repair cuts off. */
  readonly cutBytes: number;
  /** Segments that repair sets aside. */
  readonly laterSegments: readonly number[];
  /** Why the shard cannot be written to, or only with consent. */
  readonly problem: LogError | undefined;
  /** The end is the one of the clean mark: nothing was scanned. */
  readonly fromCleanMark: boolean;
}

/** Analyses a shard from its files. */
export async function analyse(vfs: Vfs, inventory: Inventory, instance: InstanceIds): Promise<Analysis> {
  const { state, anchor, segments, shard } = inventory;
  const epoch = Math.max(state?.epoch ?? 0, anchor?.epoch ?? 0);
  const base = {
    epoch,
    logStart: state?.logStart ?? segments[0]?.base ?? 0,
    cutBytes: 0,
    laterSegments: [],
    fromCleanMark: false,
  };
  if (segments.length === 0) return analyseEmpty(inventory, base);

  const clean = state?.clean;
  if (clean !== undefined && await agrees(vfs, inventory, clean)) {
    return { ...base, verdict: "clean", end: clean, synced: clean, problem: undefined, fromCleanMark: true };
  }
  const hints = await gatherHints(vfs, inventory, instance);
  const rules: ScanRules = { holes: state?.holes ?? false, maxEpoch: state?.epoch };
  const scan = await scanForward(vfs, inventory, hints.start, rules);
  const synced = state?.clean !== undefined && hints.start.end === state.clean
    ? state.clean
    : anchor !== undefined && anchor.synced.nextOffset <= scan.end.nextOffset
    ? anchor.synced
    : emptyEnd(segments[0].base);
  const found = { ...base, epoch: Math.max(epoch, scan.epoch), synced };

  if (state === undefined) {
    const problem = new LogError(
      "CORRUPT_FILE",
      `Cannot write shard ${shard}: its state file is missing or damaged, so nobody knows which epoch came last; ` +
        "it is open for reading",
      { shard, file: `${inventory.directory}/state` },
    );
    return { ...found, verdict: "corrupt", end: await salvageEnd(vfs, inventory, scan), problem };
  }
  if (scan.end.nextOffset < hints.required) return await analyseLoss(vfs, inventory, scan, hints.required, found);
  // While the page cache lives, what stands behind the last write is no lost write: a value may look like a batch.
  const isSame = anchor !== undefined && sameInstance(anchor.instance, instance);
  const later = !isSame && await somethingLater(vfs, inventory, scan);
  const verdict = later ? "loss" : scan.restBytes > 0 || scan.laterSegments.length > 0 ? "torn" : "clean";
  return {
    ...found,
    verdict,
    end: scan.end,
    cutBytes: scan.restBytes,
    laterSegments: scan.laterSegments,
    problem: undefined,
  };
}

type Base = Omit<Analysis, "verdict" | "end" | "synced" | "problem">;

/** A shard without a `.log`: new, or its files are gone. */
function analyseEmpty(inventory: Inventory, base: Base): Analysis {
  const { state, anchor, shard } = inventory;
  const required = Math.max(state?.clean?.nextOffset ?? 0, anchor?.synced.nextOffset ?? 0);
  const end = emptyEnd(Math.max(base.logStart, 0));
  const problem = required > base.logStart ? lossError(shard, base.logStart, required) : undefined;
  return { ...base, verdict: problem === undefined ? "clean" : "loss", end, synced: end, problem };
}

/** The scan stopped before data that was acknowledged. */
async function analyseLoss(
  vfs: Vfs,
  inventory: Inventory,
  scan: ScanResult,
  required: number,
  found: Omit<Analysis, "verdict" | "end" | "problem">,
): Promise<Analysis> {
  const { shard, directory } = inventory;
  const file = logPath(directory, scan.end.segment);
  if (scan.restBytes === 0 && scan.laterSegments.length === 0) {
    return { ...found, verdict: "loss", end: scan.end, problem: lossError(shard, scan.end.nextOffset, required) };
  }
  const what = scan.fault ?? `segment ${scan.laterSegments[0]} does not continue it`;
  const problem = new LogError(
    "CORRUPT_BATCH",
    `Cannot write shard ${shard}: the batch at offset ${scan.end.nextOffset} (${file}, position ${scan.end.position}) is damaged: ` +
      `${what}; it is open for reading, see bimiplog verify`,
    { shard, file, position: scan.end.position, range: [scan.end.nextOffset, required - 1] },
  );
  return { ...found, verdict: "corrupt", end: await salvageEnd(vfs, inventory, scan), problem };
}

function lossError(shard: number, have: number, required: number): LogError {
  return new LogError(
    "DATA_LOSS",
    `Cannot open shard ${shard}: records ${have} to ${
      required - 1
    } were acknowledged and are not there; restore them, or ` +
      "open with acceptDataLoss to go on without",
    { shard, range: [have, required - 1] },
  );
}

/** True where the clean mark, the last file's size and its last batch agree. */
async function agrees(vfs: Vfs, inventory: Inventory, clean: End): Promise<boolean> {
  const last = inventory.segments[inventory.segments.length - 1];
  if (last.base !== clean.segment || last.bytes !== clean.position) return false;
  return (await lookForEnd(vfs, inventory, clean)).kind === "found";
}

/** True where an intact batch with a later offset follows behind the place where the scan stopped. */
async function somethingLater(vfs: Vfs, inventory: Inventory, scan: ScanResult): Promise<boolean> {
  if (scan.restBytes > 0) {
    const bytes = scan.end.position + scan.restBytes;
    if (
      await findIn(vfs, inventory, scan.end.segment, scan.end.position + 1, bytes, scan.end.nextOffset) !== undefined
    ) {
      return true;
    }
  }
  for (const segment of inventory.segments) {
    if (!scan.laterSegments.includes(segment.base) || segment.base < scan.end.nextOffset) continue;
    if (await findIn(vfs, inventory, segment.base, 0, segment.bytes, segment.base) !== undefined) return true;
  }
  return false;
}

async function findIn(
  vfs: Vfs,
  inventory: Inventory,
  base: number,
  from: number,
  end: number,
  minOffset: number,
): Promise<Found | undefined> {
  const file = await vfs.open(logPath(inventory.directory, base), "read");
  try {
    return await findBatch(file, from, end, minOffset, Number.MAX_SAFE_INTEGER);
  } finally {
    await file.close();
  }
}

/** Behind the last intact batch of a damaged shard: readers get there by skipping what is damaged. */
async function salvageEnd(vfs: Vfs, inventory: Inventory, scan: ScanResult): Promise<End> {
  let end = scan.end;
  for (const segment of inventory.segments) {
    if (segment.base < end.segment) continue;
    if (segment.base > end.segment) {
      if (segment.base < end.nextOffset) continue;
      end = emptyEnd(segment.base);
    }
    for (let from = end.position;;) {
      const found = await findIn(vfs, inventory, segment.base, from, segment.bytes, end.nextOffset);
      if (found === undefined) break;
      from = found.position + found.bytes;
      end = {
        ...end,
        nextOffset: found.lastOffset + 1,
        position: from,
        last: { baseOffset: found.baseOffset, position: found.position, crc: 0 },
      };
    }
  }
  return end;
}
