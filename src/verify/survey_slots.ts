/**
 * Both slots of an `anchor` or `state` file, each judged on its own.
 *
 * @module
 */
import {
  newestSlot,
  readSlot,
  type Slot,
  SLOT_BYTES,
  SLOT_FILE_BYTES,
  type SlotIdentity,
} from "../anchor/slot_file.ts";
import { readU32 } from "../bytes.ts";
import { openIfThere } from "../if_there.ts";
import type { Clock, Vfs } from "../vfs.ts";

const SLOT_DISTANCE: number = SLOT_FILE_BYTES / 2;
/** A slot that is being written at the moment looks damaged: it is looked at again before it is called so. */
const LOOKS = 5;
const LOOK_AGAIN_MS = 3;

/** One thing that is wrong with a slot file. */
export interface SlotFault {
  readonly position: number;
  readonly what: string;
}

/** What a slot file holds. */
export interface SlotSurvey {
  /** False: there is no file, or an empty one. */
  readonly present: boolean;
  readonly newest: Slot | undefined;
  readonly faults: readonly SlotFault[];
}

/** Reads and judges the slot file at `path`. */
export async function surveySlots(vfs: Vfs, clock: Clock, path: string, identity: SlotIdentity): Promise<SlotSurvey> {
  for (let look = 1;; look++) {
    const content = await readContent(vfs, path);
    if (content === undefined || content.length === 0) return { present: false, newest: undefined, faults: [] };
    const faults = judge(content, identity);
    if (faults.length === 0 || look === LOOKS) {
      return { present: true, newest: newestSlot(content, identity)?.slot, faults };
    }
    await new Promise<void>((resolve) => clock.setTimer(resolve, LOOK_AGAIN_MS));
  }
}

/** Why the slot at `position` of a file's content is not intact; `undefined` where it is, or was never written. */
export function slotFault(content: Uint8Array, position: number, identity: SlotIdentity): string | undefined {
  const bytes = content.subarray(position, position + SLOT_BYTES);
  if (isZero(bytes) || readSlot(bytes, identity) !== undefined) return undefined;
  if (bytes.length < SLOT_BYTES) return `the file ends after ${content.length} bytes, in the middle of a slot`;
  const own: SlotIdentity = { magic: readU32(bytes, 0), logId: bytes.slice(16, 32), shard: readU32(bytes, 32) };
  if (readSlot(bytes, own) === undefined) return "the slot fails its checksum";
  return own.magic === identity.magic
    ? "the slot belongs to another log or shard"
    : "the slot is of another kind of file";
}

function judge(content: Uint8Array, identity: SlotIdentity): SlotFault[] {
  const faults: SlotFault[] = [];
  const newest = newestSlot(content, identity);
  for (const at of [0, SLOT_DISTANCE]) {
    const what = slotFault(content, at, identity);
    if (what !== undefined) faults.push({ position: at, what });
    // Slots are written in turn: from the second write on both hold something.
    else if (newest !== undefined && newest.slot.generation > 1 && isZero(content.subarray(at, at + SLOT_BYTES))) {
      faults.push({ position: at, what: "the slot is empty, although it was written" });
    }
    const gap = content.subarray(at + SLOT_BYTES, at + SLOT_DISTANCE);
    const stray = gap.findIndex((byte) => byte !== 0);
    if (stray >= 0) faults.push({ position: at + SLOT_BYTES + stray, what: "there are bytes between the slots" });
  }
  if (content.length !== SLOT_FILE_BYTES && newest !== undefined) {
    faults.push({
      position: Math.min(content.length, SLOT_FILE_BYTES),
      what: `the file does not have ${SLOT_FILE_BYTES} bytes`,
    });
  }
  return faults;
}

/** The content and one byte more, so that a file that is too long is told apart; `undefined` where there is none. */
async function readContent(vfs: Vfs, path: string): Promise<Uint8Array | undefined> {
  const file = await openIfThere(vfs, path, "read");
  if (file === undefined) return undefined;
  try {
    const content = new Uint8Array(SLOT_FILE_BYTES + 1);
    return content.subarray(0, await file.read(content, 0));
  } finally {
    await file.close();
  }
}

export function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}
