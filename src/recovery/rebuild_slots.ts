/**
 * State and anchor in an explicit repair: whether their files are as they should be, and writing them whole again.
 *
 * @module
 */
import { ANCHOR_NAME, anchorIdentity, fillAnchor, type InstanceIds } from "../anchor/anchor.ts";
import type { End } from "../anchor/end.ts";
import {
  bothSlots,
  newerOf,
  type Slot,
  SLOT_BYTES,
  SLOT_FILE_BYTES,
  SlotFile,
  type SlotIdentity,
} from "../anchor/slot_file.ts";
import { fillState, type State, STATE_NAME, stateIdentity } from "../anchor/state.ts";
import { isMissing } from "../if_there.ts";
import type { Vfs } from "../vfs.ts";

const SLOT_DISTANCE: number = SLOT_FILE_BYTES / 2;
/** More than this is not looked at: the file is too long in any case. */
const MAX_BYTES: number = 2 * SLOT_FILE_BYTES;

/** Whose state and anchor they are. */
export interface SlotPlace {
  readonly directory: string;
  readonly logId: Uint8Array;
  readonly shard: number;
}

/** The start of a small file; `undefined` where there is none, or an empty one. */
export async function readSmall(vfs: Vfs, path: string): Promise<Uint8Array | undefined> {
  try {
    const file = await vfs.open(path, "read");
    try {
      const content = new Uint8Array(MAX_BYTES);
      const read = await file.read(content, 0);
      return read === 0 ? undefined : content.subarray(0, read);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/**
 * What is wrong with the bytes of a slot file; `undefined` where nothing is. A slot that was never written is zeros.
 *
 * @param slots Those of the bytes, where they were read already.
 */
export function slotFileFault(
  content: Uint8Array,
  identity: SlotIdentity,
  slots: readonly (Slot | undefined)[] = bothSlots(content, identity),
): string | undefined {
  const newest = newerOf(slots);
  if (newest === undefined) return isZero(content) ? undefined : "neither of its two slots is valid";
  for (let number = 0; number < 2; number++) {
    const at = number * SLOT_DISTANCE;
    const isEmpty = slots[number] === undefined && isZero(content.subarray(at, at + SLOT_BYTES));
    if (isEmpty ? newest.slot.generation > 1 : slots[number] === undefined) {
      return `slot ${number + 1} of 2 is damaged, the other one counts`;
    }
    if (!isZero(content.subarray(at + SLOT_BYTES, at + SLOT_DISTANCE))) return "there are bytes behind its slots";
  }
  return content.length === SLOT_FILE_BYTES ? undefined : `it does not have ${SLOT_FILE_BYTES} bytes`;
}

function isZero(bytes: Uint8Array): boolean {
  // Every opening looks at four pages a shard: a loop, since a callback a byte costs ten times as much, over words.
  const isAligned = bytes.byteOffset % 4 === 0;
  const words = isAligned ? new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2) : new Int32Array(0);
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
  for (let i = words.byteLength; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** Writes the state into both slots, so that nothing damaged is left. Interrupted, one of them is valid still or again. */
export async function rewriteState(vfs: Vfs, place: SlotPlace, state: State): Promise<void> {
  const identity = stateIdentity(place.logId, place.shard);
  await rewrite(vfs, place.directory, STATE_NAME, identity, state.epoch, (slot) => fillState(slot, state));
}

/** Writes the anchor into both slots. */
export async function rewriteAnchor(
  vfs: Vfs,
  place: SlotPlace,
  epoch: number,
  instance: InstanceIds,
  written: End,
  synced: End,
): Promise<void> {
  const identity = anchorIdentity(place.logId, place.shard);
  const fill = (slot: Uint8Array): void => fillAnchor(slot, instance, written, synced);
  await rewrite(vfs, place.directory, ANCHOR_NAME, identity, epoch, fill);
}

async function rewrite(
  vfs: Vfs,
  directory: string,
  name: string,
  identity: SlotIdentity,
  epoch: number,
  fill: (slot: Uint8Array) => void,
): Promise<void> {
  const path = `${directory}/${name}`;
  // The older slot goes first, each is durable before the other is touched.
  const slots = await SlotFile.open(vfs, path, identity);
  try {
    for (let slot = 0; slot < 2; slot++) {
      await slots.write(epoch, fill);
      await slots.sync();
    }
  } finally {
    await slots.close();
  }
  const file = await vfs.open(path, "write");
  try {
    const gap = new Uint8Array(SLOT_DISTANCE - SLOT_BYTES);
    for (const at of [SLOT_BYTES, SLOT_DISTANCE + SLOT_BYTES]) await file.write(gap, at);
    await file.truncate(SLOT_FILE_BYTES);
    await file.sync();
  } finally {
    await file.close();
  }
  await vfs.syncDirectory(directory);
}
