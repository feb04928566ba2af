/**
 * One pass over the records of one shard, in either direction.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import type { RecordDecoder } from "../batch/record_decoder.ts";
import type { MaybePromise } from "../vfs.ts";
import type { Predicate } from "./filter.ts";
import type { GapEvent } from "./shard_batches.ts";
import type { ShardView } from "./shard_view.ts";

/** What every pass is given. */
export interface SourceOptions {
  /** First offset wanted. */
  readonly from: number;
  readonly codecs: Codecs;
  /** Undefined: stop at damage. */
  readonly onGap: ((gap: GapEvent) => void) | undefined;
  /** The records wanted. Undefined: all. */
  readonly matches?: Predicate | undefined;
  /** Asked before every batch: true ends the step, which answers false then. A filter may pass over gigabytes. */
  readonly isGivenUp?: () => boolean;
}

/** Stands on a record after each `next()` that answered true. */
export interface RecordSource {
  readonly view: ShardView;
  /** The record it stands on. */
  readonly decoder: RecordDecoder;
  /** Steps to the next record. False where there is none now. */
  next(): MaybePromise<boolean>;
  /** Steps to the next record of the batch that is in memory; false at its end. */
  nextInMemory(): boolean;
  /** More is published than it has seen. */
  hasMore(): boolean;
  /** Frees the file. */
  close(): Promise<void>;
}
