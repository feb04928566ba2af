/**
 * What was taken since the last flush, and whether it is enough for the next one.
 *
 * @module
 */
import type { Limits } from "../options.ts";

/** The smallest record there is. */
const MIN_RECORD_BYTES = 7;

/** Counts records and bytes. Time has a trigger of its own: the log's timer. */
export class Triggers {
  readonly #stride: number;
  readonly #flushBytes: number;
  #records = 0;
  #bytes = 0;

  constructor({ stride, flushBytes }: Limits) {
    this.#stride = stride;
    this.#flushBytes = flushBytes;
  }

  /** Bytes that records can take without reaching a trigger, whatever their sizes. */
  get left(): number {
    return Math.min((this.#stride - this.#records - 1) * MIN_RECORD_BYTES, this.#flushBytes - this.#bytes - 1);
  }

  /** True where what was taken now makes a flush due. */
  taken(records: number, bytes: number): boolean {
    this.#records += records;
    this.#bytes += bytes;
    return this.#records >= this.#stride || this.#bytes >= this.#flushBytes;
  }

  /** A flush begins. */
  reset(): void {
    this.#records = 0;
    this.#bytes = 0;
  }
}
