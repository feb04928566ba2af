/**
 * Verifying beside a writer that drops segments: what is gone is neither damage nor a failure.
 *
 * @module
 */
import { readSlotFile } from "../anchor/slot_file.ts";
import { readState, STATE_NAME, stateIdentity } from "../anchor/state.ts";
import { isMissing } from "../if_there.ts";
import type { Vfs } from "../vfs.ts";
import type { Damage, Observer } from "./finding.ts";
import type { Survey } from "./survey.ts";

/**
 * Checks a segment of a survey, and tells what is found only where the segment is still there then: of one whose files are being
 * removed half would be missing. Answers `undefined` where it was dropped.
 */
export async function besideDrops<T>(
  vfs: Vfs,
  observer: Observer,
  survey: Survey,
  i: number,
  check: (observer: Observer) => Promise<T>,
): Promise<T | undefined> {
  const found: (() => void)[] = [];
  let result: T;
  try {
    result = await check({
      damage: (finding: Damage) => found.push(() => observer.damage(finding)),
      note: (note) => found.push(() => observer.note(note)),
      progress: (done, total) => observer.progress(done, total),
    });
  } catch (error) {
    if (isMissing(error) && await isDropped(vfs, survey, i)) return undefined;
    throw error;
  }
  if (found.length > 0 && await isDropped(vfs, survey, i)) return undefined;
  for (const tell of found) tell();
  return result;
}

/** True where the log start lies behind the segment by now. */
async function isDropped(vfs: Vfs, { place, segments }: Survey, i: number): Promise<boolean> {
  if (i + 1 >= segments.length) return false;
  const { directory, logId, shard } = place;
  const slot = await readSlotFile(vfs, `${directory}/${STATE_NAME}`, stateIdentity(logId, shard));
  return slot !== undefined && readState(slot).logStart >= segments[i + 1].base;
}
