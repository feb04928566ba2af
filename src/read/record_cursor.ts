/**
 * Visits the records of one batch without making an object for each.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import { readHeaders, RecordDecoder } from "../batch/record_decoder.ts";
import type { Predicate } from "./filter.ts";

/**
 * Stands on one record at a time: its fields are those of that record, and change with the next step. What it points into is
 * overwritten when the reader of its batch takes its next step.
 */
export interface RecordCursor {
  /**
   * Steps to the next record.
   *
   * @returns False behind the last one.
   * @throws {LogError} `CORRUPT_BATCH` where the batch cannot be decoded, unless damage is skipped; `CLOSED` once the reader of the
   * batch has gone on.
   */
  next(): boolean;
  /** The record's number in its shard. */
  readonly offset: number;
  /** Milliseconds since 1970; -1 where a foreign writer stored none. */
  readonly timestamp: number;
  /** Holds the record: the batch, or what it was unpacked to. */
  readonly bytes: Uint8Array;
  /** Where the key begins in `bytes`. */
  readonly keyStart: number;
  /** Size of the key in bytes; -1: it has none. */
  readonly keyLength: number;
  /** Where the value begins in `bytes`. */
  readonly valueStart: number;
  /** Size of the value in bytes; -1: null, a tombstone. */
  readonly valueLength: number;
  /** A view of the key, made at each call; null: it has none. */
  readonly key: Uint8Array | null;
  /** A view of the value, made at each call; null: a tombstone. */
  readonly value: Uint8Array | null;
  /** In the order they were given; a name may stand more than once. The values are views. */
  readonly headers: readonly (readonly [string, Uint8Array | null])[];
}

/** Which records of a batch are wanted. */
export interface CursorBounds {
  /** First offset. */
  readonly from: number;
  /** Exclusive end. */
  readonly before: number;
  /** Undefined: all. */
  readonly matches: Predicate | undefined;
  /** Records before the first one with at least this timestamp are passed over. */
  readonly fromTime: number | undefined;
  /** So many of the records that would be wanted are passed over. */
  readonly skip: number;
  /** At most so many. */
  readonly limit: number;
}

/** See {@linkcode RecordCursor}. A decoder itself, not one that has one: a step is one call. */
export class BatchCursor extends RecordDecoder implements RecordCursor {
  /** Undefined once it was told. */
  #onFault: ((fault: string) => void) | undefined;

  constructor(bytes: Uint8Array, at: number, codecs: Codecs, onFault: (fault: string) => void) {
    super(bytes, at, codecs);
    this.#onFault = onFault;
  }

  protected override ended(): false {
    super.ended();
    if (this.fault !== undefined) {
      const tell = this.#onFault;
      this.#onFault = undefined;
      tell?.(this.fault);
    }
    return false;
  }

  get keyLength(): number {
    return this.keyBytes;
  }

  get valueLength(): number {
    return this.valueBytes;
  }

  get key(): Uint8Array | null {
    return this.keyBytes < 0 ? null : this.bytes.subarray(this.keyStart, this.keyStart + this.keyBytes);
  }

  get value(): Uint8Array | null {
    return this.valueBytes < 0 ? null : this.bytes.subarray(this.valueStart, this.valueStart + this.valueBytes);
  }

  get headers(): readonly (readonly [string, Uint8Array | null])[] {
    return readHeaders(this.bytes, this.headersStart, this.end, this.headersCount);
  }
}

/** Visits a part of a batch: its first one or its last one. */
export class BoundedCursor extends BatchCursor {
  readonly #bounds: CursorBounds;
  #fromTime: number | undefined;
  #skip: number;
  #left: number;

  constructor(
    bytes: Uint8Array,
    at: number,
    codecs: Codecs,
    bounds: CursorBounds,
    onFault: (fault: string) => void,
  ) {
    super(bytes, at, codecs, onFault);
    this.#bounds = bounds;
    this.#fromTime = bounds.fromTime;
    this.#skip = bounds.skip;
    this.#left = bounds.limit;
  }

  override next(): boolean {
    if (this.#left === 0) return false;
    const { from, before, matches } = this.#bounds;
    while (super.next()) {
      if (this.offset < from) continue;
      if (this.offset >= before) {
        this.#left = 0;
        return false;
      }
      if (this.#fromTime !== undefined && this.timestamp < this.#fromTime) continue;
      this.#fromTime = undefined;
      if (matches !== undefined && !matches(this)) continue;
      if (this.#skip > 0) this.#skip--;
      else {
        this.#left--;
        return true;
      }
    }
    return false;
  }
}
