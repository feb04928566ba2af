/**
 * What a shard's files claim, before any batch is read: where data must be intact, and where looking ends.
 *
 * @module
 */
import {
  type Anchor,
  ANCHOR_NAME,
  anchorIdentity,
  type InstanceIds,
  readAnchor,
  sameInstance,
} from "../anchor/anchor.ts";
import { emptyEnd, type End } from "../anchor/end.ts";
import { readState, type State, STATE_NAME, stateIdentity } from "../anchor/state.ts";
import { sizeIfThere } from "../if_there.ts";
import { MAX_LOOKS } from "../read/retained.ts";
import { listBases, type SegmentFile } from "../recovery/inventory.ts";
import { firstKept } from "../segment/log_start.ts";
import { logPath } from "../segment/names.ts";
import type { Clock, Vfs } from "../vfs.ts";
import { type SlotSurvey, surveySlots } from "./survey_slots.ts";

/** Where a shard lies and to which log it belongs. */
export interface SurveyPlace {
  readonly directory: string;
  readonly logId: Uint8Array;
  readonly shard: number;
  readonly instance: InstanceIds;
}

/** A shard before its batches are read. */
export interface Survey {
  readonly place: SurveyPlace;
  readonly anchorSlots: SlotSurvey;
  readonly stateSlots: SlotSurvey;
  readonly anchor: Anchor | undefined;
  readonly state: State | undefined;
  /** In the order of their offsets. */
  readonly segments: readonly SegmentFile[];
  /** Records before this offset were promised to be there. */
  readonly required: number;
  /** Where published data ends, as far as anybody noted it; `undefined`: nobody knows. */
  readonly limit: End | undefined;
  /** Maybe not in the same run of the machine any more: nobody is writing behind the limit at this moment. */
  readonly rebooted: boolean;
}

/**
 * Surveys one shard. The order matters beside a writer: the anchor is read first, so everything it speaks of is in the
 * files whose sizes are taken after it, and the state after the anchor, so no batch in front of the anchor has a higher epoch. The
 * state comes after the names, too: of what is dropped meanwhile it says so.
 */
export async function surveyShard(vfs: Vfs, clock: Clock, place: SurveyPlace): Promise<Survey> {
  for (let left = MAX_LOOKS;; left--) {
    const survey = await surveyOnce(vfs, clock, place);
    // Where a segment was dropped at this moment, the state that was read before does not say so.
    if (survey.isWhole || left === 1) return survey;
  }
}

async function surveyOnce(vfs: Vfs, clock: Clock, place: SurveyPlace): Promise<Survey & { readonly isWhole: boolean }> {
  const { directory, logId, shard } = place;
  const anchorSlots = await surveySlots(vfs, clock, `${directory}/${ANCHOR_NAME}`, anchorIdentity(logId, shard));
  const bases = await listBases(vfs, directory);
  const stateSlots = await surveySlots(vfs, clock, `${directory}/${STATE_NAME}`, stateIdentity(logId, shard));
  const logStart = stateSlots.newest === undefined ? 0 : readState(stateSlots.newest).logStart;
  const segments: SegmentFile[] = [];
  const kept = bases.slice(firstKept(bases, logStart));
  for (const base of kept) {
    const bytes = await sizeIfThere(vfs, logPath(directory, base));
    if (bytes !== undefined) segments.push({ base, bytes });
  }
  const anchor = anchorSlots.newest === undefined ? undefined : readAnchor(anchorSlots.newest);
  const state = stateSlots.newest === undefined ? undefined : readState(stateSlots.newest);
  const isWhole = segments.length === kept.length;
  return { place, anchorSlots, stateSlots, anchor, state, segments, isWhole, ...boundsOf(place, anchor, state) };
}

function boundsOf(
  { instance }: SurveyPlace,
  anchor: Anchor | undefined,
  state: State | undefined,
): Pick<Survey, "required" | "limit" | "rebooted"> {
  const rebooted = anchor !== undefined && !sameInstance(anchor.instance, instance);
  // After a reboot what was written and not synced may rightly be gone.
  const kept = rebooted ? anchor.synced : anchor?.written;
  const required = furthest(state?.clean, kept)?.nextOffset ?? 0;
  return { required, limit: furthest(state?.clean, anchor?.written), rebooted };
}

function furthest(a: End | undefined, b: End | undefined): End | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return b.nextOffset > a.nextOffset ? b : a;
}

/** The end to search up to, where nobody knows one. */
export function unknownEnd(segment: number): End {
  return { ...emptyEnd(segment), nextOffset: Number.MAX_SAFE_INTEGER };
}
