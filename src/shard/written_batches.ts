/**
 * What is told of a commit.
 *
 * @module
 */

/** Batches that were written. */
export interface WrittenBatches {
  readonly bytes: Uint8Array;
  /** The first byte of them, and the one behind them. */
  readonly from: number;
  readonly to: number;
  readonly segment: number;
  /** Where they stand in its `.log`. */
  readonly position: number;
  /** None of their records has a key. */
  readonly isKeyless: boolean;
}
