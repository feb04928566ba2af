/**
 * An *end*: where data ends, and by which last batch one recognises it. Part of anchor and state.
 *
 * @module
 */
import { readI64, readU32, writeI32, writeI64 } from "../bytes.ts";

/** The last batch in front of an end. */
export interface LastBatch {
  readonly baseOffset: number;
  readonly position: number;
  /** The CRC field of its header. */
  readonly crc: number;
}

/** Where data ends. */
export interface End {
  /** Base offset of the segment. */
  readonly segment: number;
  /** Exclusive. */
  readonly nextOffset: number;
  /** Exclusive, in the `.log`. */
  readonly position: number;
  /** Exclusive, in the `.idx`. */
  readonly indexPosition: number;
  /** `undefined` where the segment has no batch yet. */
  readonly last: LastBatch | undefined;
  /** Largest of the last batch; -1 where there is none. */
  readonly lastTimestamp: number;
  /** The largest of the segment; -1 where there is none. */
  readonly maxTimestamp: number;
}

export const END_BYTES = 64;

/** The end of a shard that holds nothing from `offset` on. */
export function emptyEnd(offset: number): End {
  return {
    segment: offset,
    nextOffset: offset,
    position: 0,
    indexPosition: 0,
    last: undefined,
    lastTimestamp: -1,
    maxTimestamp: -1,
  };
}

export function writeEnd(into: Uint8Array, at: number, end: End): void {
  writeI64(into, at, end.segment);
  writeI64(into, at + 8, end.nextOffset);
  writeI32(into, at + 16, end.position);
  writeI32(into, at + 20, end.indexPosition);
  writeI64(into, at + 24, end.last?.baseOffset ?? 0);
  writeI32(into, at + 32, end.last?.position ?? 0);
  writeI32(into, at + 36, end.last?.crc ?? 0);
  writeI64(into, at + 40, end.lastTimestamp);
  writeI64(into, at + 48, end.maxTimestamp);
  writeI32(into, at + 56, end.last === undefined ? 0 : 1);
  writeI32(into, at + 60, 0);
}

export function readEnd(bytes: Uint8Array, at: number): End {
  return {
    segment: readI64(bytes, at),
    nextOffset: readI64(bytes, at + 8),
    position: readU32(bytes, at + 16),
    indexPosition: readU32(bytes, at + 20),
    last: readU32(bytes, at + 56) === 0 ? undefined : {
      baseOffset: readI64(bytes, at + 24),
      position: readU32(bytes, at + 32),
      crc: readU32(bytes, at + 36),
    },
    lastTimestamp: readI64(bytes, at + 40),
    maxTimestamp: readI64(bytes, at + 48),
  };
}
