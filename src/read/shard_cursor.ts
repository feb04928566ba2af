/**
 * Steps through the records of one shard, up to what is published at the moment.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import { RecordDecoder } from "../batch/record_decoder.ts";
import type { MaybePromise } from "../vfs.ts";
import { type GapEvent, ShardBatches } from "./shard_batches.ts";
import type { ShardView } from "./shard_view.ts";

/** Where and how to read. */
export interface ShardCursorOptions {
  /** First offset wanted. */
  readonly from: number;
  /** Records before the first one with at least this timestamp are passed over. */
  readonly fromTime?: number;
  /** See {@linkcode ShardBatchesOptions.floats}. */
  readonly floats?: boolean;
  readonly codecs: Codecs;
  /** Undefined: stop at damage. */
  readonly onGap: ((gap: GapEvent) => void) | undefined;
}

/** Bytes one read asks for: large enough for the disk, small enough that a held record does not hold much. */
const CHUNK_BYTES: number = 256 * 1024;

/** One pass over one shard. Stands on a record after each `next()` that answered true. */
export class ShardCursor {
  readonly view: ShardView;
  readonly #batches: ShardBatches;
  readonly #codecs: Codecs;
  /** Offset of the next record wanted. */
  #nextOffset: number;
  #fromTime: number | undefined;
  #decoder: RecordDecoder | undefined = undefined;

  constructor(view: ShardView, options: ShardCursorOptions) {
    const { from, fromTime, floats = false, codecs, onGap } = options;
    this.view = view;
    this.#batches = new ShardBatches(view, { from, floats, onGap, chunkBytes: CHUNK_BYTES, pooled: false });
    this.#codecs = codecs;
    this.#nextOffset = from;
    this.#fromTime = fromTime;
  }

  /** The record it stands on. */
  get decoder(): RecordDecoder {
    return this.#decoder!;
  }

  /** Offset of the next record wanted. */
  get nextOffset(): number {
    return this.#decoder === undefined ? this.#batches.nextOffset : this.#nextOffset;
  }

  /** Steps to the next record. False where nothing more is published: it may be called again later. */
  next(): MaybePromise<boolean> {
    return this.nextInMemory() ? true : this.#nextBatch();
  }

  /** Frees the file. */
  async close(): Promise<void> {
    this.#decoder = undefined;
    await this.#batches.close();
  }

  /** Steps to the next record of the batch that is in memory; false at its end. */
  nextInMemory(): boolean {
    const decoder = this.#decoder;
    if (decoder === undefined) return false;
    while (decoder.next()) {
      if (decoder.offset < this.#nextOffset) continue;
      if (this.#fromTime !== undefined) {
        if (decoder.timestamp < this.#fromTime) continue;
        this.#fromTime = undefined;
      }
      this.#nextOffset = decoder.offset + 1;
      return true;
    }
    return false;
  }

  async #nextBatch(): Promise<boolean> {
    const batches = this.#batches;
    for (;;) {
      const fault = this.#decoder?.fault;
      if (this.#decoder !== undefined) batches.nextOffset = this.#nextOffset;
      this.#decoder = undefined;
      if (fault !== undefined) await batches.damaged(fault);
      const step = batches.next();
      if (!(step instanceof Promise ? await step : step)) return false;
      this.#nextOffset = batches.nextOffset;
      this.#decoder = new RecordDecoder(batches.bytes, batches.at, this.#codecs);
      if (this.nextInMemory()) return true;
    }
  }
}
