/**
 * The content of a consumer's file: blocks of two slots, each for a few shards.
 *
 * @module
 */
import {
  newestSlot,
  PAYLOAD_AT,
  readSlot,
  SLOT_BYTES,
  SLOT_FILE_BYTES,
  type SlotIdentity,
} from "../anchor/slot_file.ts";
import { crc32c } from "../batch/crc32c.ts";
import { readI64, readU32, writeI32, writeI64 } from "../bytes.ts";

const MAGIC = 0x424d434e;
/** In a slot: the log it belongs to. */
export const LOG_ID_AT = 16;
const SHARDS_AT = PAYLOAD_AT;
const NAME_LENGTH_AT: number = SHARDS_AT + 4;
const NAME_AT: number = NAME_LENGTH_AT + 1;
const OFFSETS_AT = 296;
const MAX_NAME_BYTES = 249;
/** Shards whose offsets one slot holds: what is left of a sector, which is rewritten whole or not at all. */
export const BLOCK_SHARDS = 27;
export const BLOCK_BYTES: number = SLOT_FILE_BYTES;
const SLOT_DISTANCE: number = SLOT_FILE_BYTES / 2;

/** Whose cursor it is. */
export interface CursorIdentity {
  readonly logId: Uint8Array;
  /** Shards of the log. */
  readonly shards: number;
  readonly name: string;
}

/** What a block says. */
export interface CursorBlock {
  readonly name: string;
  readonly shards: number;
  /** Next offsets, from shard `BLOCK_SHARDS * number` on. */
  readonly offsets: readonly number[];
  readonly generation: number;
  /** Which of the two slots says it. */
  readonly index: number;
  /** The other slot counts, too. */
  readonly isWhole: boolean;
}

export function blockCount(shards: number): number {
  return Math.ceil(shards / BLOCK_SHARDS);
}

/** How many shards a block holds. */
function shardsIn(block: number, shards: number): number {
  return Math.min(BLOCK_SHARDS, shards - block * BLOCK_SHARDS);
}

function identityOf(logId: Uint8Array, block: number): SlotIdentity {
  return { magic: MAGIC, logId, shard: block };
}

/** The 512 bytes of a slot. */
export function encodeSlot(
  { logId, shards, name }: CursorIdentity,
  block: number,
  offsets: readonly number[],
  generation: number,
): Uint8Array {
  const slot = new Uint8Array(SLOT_BYTES);
  writeI32(slot, 0, MAGIC);
  writeI64(slot, 8, generation);
  slot.set(logId, 16);
  writeI32(slot, 32, block);
  writeI32(slot, SHARDS_AT, shards);
  const bytes = new TextEncoder().encode(name);
  slot[NAME_LENGTH_AT] = bytes.length;
  slot.set(bytes, NAME_AT);
  for (let i = 0; i < shardsIn(block, shards); i++) {
    writeI64(slot, OFFSETS_AT + 8 * i, offsets[block * BLOCK_SHARDS + i]);
  }
  writeI32(slot, 4, crc32c(slot, 8, SLOT_BYTES));
  return slot;
}

/** The file of a new consumer: both slots of every block. */
export function encodeCursor(identity: CursorIdentity, offsets: readonly number[]): Uint8Array {
  const content = new Uint8Array(blockCount(identity.shards) * BLOCK_BYTES);
  for (let block = 0; block * BLOCK_BYTES < content.length; block++) {
    for (const index of [0, 1]) {
      content.set(encodeSlot(identity, block, offsets, 1 + index), slotPosition(block, index));
    }
  }
  return content;
}

/** Where a slot lies in the file. */
export function slotPosition(block: number, index: number): number {
  return block * BLOCK_BYTES + index * SLOT_DISTANCE;
}

/** Decodes a block of a log's consumer; where no slot of it counts, says why. */
export function decodeBlock(content: Uint8Array, logId: Uint8Array, block: number): CursorBlock | string {
  const newest = newestSlot(content, identityOf(logId, block));
  if (newest === undefined) return faultOf(content, logId, block);
  const { slot: { bytes, generation }, index } = newest;
  const shards = readU32(bytes, SHARDS_AT);
  const length = bytes[NAME_LENGTH_AT];
  const count = shardsIn(block, shards);
  if (shards < 1 || shards > 65_536 || count < 1 || length < 1 || length > MAX_NAME_BYTES) return "it makes no sense";
  const offsets: number[] = [];
  for (let i = 0; i < count; i++) {
    const offset = readI64(bytes, OFFSETS_AT + 8 * i);
    if (!Number.isSafeInteger(offset) || offset < 0) return "an offset in it makes no sense";
    offsets.push(offset);
  }
  return {
    name: new TextDecoder().decode(bytes.subarray(NAME_AT, NAME_AT + length)),
    shards,
    offsets,
    generation,
    index,
    isWhole: cursorSlotFault(content, logId, block, 1 - index) === undefined,
  };
}

/** Why a slot does not count; `undefined` where it does. */
export function cursorSlotFault(
  content: Uint8Array,
  logId: Uint8Array,
  block: number,
  index: number,
): string | undefined {
  const bytes = content.subarray(index * SLOT_DISTANCE, index * SLOT_DISTANCE + SLOT_BYTES);
  if (readSlot(bytes, identityOf(logId, block)) !== undefined) return undefined;
  if (bytes.length < SLOT_BYTES) return "the file ends in front of it";
  const own = { magic: MAGIC, logId: bytes.slice(16, 32), shard: readU32(bytes, 32) };
  return readSlot(bytes, own) === undefined ? "it fails its checksum" : "it belongs to another log";
}

function faultOf(content: Uint8Array, logId: Uint8Array, block: number): string {
  const [first, second] = [0, 1].map((index) => cursorSlotFault(content, logId, block, index));
  return first === second ? first! : `${first}, and of the other copy, ${second}`;
}
