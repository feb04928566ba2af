/**
 * Steps through the intact batches of one shard, up to what is published at the moment.
 *
 * @module
 */
import { type BatchHeader, CONTROL, readHeader } from "../batch/format.ts";
import { LogError } from "../errors.ts";
import { isMissing } from "../if_there.ts";
import { BatchScanner } from "../segment/batch_scanner.ts";
import { logPath } from "../segment/names.ts";
import { type MaybePromise, VfsError, type VfsFile } from "../vfs.ts";
import { ReadAhead } from "./read_ahead.ts";
import { MAX_LOOKS, outOfRangeError } from "./retained.ts";
import { resync } from "./resync.ts";
import type { GapEvent, ShardBatchesOptions } from "./shard_batches_types.ts";
import type { ShardView } from "./shard_view.ts";
import { Transactions } from "./transactions.ts";

export type { GapEvent, ShardBatchesOptions };

/** One pass over one shard. Stands on a batch after each `next()` that answered true. */
export class ShardBatches {
  readonly view: ShardView;
  /** Offset of the next record wanted. Whoever takes a batch apart moves it on. */
  nextOffset: number;
  /** Holds the batch from {@linkcode ShardBatches.at}. */
  bytes: Uint8Array = EMPTY;
  at = 0;
  readonly #options: ShardBatchesOptions;
  #header: BatchHeader | undefined = undefined;
  #file: VfsFile | undefined = undefined;
  #source: ReadAhead | undefined = undefined;
  #base = 0;
  #scanner: BatchScanner | undefined = undefined;
  /** Of the last batch that was taken. */
  #epoch = -1;
  /** Base offset that the next batch must have. */
  #expected = 0;
  #floats: boolean;
  /** Defined where records of other transactions than committed ones are hidden. */
  readonly #transactions: Transactions | undefined;

  constructor(view: ShardView, options: ShardBatchesOptions) {
    this.#transactions = options.isolation === "committed" ? new Transactions(view, options.from) : undefined;
    this.view = view;
    this.#options = options;
    this.nextOffset = options.from;
    this.#floats = options.floats;
  }

  /** The header of the batch it stands on. */
  get header(): BatchHeader {
    return this.#header!;
  }

