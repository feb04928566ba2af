/**
 * Lines about the slots of an `anchor` or a `state`.
 *
 * @module
 */
import { anchorIdentity, readAnchor } from "../anchor/anchor.ts";
import type { End } from "../anchor/end.ts";
import { readSlot, type Slot, SLOT_BYTES, SLOT_FILE_BYTES, type SlotIdentity } from "../anchor/slot_file.ts";
import { readState, stateIdentity } from "../anchor/state.ts";
import { hex32 } from "../batch/format.ts";
import { readU32, toHex } from "../bytes.ts";
import { slotFault } from "../verify/survey_slots.ts";
import type { VfsFile } from "../vfs.ts";
import { type Dump, type Line, timeText } from "./dump_line.ts";

type Kind = "anchor" | "state";

const SLOT_DISTANCE: number = SLOT_FILE_BYTES / 2;

/** Which kind of slot file begins with these bytes. */
export function slotFileKind(bytes: Uint8Array): Kind | undefined {
  const magic = readU32(bytes, 0);
  return (["anchor", "state"] as const).find((kind) => identityOf(kind, bytes).magic === magic);
}

/** One line a slot. The log it belongs to is taken from the slot itself. */
export function dumpSlots(kind: Kind): Dump {
  return async function* (file: VfsFile): AsyncGenerator<Line> {
    const buffer = new Uint8Array(SLOT_FILE_BYTES);
    const content = buffer.subarray(0, await file.read(buffer, 0));
    const slots = [0, SLOT_DISTANCE].map((position) => {
      const bytes = content.subarray(position, position + SLOT_BYTES);
      const identity = identityOf(kind, bytes);
      return { position, slot: readSlot(bytes, identity), fault: slotFault(content, position, identity) };
    });
    const newest = Math.max(...slots.map(({ slot }) => slot?.generation ?? 0));
    for (const { position, slot, fault } of slots) {
      if (slot !== undefined) yield slotLine(kind, slot, position, slot.generation === newest);
      else if (fault !== undefined) yield { position, kind, invalid: fault };
      else yield { position, kind, empty: true };
    }
  };
}

function identityOf(kind: Kind, bytes: Uint8Array): SlotIdentity {
  const identify = kind === "anchor" ? anchorIdentity : stateIdentity;
  return bytes.length < SLOT_BYTES
    ? identify(new Uint8Array(16), 0)
    : identify(bytes.slice(16, 32), readU32(bytes, 32));
}

function slotLine(kind: Kind, slot: Slot, position: number, newest: boolean): Line {
  const { generation, epoch, bytes } = slot;
  const common = {
    position,
    kind,
    generation,
    newest,
    epoch,
    logId: toHex(bytes.subarray(16, 32)),
    shard: readU32(bytes, 32),
  };
  if (kind === "anchor") {
    const { instance, written, synced } = readAnchor(slot);
    const ids = { bootId: toHex(instance.boot), mountId: toHex(instance.mount) };
    return { ...common, ...ids, written: endFields(written), synced: endFields(synced) };
  }
  const { epochStart, logStart, holes, hasTrims, clean } = readState(slot);
  return {
    ...common,
    epochStart: epochStart ?? "unknown",
    logStart,
    holes,
    hasTrims,
    clean: clean === undefined ? false : endFields(clean),
  };
}

function endFields({ segment, nextOffset, position, indexPosition, last, lastTimestamp, maxTimestamp }: End): object {
  return {
    segment,
    nextOffset,
    position,
    indexPosition,
    ...(last === undefined
      ? {}
      : { lastBatch: { baseOffset: last.baseOffset, position: last.position, crc: hex32(last.crc) } }),
    lastTimestamp: timeText(lastTimestamp),
    maxTimestamp: timeText(maxTimestamp),
  };
}
