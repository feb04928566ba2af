/**
 * Steps through the records of one shard, up to what is published at the moment.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import { RecordDecoder } from "../batch/record_decoder.ts";
import type { MaybePromise } from "../vfs.ts";
import type { Predicate } from "./filter.ts";
import type { RecordSource, SourceOptions } from "./record_source.ts";
import { type GapEvent, ShardBatches } from "./shard_batches.ts";
import type { ShardView } from "./shard_view.ts";
import type { Isolation } from "./transactions.ts";

/** Where and how to read. */
export interface ShardCursorOptions extends SourceOptions {
  /** Records before the first one with at least this timestamp are passed over. */
  readonly fromTime?: number;
  /** Exclusive: nothing from this offset on is handed out. */
  readonly before?: number | undefined;
  /** See {@linkcode ShardBatchesOptions.floats}. */
  readonly floats?: boolean;
  /** @default {"uncommitted"} */
  readonly isolation?: Isolation | undefined;
}

/** Gaps as far as they lie before an offset. */
function upTo(before: number, onGap: (gap: GapEvent) => void): (gap: GapEvent) => void {
  return (gap) => {
    if (gap.from < before) onGap({ ...gap, to: Math.min(gap.to, before - 1) });
  };
}

/** Bytes one read asks for: large enough for the disk, small enough that a held record does not hold much. */
const CHUNK_BYTES: number = 256 * 1024;

/** One pass over one shard. Stands on a record after each `next()` that answered true. */
export class ShardCursor implements RecordSource {
  readonly view: ShardView;
  readonly #batches: ShardBatches;
  readonly #codecs: Codecs;
  /** Offset of the next record wanted. */
  #nextOffset: number;
  #fromTime: number | undefined;
  readonly #before: number;
  readonly #matches: Predicate | undefined;
  readonly #isGivenUp: (() => boolean) | undefined;
  #decoder: RecordDecoder | undefined = undefined;

  constructor(view: ShardView, options: ShardCursorOptions) {
    const { from, fromTime, floats = false, before = Infinity, codecs, matches, isGivenUp, isolation } = options;
    this.view = view;
    this.#before = before;
    this.#matches = matches;
    this.#isGivenUp = isGivenUp;
    const onGap = options.onGap === undefined || before === Infinity ? options.onGap : upTo(before, options.onGap);
    const shared = { onGap, isolation, chunkBytes: CHUNK_BYTES, pooled: false };
    this.#batches = new ShardBatches(view, { from, floats, ...shared });
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

  /** More is published than it has seen. */
  hasMore(): boolean {
    return this.nextOffset < Math.min(this.view.publication.end.nextOffset, this.#before);
  }

  /** Steps to the next record of the batch that is in memory; false at its end. */
  nextInMemory(): boolean {
    const decoder = this.#decoder;
    if (decoder === undefined) return false;
    while (decoder.next()) {
      const offset = decoder.offset;
      if (offset < this.#nextOffset) continue;
      if (offset >= this.#before) {
        this.#nextOffset = this.#before;
        return false;
      }
      if (this.#fromTime !== undefined) {
        if (decoder.timestamp < this.#fromTime) continue;
        this.#fromTime = undefined;
      }
      this.#nextOffset = offset + 1;
      if (this.#matches === undefined || this.#matches(decoder)) return true;
    }
    return false;
  }

  async #nextBatch(): Promise<boolean> {
    const batches = this.#batches;
    for (;;) {
      if (this.nextOffset >= this.#before || this.#isGivenUp?.()) return false;
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
