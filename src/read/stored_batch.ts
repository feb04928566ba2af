/**
 * A batch as it is read back.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import { type BatchHeader, CODEC_MASK, type CodecName, CODECS } from "../batch/format.ts";
import { LogError } from "../errors.ts";
import { BatchCursor, BoundedCursor, type CursorBounds, type RecordCursor } from "./record_cursor.ts";
import type { ShardBatches } from "./shard_batches.ts";

/**
 * One batch of a log, its checksum checked. Its fields, `bytes` among them, are those of the whole batch, also where only a part of
 * it was asked for; {@linkcode LogBatch.records} visits what was asked for.
 */
export interface LogBatch {
  /** Number of its shard. */
  readonly shard: number;
  /** Offset of its first record. */
  readonly baseOffset: number;
  /** Offset of its last record. */
  readonly lastOffset: number;
  /** Records in it: fewer than offsets where some were compacted away. */
  readonly count: number;
  /** Timestamp of its first record, in milliseconds since 1970. */
  readonly baseTimestamp: number;
  /** The largest timestamp in it. */
  readonly maxTimestamp: number;
  /** How its records are compressed. */
  readonly codec: CodecName;
  /** Its size in the log. */
  readonly byteLength: number;
  /**
   * The batch as it stands in the log, a Kafka RecordBatch: a view that must not be written to and is valid until the reader's next
   * step. Copy what is to be kept.
   *
   * @throws {LogError} `CLOSED` once the reader has gone on.
   */
  readonly bytes: Uint8Array;
  /**
   * A cursor before the first record, a new one at each call.
   *
   * @throws {LogError} `UNSUPPORTED` where the codec is not available, `CLOSED` once the reader has gone on.
   */
  records(): RecordCursor;
}

/** See {@linkcode LogBatch}. */
export class StoredBatch implements LogBatch {
  readonly shard: number;
  readonly #batches: ShardBatches;
  readonly #header: BatchHeader;
  readonly #bounds: CursorBounds | undefined;
  readonly #codecs: Codecs;
  /** Those whose memory goes away with the reader's next step. */
  #cursors: BatchCursor[] = [];
  #isGone = false;

  constructor(batches: ShardBatches, bounds: CursorBounds | undefined, codecs: Codecs) {
    this.shard = batches.view.id;
    this.#batches = batches;
    this.#header = batches.header;
    this.#bounds = bounds;
    this.#codecs = codecs;
  }

  get baseOffset(): number {
    return this.#header.baseOffset;
  }

  get lastOffset(): number {
    return this.#header.lastOffset;
  }

  get count(): number {
    return this.#header.count;
  }

  get baseTimestamp(): number {
    return this.#header.baseTimestamp;
  }

  get maxTimestamp(): number {
    return this.#header.maxTimestamp;
  }

  get codec(): CodecName {
    return CODECS[this.#header.attributes & CODEC_MASK];
  }

  get byteLength(): number {
    return this.#header.bytes;
  }

  get bytes(): Uint8Array {
    this.#assertHere();
    const { bytes, at } = this.#batches;
    return bytes.subarray(at, at + this.#header.bytes);
  }

  records(): RecordCursor {
    this.#assertHere();
    const { bytes, at } = this.#batches;
    const onFault = (fault: string): void => {
      this.#assertHere();
      const from = cursor.read === 0 ? this.baseOffset : cursor.offset + 1;
      this.#batches.undecodable(from, fault);
    };
    const cursor: BatchCursor = this.#bounds === undefined
      ? new BatchCursor(bytes, at, this.#codecs, onFault)
      : new BoundedCursor(bytes, at, this.#codecs, this.#bounds, onFault);
    this.#cursors.push(cursor);
    return cursor;
  }

  /** The reader goes on: nothing may look at the memory any more. */
  leave(): void {
    this.#isGone = true;
    for (const cursor of this.#cursors) cursor.stop("its reader has gone on");
    this.#cursors = [];
  }

  #assertHere(): void {
    if (!this.#isGone) return;
    throw new LogError(
      "CLOSED",
      `Cannot look into the batch at offset ${this.baseOffset}: its reader has gone on; copy what is to be kept`,
      { shard: this.shard },
    );
  }
}
