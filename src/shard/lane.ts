/**
 * The way of the commonest records into the open batch: as long as it is open, nothing but their size has to be looked at.
 *
 * @module
 */
import type { BatchWriter } from "../batch/batch_writer.ts";
import type { Budget } from "./budget.ts";
import type { Triggers } from "./triggers.ts";

/** A shorter lane is not worth opening. */
const MIN_BYTES = 256;
/** A lane reserves at most this part of what the log has left: other shards may not take it meanwhile. */
const BUDGET_PART = 64;

/**
 * A stretch of the open batch. Its bytes were reserved in every limit beforehand, and no trigger can be reached within it, so what goes
 * into it is counted when it closes.
 */
export class Lane {
  /** Records end before it, in the memory of the open batch; 0 while the lane is closed. */
  end = 0;
  readonly #writer: BatchWriter;
  readonly #budget: Budget;
  readonly #account: (bytes: number) => void;
  #from = 0;
  #countFrom = 0;
  /** What went through it and was not counted yet. */
  #records = 0;
  #bytes = 0;

  constructor(writer: BatchWriter, budget: Budget, account: (bytes: number) => void) {
    this.#writer = writer;
    this.#budget = budget;
    this.#account = account;
  }

  /** Opens it for what comes next in the open batch: as long as the batch's memory and the log's budget have room, and `maxBytes`. */
  open(maxBytes: number): void {
    const { position, count, bytes } = this.#writer;
    const { used, max } = this.#budget;
    const reserved = Math.min(maxBytes, bytes.length - position, Math.floor((max - used) / BUDGET_PART));
    if (count === 0 || reserved < MIN_BYTES) return;
    this.#from = position;
    this.#countFrom = count;
    this.end = position + reserved;
    this.#account(reserved);
  }

  /** Closes it, gives back what it did not use, and counts what went through it since this was asked for last. */
  close(triggers?: Triggers): void {
    if (this.end !== 0) {
      const { position, count } = this.#writer;
      this.#account(position - this.end);
      this.#records += count - this.#countFrom;
      this.#bytes += position - this.#from;
      this.end = 0;
    }
    if (triggers === undefined || this.#records === 0) return;
    triggers.taken(this.#records, this.#bytes);
    this.#records = this.#bytes = 0;
  }
}
