/**
 * Decides where a shard's good data ends and what the bytes behind it are. Writes nothing. The table stands in docs/format.md.
 *
 * @module
 */
import { type InstanceIds, sameInstance } from "../anchor/anchor.ts";
import { emptyEnd, type End } from "../anchor/end.ts";
import { equalBytes } from "../bytes.ts";
import { LogError } from "../errors.ts";
import { findBatch, type Found } from "../segment/search.ts";
import { logPath } from "../segment/names.ts";
import type { Vfs } from "../vfs.ts";
import { gatherHints, type Hints, lookForEnd } from "./hints.ts";
import type { Inventory } from "./inventory.ts";
import { findForeign } from "./owners.ts";
import { salvageEnd } from "./salvage.ts";
import { scanForward, type ScanResult, type ScanRules, scanRules } from "./scan.ts";

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
  const analysis = await analyseFiles(vfs, inventory, instance);
  if (!inventory.isRepairing) return analysis;
  const { shard, directory } = inventory;
  const problem = new LogError(
    "CORRUPT_FILE",
    `Cannot write shard ${shard}: a repair of it was interrupted; run bimiplog repair again`,
    { shard, file: directory },
  );
  return { ...analysis, verdict: "corrupt", cutBytes: 0, laterSegments: [], problem };
}

async function analyseFiles(vfs: Vfs, inventory: Inventory, instance: InstanceIds): Promise<Analysis> {
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
  // An anchor of a later epoch than the state's: the state is an old one, and so may be its mark.
  const isOld = anchor !== undefined && state !== undefined && anchor.epoch > state.epoch;
  if (clean !== undefined && !isOld && await agrees(vfs, inventory, clean)) {
    return { ...base, verdict: "clean", end: clean, synced: clean, problem: undefined, fromCleanMark: true };
  }
  const gathered = await gatherHints(vfs, inventory, instance);
  // Everything in front of the log start was synced before the state named it, and offsets below it are never handed out again.
  const hints = { ...gathered, required: Math.max(gathered.required, base.logStart) };
  const rules = scanRules(inventory);
  const scan = await scanForward(vfs, inventory, hints.start, rules);
  const synced = state?.clean !== undefined && hints.start.end === state.clean
    ? state.clean
    : anchor !== undefined && anchor.synced.nextOffset <= scan.end.nextOffset
    ? anchor.synced
    : emptyEnd(segments[0].base);
  const found = { ...base, epoch: Math.max(epoch, scan.epoch), synced };

  // Intact batches in order, and not those that were written here. What lies before the start was not looked at.
  const isForeign = state !== undefined &&
    hints.misplaced.some(({ nextOffset }) => nextOffset > hints.start.nextOffset && nextOffset <= scan.end.nextOffset);
  const problem = await foreignError(vfs, inventory, isForeign);
  if (problem !== undefined) return { ...found, verdict: "corrupt", end: unreadableEnd(scan.end), problem };
  if (state === undefined) {
    const problem = new LogError(
      "CORRUPT_FILE",
      `Cannot write shard ${shard}: its state file is missing or damaged, so nobody knows which epoch came last; ` +
        "it is open for reading; bimiplog repair writes it again",
      { shard, file: `${inventory.directory}/state` },
    );
    return {
      ...found,
      verdict: "corrupt",
      end: await salvageEnd(vfs, inventory, scan, hints.required, rules),
      problem,
    };
  }
  if (scan.end.nextOffset < hints.required) return await analyseLoss(vfs, inventory, scan, hints, rules, found);
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
  { required, isShort }: Hints,
  rules: ScanRules,
  found: Omit<Analysis, "verdict" | "end" | "problem">,
): Promise<Analysis> {
  const { shard, directory } = inventory;
  const file = logPath(directory, scan.end.segment);
  const isOnlyGone = scan.restBytes === 0 || (isShort && !await somethingLater(vfs, inventory, scan));
  if (isOnlyGone && scan.laterSegments.length === 0) {
    const problem = lossError(shard, scan.end.nextOffset, required);
    const logStart = Math.min(found.logStart, scan.end.nextOffset);
    return { ...found, verdict: "loss", end: scan.end, cutBytes: scan.restBytes, logStart, problem };
  }
  const what = scan.fault ?? `segment ${scan.laterSegments[0]} does not continue it`;
  const problem = new LogError(
    "CORRUPT_BATCH",
    `Cannot write shard ${shard}: the batch at offset ${scan.end.nextOffset} (${file}, position ${scan.end.position}) is damaged: ` +
      `${what}; it is open for reading; see bimiplog verify and bimiplog repair`,
    { shard, file, position: scan.end.position, range: [scan.end.nextOffset, required - 1] },
  );
  return { ...found, verdict: "corrupt", end: await salvageEnd(vfs, inventory, scan, required, rules), problem };
}

/** Why nothing in the directory may be read as this shard's; `undefined` where nothing speaks against it. */
async function foreignError(vfs: Vfs, inventory: Inventory, isForeign: boolean): Promise<LogError | undefined> {
  const { directory, shard, logId, segments, state, anchor } = inventory;
  const bases = [...new Set([segments[0].base, segments[segments.length - 1].base])];
  const owner = await findForeign(vfs, directory, logId, shard, bases, state !== undefined || anchor !== undefined);
  if (owner === undefined && !isForeign) return undefined;
  const whose = owner === undefined
    ? "the segments are intact, but not those that state and anchor speak of"
    : `${owner.file} belongs to ${equalBytes(owner.logId, logId) ? `shard ${owner.shard}` : "another log"}`;
  return new LogError(
    "CORRUPT_FILE",
    `Cannot use shard ${shard}: ${whose}; move the files back to where they belong`,
    { shard, file: owner?.file ?? directory },
  );
}

/** An end with no segment in front of it: readers are told that the files are missing, and get no record. */
function unreadableEnd({ nextOffset }: End): End {
  return { ...emptyEnd(-1), nextOffset };
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