  /** Where the batch it stands on starts: its segment, and the position there. */
  get place(): { readonly segment: number; readonly position: number } {
    return { segment: this.#base, position: this.#scanner!.position };
  }

  /** Exclusive end of what it has gone over, the batch it stands on included. */
  get reached(): number {
    return this.#header === undefined ? this.nextOffset : Math.max(this.nextOffset, this.#header.lastOffset + 1);
  }

  /**
   * Steps to the next batch with wanted records, as far as its header tells. False where nothing more is published: it may be
   * called again later.
   */
  next(): MaybePromise<boolean> {
    this.#leave();
    const scanner = this.#scanner;
    if (scanner === undefined) return this.#nextSlow(undefined);
    for (;;) {
      const step = scanner.next();
      if (step !== true) return this.#nextSlow(step);
      const fault = this.#judge(scanner);
      if (fault !== undefined) return this.#nextSlow(fault);
      if (this.#header !== undefined) return true;
    }
  }

  /** The records of the batch it stands on cannot be decoded: stops, or tells the gap and goes on behind it. */
  async damaged(fault: string): Promise<void> {
    const { baseOffset } = this.header;
    this.#header = undefined;
    await this.#damaged(fault, baseOffset);
  }

  /** Reports offsets of the batch it stands on that cannot be read, where the reader goes on behind them by itself. */
  undecodable(from: number, fault: string): void {
    const { baseOffset, lastOffset } = this.header;
    this.#gap(from, lastOffset, this.#damage(baseOffset, fault), this.#scanner!.position);
  }

  /** Frees the file and the memory. */
  async close(): Promise<void> {
    this.#header = undefined;
    this.#scanner = undefined;
    this.bytes = EMPTY;
    const source = this.#source;
    const file = this.#file;
    this.#file = this.#source = undefined;
    await source?.close();
    try {
      await file?.close();
    } catch (error) {
      // What was read stays read.
      if (!(error instanceof VfsError)) throw error;
    }
  }

  /** Gives the memory back until the next step: for a shard that has nothing more at the moment. */
  async rest(): Promise<void> {
    this.#leave();
    this.bytes = EMPTY;
    await this.#source?.close();
  }

  #leave(): void {
    if (this.#header === undefined) return;
    this.nextOffset = Math.max(this.nextOffset, this.#header.lastOffset + 1);
    this.#header = undefined;
  }

  /** Takes the batch that the scanner stands on, or passes it over. Answers what is wrong with it. */
  #judge(scanner: BatchScanner, hasMarkers = false): string | undefined {
    const header = readHeader(scanner.bytes, scanner.at);
    if (this.view.holes ? header.baseOffset < this.#expected : header.baseOffset !== this.#expected) {
      return `its base offset is ${header.baseOffset}, not ${this.#expected}`;
    }
    const isAborted = this.#transactions === undefined ? false : this.#transactions.hides(header);
    if (isAborted === undefined && !hasMarkers) return MARKERS_NEEDED;
    this.#expected = header.lastOffset + 1;
    this.#epoch = header.epoch;
    const isHidden = header.count === 0 || (header.attributes & CONTROL) !== 0 || isAborted !== false;
    if (header.lastOffset < this.nextOffset || (isHidden && this.#options.all !== true)) {
      this.nextOffset = Math.max(this.nextOffset, this.#expected);
      return undefined;
    }
    this.bytes = scanner.bytes;
    this.at = scanner.at;
    this.#header = header;
    return undefined;
  }

  /** Goes on from a step that was begun, or from a batch with a fault. */
  async #nextSlow(begun: MaybePromise<boolean> | string | undefined): Promise<boolean> {
    for (;;) {
      if (this.#scanner === undefined && !await this.#openSegment()) return false;
      const scanner = this.#scanner!;
      let fault: string | undefined;
      if (typeof begun === "string") fault = begun;
      else {
        const step = begun ?? scanner.next();
        if (step instanceof Promise ? await step : step) fault = this.#judge(scanner);
        else if (scanner.fault !== undefined) fault = scanner.fault;
        else if (!await this.#atLimit(scanner)) return false;
      }
      begun = undefined;
      if (fault === MARKERS_NEEDED) {
        await this.#transactions!.extend();
        fault = this.#judge(scanner, true);
      }
      if (fault !== undefined) await this.#damaged(fault, this.#expected);
      if (this.#header !== undefined) return true;
    }
  }

  /** Opens the segment that has the next offset, at the batch that has it. */
  async #openSegment(): Promise<boolean> {
    const { view } = this;
    for (let looks = 1;; looks++) {
      if (this.nextOffset >= view.publication.end.nextOffset) return false;
      this.#assertKept();
      const base = await view.baseOf(this.nextOffset);
      if (base !== undefined && base <= this.nextOffset) {
        try {
          return await this.#open(base);
        } catch (error) {
          if (looks === MAX_LOOKS || !isMissing(error)) throw error;
        }
      } else if (looks > 1) return await this.#passMissing(base);
      // It may have been dropped just now; the log start says so then.
      await view.refresh();
    }
  }

  /** Nothing below the log start is read, but for what stands in a file that is open. */
  #assertKept(): void {
    const { earliest } = this.view.publication;
    if (this.nextOffset >= earliest) return;
    if (!this.#floats) throw outOfRangeError(this.view, this.nextOffset);
    this.nextOffset = earliest;
  }

  /** No segment has the next offset: what was there is a gap, named as such. */
  async #passMissing(base: number | undefined): Promise<boolean> {
    const { view } = this;
    const first = base ?? view.publication.end.nextOffset;
    this.#gap(
      this.nextOffset,
      first - 1,
      `Cannot read shard ${view.id}: the files with these offsets are missing`,
      0,
    );
    return base !== undefined && await this.#openSegment();
  }

  async #open(base: number): Promise<boolean> {
    const { view } = this;
    const index = await view.index(base);
    const limit = await view.limit(base);
    const at = index.samples.findOffset(this.nextOffset);
    const sample = at < 0 ? { position: 0, baseOffset: base } : index.samples.sample(at);
    const file = await view.vfs.open(logPath(view.directory, base), "read");
    const { chunkBytes, pooled } = this.#options;
    const source = new ReadAhead(file, { chunkBytes, pooled });
    this.#file = file;
    this.#source = source;
    this.#base = base;
    this.#expected = sample.baseOffset;
    this.#scanner = new BatchScanner(file, sample.position, limit, { chunkBytes, reuse: pooled, source });
    this.#floats = false;
    return true;
  }

  /** The scanner stands at its limit: more of the segment, the next segment, or nothing. */
  async #atLimit(scanner: BatchScanner): Promise<boolean> {
    const { view } = this;
    // Of the time of the limit: meanwhile the segment may have grown, and another one begun.
    const { segment } = view.publication.end;
    const limit = await view.limit(this.#base, this.#file);
    if (limit > scanner.end) {
      scanner.extend(limit);
      return true;
    }
    if (this.#base === segment) return false;
    const next = (await view.bases()).find((base) => base > this.#base);
    if (next === undefined) return false;
    await this.close();
    if (next > this.nextOffset) {
      await view.refresh();
      this.#assertKept();
    }
    if (next > this.#expected && !view.holes) {
      const missing = `Cannot read shard ${view.id}: segment ${this.#base} ends early`;
      if (next > this.nextOffset) this.#gap(this.nextOffset, next - 1, missing, scanner.end);
    }
    this.nextOffset = Math.max(this.nextOffset, next);
    return this.nextOffset < view.publication.end.nextOffset;
  }

  /** A batch is damaged: stops, or tells the gap and goes on behind it. */
  async #damaged(fault: string, from: number): Promise<void> {
    const { view } = this;
    const scanner = this.#scanner!;
    const position = scanner.position;
    const found = await resync(view, this.#file!, this.#base, position, scanner.end, from + 1, this.#epoch);
    const bases = await view.bases();
    const nextBase = bases.find((base) => base > this.#base) ?? view.publication.end.nextOffset;
    const to = (found?.baseOffset ?? nextBase) - 1;
    const wanted = Math.max(from, this.nextOffset);
    if (to >= wanted) this.#gap(wanted, to, this.#damage(from, fault), position);
    this.nextOffset = Math.max(this.nextOffset, to + 1);
    this.#expected = to + 1;
    scanner.skipTo(found?.position ?? scanner.end);
  }

  #damage(from: number, fault: string): string {
    return `Cannot read shard ${this.view.id}: the batch at offset ${from} is damaged: ${fault}`;
  }

  /** Reports offsets that cannot be read, or throws where the reader wants to stop there. */
  #gap(from: number, to: number, message: string, position: number): void {
    const file = logPath(this.view.directory, this.#base);
    const error = new LogError(
      "CORRUPT_BATCH",
      `${message} (offsets ${from} to ${to}, ${file}, position ${position}); read on with onCorrupt: "skip"`,
      { shard: this.view.id, file, position, range: [from, to] },
    );
    if (this.#options.onGap === undefined) throw error;
    this.#options.onGap({ shard: this.view.id, from, to, error });
    this.nextOffset = to + 1;
  }
}

const EMPTY = new Uint8Array(0);
/** No fault: what became of the batch's transaction has to be looked up first. */
const MARKERS_NEEDED = "its transaction's end is not known yet";
