/**
 * Walks forward from a place that is known to be good, as far as batches are intact and in order.
 *
 * @module
 */
import type { End } from "../anchor/end.ts";
import { emptyEnd } from "../anchor/end.ts";
import { readHeader } from "../batch/format.ts";
import { runningMaximum } from "../index/rows.ts";
import { BatchScanner, SCAN_CHUNK_BYTES } from "../segment/batch_scanner.ts";
import { logPath } from "../segment/names.ts";
import type { Vfs, VfsFile } from "../vfs.ts";
import type { Inventory } from "./inventory.ts";
import type { Start } from "./hints.ts";

/** Rules that batches must keep. */
export interface ScanRules {
  /** Offsets may be missing between batches. */
  readonly holes: boolean;
  /** No batch has a higher epoch; `undefined` where nobody knows. */
  readonly maxEpoch: number | undefined;
  /** Where the newest epoch that is known began: from there on no batch has a lower one. */
  readonly began: { readonly epoch: number; readonly offset: number } | undefined;
}

/** The rules of a shard with these files. */
export function scanRules({ state, anchor, isStateSuspect }: RuleSource): ScanRules {
  if (state === undefined) return { holes: false, maxEpoch: undefined, began: undefined };
  const { epoch, epochStart, holes } = state;
  return {
    holes,
    // Where a slot of the state is damaged, or the anchor has a later epoch, the newer slot may be lost. What the older one says
    // of its own epoch stays true.
    maxEpoch: isStateSuspect ? undefined : Math.max(epoch, anchor?.epoch ?? 0),
    began: epochStart === undefined ? undefined : { epoch, offset: epochStart },
  };
}

/** What an inventory says of epochs. */
type RuleSource = Pick<Inventory, "state" | "anchor" | "isStateSuspect">;

/** The lowest epoch that a batch at an offset can have, behind one of epoch `before`. */
export function minEpochAt(offset: number, before: number, { began }: ScanRules): number {
  return began !== undefined && offset >= began.offset ? Math.max(before, began.epoch) : before;
}

/** Where a scan stopped. */
export interface ScanResult {
  /** Behind the last good batch. */
  readonly end: End;
  /** Highest epoch seen. */
  readonly epoch: number;
  /** Bytes of the end's segment behind the end. */
  readonly restBytes: number;
  /** Segments behind the end's: the first of them does not continue it. */
  readonly laterSegments: readonly number[];
  /** What is wrong with the first bytes behind the end; `undefined` where there are none. */
  readonly fault: string | undefined;
}

/** Why a batch does not continue what comes before it, or `undefined`. */
export function orderFault(
  baseOffset: number,
  epoch: number,
  expectedOffset: number,
  minEpoch: number,
  rules: ScanRules,
): string | undefined {
  if (rules.holes ? baseOffset < expectedOffset : baseOffset !== expectedOffset) {
    return `its base offset is ${baseOffset}, not ${expectedOffset}`;
  }
  const lowest = minEpochAt(baseOffset, minEpoch, rules);
  if (epoch < lowest) {
    return `its epoch ${epoch} is older than ${lowest} ${
      lowest === minEpoch ? "before it" : "which had begun by then"
    }`;
  }
  if (rules.maxEpoch !== undefined && epoch > rules.maxEpoch) {
    return `its epoch ${epoch} never was (last: ${rules.maxEpoch})`;
  }
  return undefined;
}

/** Scans a shard from `start` to the end of its last segment, or to the first thing that is wrong. */
export async function scanForward(vfs: Vfs, inventory: Inventory, start: Start, rules: ScanRules): Promise<ScanResult> {
  const segments = inventory.segments.filter((segment) => segment.base >= start.segment);
  let end: End = start.end ?? { ...emptyEnd(start.segment), position: start.position, nextOffset: start.nextOffset };
  let epoch = start.epoch;
  for (let i = 0; i < segments.length; i++) {
    const segment = segments[i];
    if (i > 0) {
      const continues = rules.holes ? segment.base >= end.nextOffset : segment.base === end.nextOffset;
      if (!continues) return { end, epoch, restBytes: 0, laterSegments: basesFrom(segments, i), fault: undefined };
      end = emptyEnd(segment.base);
    }
    const file = await vfs.open(logPath(inventory.directory, segment.base), "read");
    try {
      const result = await scanSegment(file, segment.bytes, end, epoch, rules);
      end = result.end;
      epoch = result.epoch;
      if (result.fault !== undefined) {
        const restBytes = segment.bytes - end.position;
        return { end, epoch, restBytes, laterSegments: basesFrom(segments, i + 1), fault: result.fault };
      }
    } finally {
      await file.close();
    }
  }
  return { end, epoch, restBytes: 0, laterSegments: [], fault: undefined };
}

function basesFrom(segments: readonly { readonly base: number }[], from: number): number[] {
  return segments.slice(from).map((segment) => segment.base);
}

/** Scans one segment from `end` on. */
export async function scanSegment(
  file: VfsFile,
  bytes: number,
  end: End,
  epoch: number,
  rules: ScanRules,
): Promise<{ end: End; epoch: number; fault: string | undefined }> {
  const scanner = new BatchScanner(file, end.position, bytes, { chunkBytes: SCAN_CHUNK_BYTES, reuse: true });
  for (;;) {
    const step = scanner.next();
    if (!(step instanceof Promise ? await step : step)) return { end, epoch, fault: scanner.fault };
    const header = readHeader(scanner.bytes, scanner.at);
    const fault = orderFault(header.baseOffset, header.epoch, end.nextOffset, epoch, rules);
    if (fault !== undefined) return { end, epoch, fault };
    epoch = header.epoch;
    end = {
      segment: end.segment,
      nextOffset: header.lastOffset + 1,
      position: scanner.position + scanner.size,
      indexPosition: 0,
      last: { baseOffset: header.baseOffset, position: scanner.position, crc: header.crc },
      lastTimestamp: header.maxTimestamp,
      maxTimestamp: runningMaximum(end.maxTimestamp, header),
    };
  }
}
