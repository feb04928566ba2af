/**
 * How a shard's batches are gone through, and what is told of those that cannot be read.
 *
 * @module
 */
import type { LogError } from "../errors.ts";
import type { ReadAheadOptions } from "./read_ahead.ts";
import type { Isolation } from "./transactions.ts";

/** A range of offsets that a reader with `onCorrupt: "skip"` passed over. */
export interface GapEvent {
  /** Number of the shard. */
  readonly shard: number;
  /** First offset passed over. */
  readonly from: number;
  /** Last offset passed over, inclusive. */
  readonly to: number;
  /** Why, and where. */
  readonly error: LogError;
}

/** Where and how to read. */
export interface ShardBatchesOptions extends ReadAheadOptions {
  /** First offset wanted. */
  readonly from: number;
  /** Where `from` is below the log start by the first step, reading begins at the log start. Otherwise it fails. */
  readonly floats: boolean;
  /** Undefined: stop at damage. */
  readonly onGap: ((gap: GapEvent) => void) | undefined;
  /** Batches without records of programs, such as void and control batches, are visited too. @default {false} */
  readonly all?: boolean;
  /** @default {"uncommitted"} */
  readonly isolation?: Isolation | undefined;
}
