/**
 * The anchor: the hint that says where written and where synced data ends.
 *
 * @module
 */
import { crc32c } from "../batch/crc32c.ts";
import { equalBytes, fromHex, writeI32 } from "../bytes.ts";
import type { Instance } from "../vfs.ts";
import { type End, END_BYTES, readEnd, writeEnd } from "./end.ts";
import { PAYLOAD_AT, type Slot, type SlotIdentity } from "./slot_file.ts";

export const ANCHOR_NAME = "anchor";
const MAGIC = 0x424d414e;
const BOOT_AT = PAYLOAD_AT;
const MOUNT_AT = BOOT_AT + 16;
const WRITTEN_AT = MOUNT_AT + 16;
const SYNCED_AT = WRITTEN_AT + END_BYTES;

/** Boot id and mount id as an anchor holds them, 16 bytes each; zeros are unknown. */
export interface InstanceIds {
  readonly boot: Uint8Array;
  readonly mount: Uint8Array;
}

/** What an anchor says. */
export interface Anchor {
  readonly epoch: number;
  readonly generation: number;
  readonly instance: InstanceIds;
  readonly written: End;
  readonly synced: End;
}

export function anchorIdentity(logId: Uint8Array, shard: number): SlotIdentity {
  return { magic: MAGIC, logId, shard };
}

export function readAnchor(slot: Slot): Anchor {
  return {
    epoch: slot.epoch,
    generation: slot.generation,
    instance: {
      boot: slot.bytes.slice(BOOT_AT, BOOT_AT + 16),
      mount: slot.bytes.slice(MOUNT_AT, MOUNT_AT + 16),
    },
    written: readEnd(slot.bytes, WRITTEN_AT),
    synced: readEnd(slot.bytes, SYNCED_AT),
  };
}

export function fillAnchor(slot: Uint8Array, instance: InstanceIds, written: End, synced: End): void {
  slot.set(instance.boot, BOOT_AT);
  slot.set(instance.mount, MOUNT_AT);
  writeEnd(slot, WRITTEN_AT, written);
  writeEnd(slot, SYNCED_AT, synced);
}

/** The ids of a running instance in the form that anchors hold. */
export function instanceIds(instance: Instance): InstanceIds {
  return { boot: shortId(instance.bootId), mount: shortId(instance.mountId) };
}

/** True only where all four are known and agree: unknown equals nothing. */
export function sameInstance(a: InstanceIds, b: InstanceIds): boolean {
  return isKnown(a.boot) && isKnown(a.mount) && equalBytes(a.boot, b.boot) && equalBytes(a.mount, b.mount);
}

function isKnown(id: Uint8Array): boolean {
  return id.some((byte) => byte !== 0);
}

/** 16 bytes of a text: a UUID's own bytes, else four checksums of it. */
function shortId(text: string): Uint8Array {
  const id = new Uint8Array(16);
  if (text === "") return id;
  const uuid = fromHex(text.replaceAll("-", ""));
  if (uuid?.length === 16) return uuid;
  for (let i = 0; i < 4; i++) writeI32(id, 4 * i, crc32c(new TextEncoder().encode(`${i}${text}`)));
  return id;
}
