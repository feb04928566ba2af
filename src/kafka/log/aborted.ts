/**
 * Which batches of a fetch belong to transactions that were aborted.
 *
 * @module
 */
import { type BatchHeader, CONTROL, TRANSACTIONAL } from "../../batch/format.ts";

/** Asked for every batch of one fetch, in order. */
export class AbortedTransactions {
  /** By first offset, the next one last. */
  readonly #coming: (readonly [producerId: number, firstOffset: number])[];
  readonly #running = new Set<number>();

  constructor(aborted: readonly (readonly [producerId: number, firstOffset: number])[]) {
    this.#coming = aborted.toSorted(([, a], [, b]) => b - a);
  }

  /** True where the batch is not to be seen. */
  hides({ attributes, producerId, lastOffset }: BatchHeader): boolean {
    for (let next = this.#coming.at(-1); next !== undefined && next[1] <= lastOffset; next = this.#coming.at(-1)) {
      this.#running.add(next[0]);
      this.#coming.pop();
    }
    // A marker ends its producer's transaction.
    if ((attributes & CONTROL) !== 0) return this.#running.delete(producerId);
    return (attributes & TRANSACTIONAL) !== 0 && this.#running.has(producerId);
  }
}
