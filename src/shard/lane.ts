/**
 * The way of the commonest records into the open batch: as long as it is open, nothing but their size has to be looked at.
 *
 * @module
 */
import type { BatchWriter } from "../batch/batch_writer.ts";
import type { KeyObserver } from "../batch/key_observer.ts";
import { poolViews, type Region } from "../batch/memory_pool.ts";
import { plainKeyStart, putPlain } from "../batch/plain_record.ts";
import { type Now, plainKey, plainValue, type RecordInput } from "../batch/record_input.ts";
import type { Budget } from "./budget.ts";
import type { Triggers } from "./triggers.ts";

/** A shorter lane is not worth opening. */
const MIN_BYTES = 256;
/** A lane reserves at most this part of what the log has left: other shards may not take it meanwhile. */
const BUDGET_PART = 64;

/** Up to here every runtime keeps a whole number as an integer. */
const MAX_SMALL = 0x3fff_ffff;

/** The same number, as an integer where it can be: what was computed or read as a floating point number stays one else, and costs. */
function small(value: number): number {
  return value <= MAX_SMALL ? value | 0 : value;
}

/**
 * A stretch of the open batch. Its bytes were reserved in every limit beforehand, and no trigger can be reached within it, so what goes
 * into it is counted when it closes.
 *
 * While it is open it holds all that an append needs of the batch, and looks at no other object of its shard: where records go to one of
 * many shards after the other, what each of them touches has to fit into the processor's nearest cache. For the same reason its memory
 * is the pool's as a whole, which is one object for all shards.
 */
export class Lane {
  /** Records end before it, in the pool's memory; 0 while the lane is closed. */
  end = 0;
  /** Records of the open batch, while the lane is open. */
  count = 0;
  #position = 0;
  #baseOffset = 0;
  #baseTimestamp = 0;
  /** What the clock said last, in milliseconds; NaN where it was not asked since the lane was opened. */
  #timeMs = NaN;
  /** The same from the batch's time on, a small whole number; -1 where that is far away. */
  #delta = 0;
  /** The largest of them that a record of the lane has. */
  #latest = 0;
  #bytes: Uint8Array;
  #view: DataView;
  /** Where the batch's own memory begins in `#bytes`. */
  #address = 0;
  #hasKeys = false;
  #from = 0;
  #countFrom = 0;
  /** What went through it and was not counted yet. */
  #records = 0;
  #taken = 0;
  readonly #clock: Now;
  readonly #writer: BatchWriter;
  readonly #budget: Budget;
  readonly #account: (bytes: number) => void;
  readonly #keys: KeyObserver | undefined;

  /** @param keys Is told of the keys. */
  constructor(writer: BatchWriter, budget: Budget, account: (bytes: number) => void, clock: Now, keys?: KeyObserver) {
    this.#writer = writer;
    this.#budget = budget;
    this.#account = account;
    this.#clock = clock;
    this.#keys = keys;
    this.#bytes = writer.bytes;
    this.#view = new DataView(writer.bytes.buffer);
  }

  /** Takes a record and answers its offset; -1 where another way has to take it. */
  append(record: RecordInput): number {
    const value = plainValue(record);
    if (value === undefined) return -1;
    const key = plainKey(record);
    const count = this.count;
    const timeMs = this.#clock.now();
    if (timeMs !== this.#timeMs) this.#moveTo(timeMs);
    const delta = this.#delta;
    // Of a closed lane the end is 0, and nothing fits.
    const next = putPlain(this.#bytes, this.#view, this.#position, this.end, key, value, count, delta);
    if (next === 0) return -1;
    if (key !== null) this.#sawKey(next, key.length, value.length);
    this.#position = next;
    this.count = count + 1;
    if (delta > this.#latest) this.#latest = delta;
    return this.#baseOffset + count;
  }

  /**
   * Opens it for what comes next in the open batch, whose first record has the offset `baseOffset`: as long as the batch's memory and the
   * log's budget have room, and `maxBytes`.
   */
  open(maxBytes: number, region: Region, baseOffset: number): void {
    const { position, count, bytes, baseTimestamp } = this.#writer;
    const { used, max } = this.#budget;
    const reserved = Math.min(maxBytes, bytes.length - position, Math.floor((max - used) / BUDGET_PART));
    if (count === 0 || reserved < MIN_BYTES) return;
    this.#use(region);
    this.#from = this.#position = this.#address + position;
    this.#countFrom = this.count = count;
    this.#baseOffset = small(baseOffset);
    this.#baseTimestamp = baseTimestamp;
    this.#timeMs = NaN;
    this.#latest = 0;
    this.#hasKeys = false;
    this.end = this.#position + reserved;
    this.#account(reserved);
  }

  /** Closes it, gives back what it did not use, and counts what went through it since this was asked for last. */
  close(triggers?: Triggers): void {
    if (this.end !== 0) {
      const writer = this.#writer;
      this.#account(this.#position - this.end);
      this.#records += this.count - this.#countFrom;
      this.#taken += this.#position - this.#from;
      this.end = 0;
      writer.position = this.#position - this.#address;
      writer.count = this.count;
      writer.maxTimestamp = Math.max(writer.maxTimestamp, this.#baseTimestamp + this.#latest);
      if (this.#hasKeys) writer.hasKeys = true;
    }
    if (triggers === undefined || this.#records === 0) return;
    triggers.taken(this.#records, this.#taken);
    this.#records = this.#taken = 0;
  }

  #moveTo(timeMs: number): void {
    const delta = timeMs - this.#baseTimestamp;
    this.#timeMs = timeMs;
    this.#delta = delta >= 0 && delta <= MAX_SMALL ? delta | 0 : -1;
  }

  #sawKey(next: number, keyBytes: number, valueBytes: number): void {
    this.#hasKeys = true;
    this.#keys?.key(this.#bytes, plainKeyStart(next, keyBytes, valueBytes), keyBytes, this.count);
  }

  #use({ address, bytes }: Region): void {
    this.#address = Math.max(0, address);
    if (address !== -1) ({ bytes: this.#bytes, view: this.#view } = poolViews());
    else if (this.#bytes !== bytes) {
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    }
  }
}
