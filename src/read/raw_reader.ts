/**
 * `log.readRaw`: the batches of a shard as they are stored, many at a time.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import { asLogError } from "../errors.ts";
import type { SignalOptions } from "../options.ts";
import type { MaybePromise } from "../vfs.ts";
import { CallQueue } from "./call_queue.ts";
import { firstOffset } from "./opening.ts";
import { type GapEvent, ShardBatches } from "./shard_batches.ts";
import type { ShardView } from "./shard_view.ts";
import { resolveStart } from "./start.ts";
import { waitForMore } from "./wait.ts";

const DEFAULT_BYTES: number = 1024 * 1024;
const MAX_BYTES: number = 64 * 1024 * 1024;

/** Options of `log.readRaw`. */
export interface RawReadOptions extends SignalOptions {
  /** Which shard. Needed where the log has several. */
  shard?: number;
  /** The first record wanted. The batch that has it comes whole, with the records in front of it. @default {"earliest"} */
  from?: number | "earliest" | "latest" | Date;
  /** Bytes of a range, 1–67,108,864. A larger batch is a range of its own. @default {1_048_576} */
  maxBytes?: number;
  /** Waits for more at the end instead of ending. Ends when the log is closed. @default {false} */
  follow?: boolean;
  /** What to do at damaged data: throw `CORRUPT_BATCH`, or tell `onGap` and go on behind it. @default {"stop"} */
  onCorrupt?: "stop" | "skip";
  /** Called for every range of offsets that was passed over. */
  onGap?: (gap: GapEvent) => void;
}

/** Whole batches, one behind the other, as they stand in the log. */
export interface RawRange {
  /** Number of the shard. */
  readonly shard: number;
  /** Offset that the first batch begins with. */
  readonly baseOffset: number;
  /** The offset behind the last batch. */
  readonly nextOffset: number;
  /**
   * Kafka RecordBatches, each checked against its checksum, void and control batches too. They stay as they are for as long as they
   * are held; they must not be written to.
   */
  readonly bytes: Uint8Array;
}

/** The iterator behind `log.readRaw`. */
export class RawReader implements AsyncIterableIterator<RawRange> {
  readonly #view: ShardView;
  readonly #options: RawReadOptions;
  readonly #codecs: Codecs;
  readonly #maxBytes: number;
  readonly #calls = new CallQueue();
  #batches: ShardBatches | undefined = undefined;
  /** The step behind the last range, where it has been taken: it was no part of it. */
  #begun: MaybePromise<boolean> | undefined = undefined;
  #done = false;
  /** Ends the wait of a follower. */
  #wake: (() => void) | undefined = undefined;

  constructor(view: ShardView, options: RawReadOptions, codecs: Codecs) {
    const { maxBytes = DEFAULT_BYTES } = options;
    if (!Number.isSafeInteger(maxBytes) || maxBytes < 1 || maxBytes > MAX_BYTES) {
      throw new RangeError(
        `Cannot read: maxBytes must be a whole number from 1 to ${MAX_BYTES}, not ${String(maxBytes)}`,
      );
    }
    this.#view = view;
    this.#options = options;
    this.#codecs = codecs;
    this.#maxBytes = maxBytes;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<RawRange>> {
    return this.#calls.run(() => this.#next());
  }

  async return(): Promise<IteratorResult<RawRange>> {
    // Calls of next that are under way end first: they use the files that are closed then.
    this.#done = true;
    this.#wake?.();
    await this.#calls.ended();
    await this.#finish();
    return { done: true, value: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  async #next(): Promise<IteratorResult<RawRange>> {
    const { signal, follow } = this.#options;
    try {
      while (!this.#done) {
        signal?.throwIfAborted();
        this.#batches ??= await this.#open();
        const value = await this.#range(this.#batches);
        if (value !== undefined) return { done: false, value };
        if (!follow || !await this.#waitForMore(this.#batches)) break;
      }
    } catch (error) {
      await this.#finish();
      throw signal?.aborted && error === signal.reason ? error : asLogError(error, "read the log");
    }
    await this.#finish();
    return { done: true, value: undefined };
  }

  /** The next batches that lie in memory one behind the other; `undefined` where nothing more is published. */
  async #range(batches: ShardBatches): Promise<RawRange | undefined> {
    const begun = this.#begun ?? batches.next();
    this.#begun = undefined;
    if (!(begun instanceof Promise ? await begun : begun)) return undefined;
    const { bytes, at, header: { baseOffset } } = batches;
    let end = at;
    let nextOffset = baseOffset;
    do {
      end += batches.header.bytes;
      nextOffset = batches.header.lastOffset + 1;
      this.#begun = batches.next();
    } while (this.#begun === true && this.#continues(batches, bytes, at, end));
    // Whoever asks for the next range is told what is wrong with it, and nobody else.
    if (this.#begun instanceof Promise) this.#begun.catch(() => {});
    return { shard: this.#view.id, baseOffset, nextOffset, bytes: bytes.subarray(at, end) };
  }

  /** The batch it stands on lies behind the range, and fits into it. */
  #continues(batches: ShardBatches, bytes: Uint8Array, start: number, end: number): boolean {
    return batches.bytes === bytes && batches.at === end && end + batches.header.bytes - start <= this.#maxBytes;
  }

  async #finish(): Promise<void> {
    this.#done = true;
    const batches = this.#batches;
    const begun = this.#begun;
    this.#batches = this.#begun = undefined;
    try {
      await begun;
    } catch {
      // Nobody asked for it.
    }
    await batches?.close();
  }

  async #open(): Promise<ShardBatches> {
    const view = this.#view;
    const { from = "earliest", onCorrupt, onGap } = this.#options;
    await view.publication.refresh();
    const skips = onCorrupt === "skip";
    const start = await resolveStart(view, from);
    const search = { codecs: this.#codecs, isGivenUp: () => this.#done || this.#options.signal?.aborted === true };
    const offset = start.fromTime === undefined ? start.from : await firstOffset(view, start, search, skips);
    const gap = skips ? onGap ?? (() => {}) : undefined;
    const { floats = false } = start;
    const options = { from: offset, floats, onGap: gap, chunkBytes: this.#maxBytes, pooled: false, all: true };
    return new ShardBatches(view, options);
  }

  #waitForMore(batches: ShardBatches): Promise<boolean> {
    return waitForMore([this.#view], {
      signal: this.#options.signal,
      hasMore: () => batches.reached < this.#view.publication.end.nextOffset,
      isOver: () => this.#done,
      onWait: (wake) => this.#wake = wake,
    });
  }
}
