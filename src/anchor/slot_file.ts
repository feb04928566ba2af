/**
 * A small file that is rewritten in place and always holds a valid version: two checksummed slots, written in turn.
 *
 * @module
 */
import { crc32c } from "../batch/crc32c.ts";
import { holdsAt, readI32, readI64, readU32, writeI32, writeI64 } from "../bytes.ts";
import { openIfThere } from "../if_there.ts";
import { giveScratch, takeScratch } from "../scratch.ts";
import type { MaybePromise, Vfs, VfsFile } from "../vfs.ts";

/** One sector, so that a rewrite is old or new. */
export const SLOT_BYTES = 512;
/** Slots lie in pages of their own: one lost page costs one slot. */
const SLOT_DISTANCE = 4096;
export const SLOT_FILE_BYTES: number = 2 * SLOT_DISTANCE;
const CRC_FROM = 8;
/** What belongs to a slot file's own user starts here. */
export const PAYLOAD_AT = 40;

/** Whose file it is, and of which kind. */
export interface SlotIdentity {
  readonly magic: number;
  readonly logId: Uint8Array;
  readonly shard: number;
}

/** What a slot says. */
export interface Slot {
  readonly generation: number;
  readonly epoch: number;
  /** All 512 bytes. */
  readonly bytes: Uint8Array;
}

/** Decodes one slot; `undefined` where it is not an intact one of this identity. */
export function readSlot(bytes: Uint8Array, identity: SlotIdentity): Slot | undefined {
  if (bytes.length < SLOT_BYTES || readU32(bytes, 0) !== identity.magic >>> 0) return undefined;
  if (readU32(bytes, 4) !== crc32c(bytes, CRC_FROM, SLOT_BYTES)) return undefined;
  if (!holdsAt(bytes, 16, identity.logId) || readU32(bytes, 32) !== identity.shard) return undefined;
  const generation = readI64(bytes, 8);
  if (!Number.isSafeInteger(generation) || generation < 1) return undefined;
  return { generation, epoch: readI32(bytes, 36), bytes };
}

/** Both slots; `undefined` where one is not valid. */
export function bothSlots(content: Uint8Array, identity: SlotIdentity): readonly (Slot | undefined)[] {
  return [
    readSlot(content.subarray(0, SLOT_BYTES), identity),
    readSlot(content.subarray(SLOT_DISTANCE, SLOT_DISTANCE + SLOT_BYTES), identity),
  ];
}

/** The valid slot with the higher generation in the bytes of a slot file, and which one it is. */
export function newestSlot(content: Uint8Array, identity: SlotIdentity): { slot: Slot; index: number } | undefined {
  return newerOf(bothSlots(content, identity));
}

/** The same for slots that were read already. */
export function newerOf(slots: readonly (Slot | undefined)[]): { slot: Slot; index: number } | undefined {
  let newest: { slot: Slot; index: number } | undefined;
  for (let index = 0; index < slots.length; index++) {
    const slot = slots[index];
    if (slot !== undefined && (newest === undefined || slot.generation > newest.slot.generation)) {
      newest = { slot, index };
    }
  }
  return newest;
}

/** Reads the newest slot of the file at `path`; `undefined` where there is no file or no valid slot. */
export async function readSlotFile(vfs: Vfs, path: string, identity: SlotIdentity): Promise<Slot | undefined> {
  const file = await openIfThere(vfs, path, "read");
  if (file === undefined) return undefined;
  const memory = takeScratch();
  try {
    const slot = newestSlot(await readContent(file, memory), identity)?.slot;
    return slot && { ...slot, bytes: slot.bytes.slice() };
  } finally {
    giveScratch(memory);
    await file.close();
  }
}

/** Both slots and what lies between them, in `memory`. */
async function readContent(file: VfsFile, memory: Uint8Array): Promise<Uint8Array> {
  const read = await file.read(memory, 0);
  return memory.subarray(0, read);
}

/** Writes slots of one open file. One call at a time. */
export class SlotFile {
  /** Epoch of the newest slot when the file was opened; 0 without one. */
  readonly epochFound: number;
  readonly #file: VfsFile;
  readonly #identity: SlotIdentity;
  readonly #buffer: Uint8Array = new Uint8Array(SLOT_BYTES);
  /** Slot for the next write; moves on only after a write succeeded, so the other one stays valid whatever happens. */
  #next: number;
  #generation: number;

  private constructor(file: VfsFile, identity: SlotIdentity, newest: { slot: Slot; index: number } | undefined) {
    this.#file = file;
    this.#identity = identity;
    this.#next = newest === undefined ? 0 : 1 - newest.index;
    this.#generation = newest?.slot.generation ?? 0;
    this.epochFound = newest?.slot.epoch ?? 0;
  }

  /** Opens the file, or creates it with its full size so that later writes are in place. */
  static async open(vfs: Vfs, path: string, identity: SlotIdentity): Promise<SlotFile> {
    const file = await openOrCreate(vfs, path);
    const memory = takeScratch();
    try {
      const content = await readContent(file, memory);
      if (content.length < SLOT_FILE_BYTES) {
        // A slot ends in zeros: one that was cut off there would be valid again if it were only filled up.
        const inPage = content.length % SLOT_DISTANCE;
        const from = inPage < SLOT_BYTES ? content.length - inPage : content.length;
        await file.write(new Uint8Array(SLOT_FILE_BYTES - from), from);
      }
      return new SlotFile(file, identity, newestSlot(content, identity));
    } catch (error) {
      await file.close();
      throw error;
    } finally {
      giveScratch(memory);
    }
  }

  /** Writes the next slot. `fill` puts the payload into the zeroed bytes from `PAYLOAD_AT`. */
  write(epoch: number, fill: (slot: Uint8Array) => void): MaybePromise<void> {
    const slot = this.#buffer;
    slot.fill(0);
    writeI32(slot, 0, this.#identity.magic);
    writeI64(slot, 8, this.#generation + 1);
    slot.set(this.#identity.logId, 16);
    writeI32(slot, 32, this.#identity.shard);
    writeI32(slot, 36, epoch);
    fill(slot);
    writeI32(slot, 4, crc32c(slot, CRC_FROM, SLOT_BYTES));
    const done = this.#file.write(slot, this.#next * SLOT_DISTANCE);
    if (done instanceof Promise) return done.then(() => this.#moveOn());
    this.#moveOn();
  }

  /** False where somebody else has written a slot since: this file has only one writer at a time. */
  async isOwn(): Promise<boolean> {
    const memory = takeScratch();
    try {
      const newest = newestSlot(await readContent(this.#file, memory), this.#identity);
      return newest === undefined || newest.slot.generation <= this.#generation;
    } finally {
      giveScratch(memory);
    }
  }

  sync(): MaybePromise<void> {
    return this.#file.sync();
  }

  close(): MaybePromise<void> {
    return this.#file.close();
  }

  #moveOn(): void {
    this.#generation++;
    this.#next = 1 - this.#next;
  }
}

async function openOrCreate(vfs: Vfs, path: string): Promise<VfsFile> {
  return await openIfThere(vfs, path, "write") ?? await vfs.open(path, "create");
}
