/**
 * Goes through all segments of a shard in order and drafts what they have to become.
 *
 * @module
 */
import { sameInstance } from "../anchor/anchor.ts";
import type { Codecs } from "../batch/codecs.ts";
import { logPath } from "../segment/names.ts";
import type { Vfs } from "../vfs.ts";
import type { Inventory } from "./inventory.ts";
import { ShardExaminer } from "./rebuild_examine.ts";
import {
  type Draft,
  type ExamineTask,
  MAX_SEGMENT_OFFSETS,
  newDraft,
  type PlanPlace,
  type Tail,
} from "./rebuild_types.ts";
import { scanRules } from "./scan.ts";

/** More segments than this for one gap of offsets: it is a name that is wrong, not the data. */
const MAX_FILLERS = 64;

/** What planning a repair works with. */
export interface PlanTools {
  readonly vfs: Vfs;
  readonly codecs: Codecs;
  /** Called with the number of bytes just passed. */
  readonly passed: (bytes: number) => void;
}

/** What a walk through a shard found. */
export interface Walk {
  /** All segments, also those that are fine, and new ones for offsets that no file holds. */
  readonly drafts: Draft[];
  /** Files that begin in front of where the segment before them ends. */
  readonly overlapping: readonly { readonly draft: Draft; readonly expected: number }[];
  readonly tail: Tail | undefined;
  /** Segments behind a tail. */
  readonly later: readonly Draft[];
  /** Highest epoch seen. */
  readonly epoch: number;
  /** A segment so far behind the others that its name must be wrong. */
  readonly stray: Draft | undefined;
}

/**
 * Walks through segments that are in order.
 *
 * @param isRefused An opening for writing would refuse the shard as it is.
 */
export async function walkShard(
  tools: PlanTools,
  place: PlanPlace,
  inventory: Inventory,
  segments: readonly Draft[],
  logStart: number,
  isRefused: boolean,
): Promise<Walk> {
  const task = examineTask(tools, place, inventory, segments, isRefused);
  const examiner = new ShardExaminer(task, segments[0]?.base ?? logStart);
  const drafts: Draft[] = [];
  const overlapping: { draft: Draft; expected: number }[] = [];
  let tail: Tail | undefined;
  let later: readonly Draft[] = [];
  for (const [i, draft] of segments.entries()) {
    const { expected } = examiner;
    if (draft.base < expected) {
      overlapping.push({ draft, expected });
      continue;
    }
    if (draft.base > expected && !task.rules.holes) {
      if (expected >= task.trustedTo) {
        later = segments.slice(i);
        break;
      }
      if (draft.base - expected > MAX_FILLERS * MAX_SEGMENT_OFFSETS) {
        return { drafts, overlapping, tail, later, epoch: examiner.epoch, stray: draft };
      }
      fill(task, examiner, drafts, draft.base, "no segment holds these offsets");
    }
    examiner.expected = draft.base;
    drafts.push(draft);
    tail = await examiner.examine(draft, segments[i + 1]?.base);
    if (tail !== undefined) {
      later = segments.slice(i + 1);
      break;
    }
  }
  if (examiner.expected < task.promised) {
    fill(task, examiner, drafts, task.promised, "the files end before these records, which were acknowledged");
  }
  return { drafts, overlapping, tail, later, epoch: examiner.epoch, stray: undefined };
}

function examineTask(
  tools: PlanTools,
  place: PlanPlace,
  inventory: Inventory,
  drafts: readonly Draft[],
  isRefused: boolean,
): ExamineTask {
  const { state, anchor } = inventory;
  const ends = [];
  if (state?.clean !== undefined) ends.push(state.clean);
  if (anchor !== undefined) {
    if (sameInstance(anchor.instance, place.instance)) ends.push(anchor.written);
    ends.push(anchor.synced);
  }
  const promised = Math.max(0, ...ends.map((end) => end.nextOffset));
  // All but the last two segments are known to be synced. What an opening would cut off behind that is left to it. Where it
  // refuses the shard, all that readers can still read is kept.
  const synced = drafts[drafts.length - 2]?.base ?? 0;
  return {
    ...tools,
    directory: place.directory,
    logId: place.logId,
    shard: place.shard,
    rules: scanRules(inventory),
    ends,
    promised,
    trustedTo: isRefused ? Infinity : Math.max(promised, synced),
    drafts,
  };
}

/** Takes offsets that no file holds: in the last segment where that is empty or written anew anyway, else in new ones. */
function fill(task: ExamineTask, examiner: ShardExaminer, drafts: Draft[], to: number, what: string): void {
  const from = examiner.expected;
  const last = drafts[drafts.length - 1];
  let draft = last !== undefined && (last.base === from || last.changed) ? last : undefined;
  const file = logPath(task.directory, draft?.base ?? from);
  const position = draft?.source?.bytes ?? 0;
  const findings = draft?.findings;
  // It becomes a finished segment, whose index is never looked through again.
  if (draft === undefined && last?.hasSpareRows) last.indexDamaged = true;
  while (examiner.expected < to) {
    if (draft === undefined || draft.base + MAX_SEGMENT_OFFSETS <= examiner.expected) {
      draft = newDraft(examiner.expected);
      drafts.push(draft);
    }
    examiner.fill(draft, Math.min(to, draft.base + MAX_SEGMENT_OFFSETS));
  }
  (findings ?? draft!.findings).push({
    shard: task.shard,
    file,
    position,
    bytes: 0,
    range: [from, to - 1],
    what,
    action: "void",
    remedy: "these records are lost; a batch without records takes their offsets",
    keptAside: undefined,
  });
}
