/**
 * Steps through the records of one shard, up to what is published at the moment.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import { CONTROL, readHeader } from "../batch/format.ts";
import { RecordDecoder } from "../batch/record_decoder.ts";
import { LogError } from "../errors.ts";
import { BatchScanner } from "../segment/batch_scanner.ts";
import { logPath } from "../segment/names.ts";
import { type MaybePromise, VfsError, type VfsFile } from "../vfs.ts";
import { resync } from "./resync.ts";
import type { ShardView } from "./shard_view.ts";

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
export interface ShardCursorOptions {
  /** First offset wanted. */
  readonly from: number;
  /** Records before the first one with at least this timestamp are passed over. */
  readonly fromTime?: number;
  readonly codecs: Codecs;
  /** Undefined: stop at damage. */
  readonly onGap: ((gap: GapEvent) => void) | undefined;
}

/** Bytes one read asks for: large enough for the disk, small enough that a held record does not hold much. */
const CHUNK_BYTES: number = 256 * 1024;

/** One pass over one shard. Stands on a record after each `next()` that answered true. */
export class ShardCursor {
  readonly view: ShardView;
  readonly #options: ShardCursorOptions;
  /** Offset of the next record wanted. */
  nextOffset: number;
  #fromTime: number | undefined;
  #file: VfsFile | undefined = undefined;
  #base = 0;
  #scanner: BatchScanner | undefined = undefined;
  /** Base offset that the next batch must have. */
  #expected = 0;
  #decoder: RecordDecoder | undefined = undefined;

  constructor(view: ShardView, options: ShardCursorOptions) {
    this.view = view;
    this.#options = options;
    this.nextOffset = options.from;
    this.#fromTime = options.fromTime;
  }

  /** The record it stands on. */
  get decoder(): RecordDecoder {
    return this.#decoder!;
  }

  /** Steps to the next record. False where nothing more is published: it may be called again later. */
  next(): MaybePromise<boolean> {
    return this.nextInMemory() ? true : this.#nextBatch();
  }

  /** Frees the file. */
  async close(): Promise<void> {
    this.#decoder = this.#scanner = undefined;
    const file = this.#file;
    this.#file = undefined;
    try {
      await file?.close();
    } catch (error) {
      // What was read stays read.
      if (!(error instanceof VfsError)) throw error;
    }
  }

  /** Steps to the next record of the batch that is in memory; false at its end. */
  nextInMemory(): boolean {
    const decoder = this.#decoder;
    if (decoder === undefined) return false;
    while (decoder.next()) {
      if (decoder.offset < this.nextOffset) continue;
      if (this.#fromTime !== undefined) {
        if (decoder.timestamp < this.#fromTime) continue;
        this.#fromTime = undefined;
      }
      this.nextOffset = decoder.offset + 1;
      return true;
    }
    return false;
  }

  async #nextBatch(): Promise<boolean> {
    for (;;) {
      const done = this.#decoder;
      this.#decoder = undefined;
      if (done !== undefined) {
        if (done.fault !== undefined) await this.#damaged(done.fault, done.header.baseOffset);
        else this.nextOffset = Math.max(this.nextOffset, done.header.lastOffset + 1);
      }
      if (this.#scanner === undefined && !await this.#openSegment()) return false;
      const scanner = this.#scanner!;
      const step = scanner.next();
      if (!(step instanceof Promise ? await step : step)) {
        if (scanner.fault !== undefined) await this.#damaged(scanner.fault, this.#expected);
        else if (!await this.#atLimit(scanner)) return false;
        continue;
      }
      const header = readHeader(scanner.bytes, scanner.at);
      if (this.view.holes ? header.baseOffset < this.#expected : header.baseOffset !== this.#expected) {
        await this.#damaged(`its base offset is ${header.baseOffset}, not ${this.#expected}`, this.#expected);
        continue;
      }
      this.#expected = header.lastOffset + 1;
      if (header.lastOffset < this.nextOffset || header.count === 0 || (header.attributes & CONTROL) !== 0) {
        this.nextOffset = Math.max(this.nextOffset, this.#expected);
        continue;
      }
      this.#decoder = new RecordDecoder(scanner.bytes, scanner.at, this.#options.codecs);
      if (this.nextInMemory()) return true;
    }
  }

  /** Opens the segment that has the next offset, at the batch that has it. */
  async #openSegment(): Promise<boolean> {
    const { view } = this;
    if (this.nextOffset >= view.publication.end.nextOffset) return false;
    const bases = await view.bases();
    let i = bases.length - 1;
    while (i > 0 && bases[i] > this.nextOffset) i--;
    const base = bases[i];
    if (base === undefined || base > this.nextOffset) {
      // The segment before is missing: what it held is a gap, named as such.
      const first = base ?? view.publication.end.nextOffset;
      this.#gap(
        this.nextOffset,
        first - 1,
        `Cannot read shard ${view.id}: the files with these offsets are missing`,
        0,
      );
      return base !== undefined && await this.#openSegment();
    }
    const index = await view.index(base);
    const limit = await view.limit(base);
    const at = index.samples.findOffset(this.nextOffset);
    const sample = at < 0 ? { position: 0, baseOffset: base } : index.samples.sample(at);
    this.#file = await view.vfs.open(logPath(view.directory, base), "read");
    this.#base = base;
    this.#expected = sample.baseOffset;
    this.#scanner = new BatchScanner(this.#file, sample.position, limit, { chunkBytes: CHUNK_BYTES, reuse: false });
    return true;
  }

  /** The scanner stands at its limit: more of the segment, the next segment, or nothing. */
  async #atLimit(scanner: BatchScanner): Promise<boolean> {
    const { view } = this;
    // Of the time of the limit: meanwhile the segment may have grown, and another one begun.
    const { segment } = view.publication.end;
    const limit = await view.limit(this.#base);
    if (limit > scanner.end) {
      scanner.extend(limit);
      return true;
    }
    if (this.#base === segment) return false;
    const next = (await view.bases()).find((base) => base > this.#base);
    if (next === undefined) return false;
    await this.close();
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
    const found = await resync(view, this.#file!, this.#base, position, scanner.end, from + 1);
    const bases = await view.bases();
    const nextBase = bases.find((base) => base > this.#base) ?? view.publication.end.nextOffset;
    const to = (found?.baseOffset ?? nextBase) - 1;
    const wanted = Math.max(from, this.nextOffset);
    if (to >= wanted) {
      this.#gap(wanted, to, `Cannot read shard ${view.id}: the batch at offset ${from} is damaged: ${fault}`, position);
    }
    this.nextOffset = Math.max(this.nextOffset, to + 1);
    this.#expected = to + 1;
    scanner.skipTo(found?.position ?? scanner.end);
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
