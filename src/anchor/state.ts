/**
 * The state of a shard: facts that stand nowhere else. Synced whenever it changes.
 *
 * @module
 */
import { readI64, readU32, writeI32, writeI64 } from "../bytes.ts";
import { type End, END_BYTES, readEnd, writeEnd } from "./end.ts";
import { PAYLOAD_AT, type Slot, type SlotIdentity } from "./slot_file.ts";

export const STATE_NAME = "state";
const MAGIC = 0x424d5354;
const FLAGS_AT = PAYLOAD_AT;
const LOG_START_AT = FLAGS_AT + 8;
const END_AT = LOG_START_AT + 8;
const EPOCH_START_AT = END_AT + END_BYTES;
const FLAG_CLEAN = 1;
const FLAG_HOLES = 2;
const FLAG_EPOCH_START = 4;
const FLAG_TRIMS = 8;

/** What a state says. */
export interface State {
  /** The highest epoch that ever appended. */
  readonly epoch: number;
  /**
   * Offset at which that epoch began; `undefined` where nobody knows. Everything before it was durable by then, so a batch of an
   * earlier epoch that stands there after a power loss is one that was gone already. Kafka keeps the same pair in its
   * `leader-epoch-checkpoint`.
   */
  readonly epochStart: number | undefined;
  /** Offsets below it are gone for good. */
  readonly logStart: number;
  /** Offsets may be missing between batches: imported or compacted segments. */
  readonly holes: boolean;
  /** There is a file `trims`: where it is missing, somebody has removed it. */
  readonly hasTrims: boolean;
  /** Where the log was closed; `undefined` while it is open, or where it was not closed. */
  readonly clean: End | undefined;
}

/** Where an epoch began, as far as a state knows: it says so of its own one only. */
export function epochStartIn(state: State | undefined, epoch: number): number | undefined {
  return state?.epoch === epoch ? state.epochStart : undefined;
}

export function stateIdentity(logId: Uint8Array, shard: number): SlotIdentity {
  return { magic: MAGIC, logId, shard };
}

export function readState(slot: Slot): State {
  const flags = readU32(slot.bytes, FLAGS_AT);
  return {
    epoch: slot.epoch,
    epochStart: (flags & FLAG_EPOCH_START) === 0 ? undefined : readI64(slot.bytes, EPOCH_START_AT),
    logStart: readI64(slot.bytes, LOG_START_AT),
    holes: (flags & FLAG_HOLES) !== 0,
    hasTrims: (flags & FLAG_TRIMS) !== 0,
    clean: (flags & FLAG_CLEAN) === 0 ? undefined : readEnd(slot.bytes, END_AT),
  };
}

export function fillState(slot: Uint8Array, state: State): void {
  const flags = (state.clean === undefined ? 0 : FLAG_CLEAN) | (state.holes ? FLAG_HOLES : 0) |
    (state.epochStart === undefined ? 0 : FLAG_EPOCH_START) | (state.hasTrims ? FLAG_TRIMS : 0);
  writeI32(slot, FLAGS_AT, flags);
  writeI64(slot, LOG_START_AT, state.logStart);
  if (state.clean !== undefined) writeEnd(slot, END_AT, state.clean);
  if (state.epochStart !== undefined) writeI64(slot, EPOCH_START_AT, state.epochStart);
}
