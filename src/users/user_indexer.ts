/**
 * Keeps the user index of a shard that is being written: takes batches as they are committed, and reads back those it missed.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import { type BatchHeader, readHeader } from "../batch/format.ts";
import { isDropped } from "../read/retained.ts";
import { ShardBatches } from "../read/shard_batches.ts";
import type { ShardView } from "../read/shard_view.ts";
import type { WrittenBatches } from "../shard/written_batches.ts";
import type { AppendedKeys, HashedKeys } from "./appended_keys.ts";
import { buildTable } from "./build_table.ts";
import { KeyHasher } from "./key_hash.ts";
import { PostingPool } from "./posting_pool.ts";
import { isPacked, Postings, type Taken } from "./postings.ts";
import type { TableRange } from "./table_format.ts";
import { TableMerger } from "./table_merger.ts";

const READ_BYTES: number = 1024 * 1024;
const READING = { floats: true, onGap: undefined, chunkBytes: READ_BYTES, pooled: false };
/** A tail of the log shorter than this has no table when the log is closed: it is scanned faster than a file is opened. */
const MIN_TABLE_BYTES: number = 256 * 1024;
/** Memory for postings is three quarters of what there is, as much as three tables take. */
const POOL_PART = 3 / 4;
/** The rest is for keys that were appended and not written yet. */
export const KEYS_PART: number = 1 - POOL_PART;
const TABLES_IN_MEMORY = 3;
/** A catch-up of so few offsets is finished when the log is closed, a longer one by the next opening. */
const MAX_LAST_OFFSETS: number = 2 ** 20;
/** Log in which no record has a key may wait for its table so many times as long: the table says nothing but that. */
const KEYLESS_LAG = 4;
const NO_KEYS: HashedKeys = { words: new Int32Array(0), length: 0 };

/** Numbers that bound the index of one shard. */
export interface UserIndexLimits {
  /** Postings in a run, at most. */
  readonly userStride: number;
  /** Memory for postings, in bytes. */
  readonly tableBytes: number;
  /** So much of the log may be in no table. */
  readonly indexLagBytes: number;
}

/** See above. Nothing here fails a commit, or waits for one: an index that cannot be kept ends, and its part of the log is scanned. */
export class UserIndexer {
  /** Why the index ended. */
  failure: unknown = undefined;
  readonly #view: ShardView;
  readonly #codecs: Codecs;
  readonly #limits: UserIndexLimits;
  readonly #hasher: KeyHasher;
  readonly #keys: AppendedKeys;
  readonly #logId: Uint8Array;
  readonly #pool: PostingPool;
  /** A table is made of so many postings: what comes while it is written needs room as well. */
  readonly #tablePostings: number;
  readonly #minTableBytes: number;
  readonly #merger: TableMerger;
  #pending: Postings;
  /** On their way into tables, the oldest first. */
  readonly #frozen: Postings[] = [];
  /** The segment of the newest posting. */
  #segment = -1;
  /** Bytes that went by since the index fell behind. */
  #missedBytes = 0;
  #isBehind = true;
  #isOver = false;
  /** Found at the opening, until somebody needs the index. */
  #tables: readonly TableRange[];
  #cutting: Promise<void> = Promise.resolve();
  #catching: Promise<void> | undefined = undefined;
  /** Tables that are merged when their segment is finished, and the bytes of log they cover. */
  #group: TableRange[] = [];
  #groupBytes = 0;

  /** @param tables Those that stand there: without a hole, from the first offset on that is still there. */
  constructor(
    view: ShardView,
    codecs: Codecs,
    limits: UserIndexLimits,
    earliest: number,
    tables: readonly TableRange[],
    keys: AppendedKeys,
  ) {
    this.#keys = keys;
    const indexed = tables.length === 0 ? earliest : tables[tables.length - 1].next;
    this.#tables = tables;
    this.#view = view;
    this.#codecs = codecs;
    this.#limits = limits;
    this.#logId = view.identity(0).logId;
    this.#hasher = new KeyHasher(this.#logId);
    this.#pool = new PostingPool(limits.tableBytes * POOL_PART);
    this.#tablePostings = Math.floor(this.#pool.capacity / TABLES_IN_MEMORY);
    this.#minTableBytes = Math.min(MIN_TABLE_BYTES, Math.ceil(limits.indexLagBytes / 4));
    this.#merger = new TableMerger(view, limits.userStride);
    this.#pending = new Postings(indexed, this.#pool);
    const { segment, nextOffset, position } = view.publication.end;
    // Records are taken to be as large as those of the last segment.
    this.#missedBytes = Math.max(0, nextOffset - indexed) * (position / Math.max(1, nextOffset - segment));
  }

  /** Postings that may be in no table yet. */
  memory(): readonly Postings[] {
    return [...this.#frozen, this.#pending];
  }

  /** Takes batches that were just written. Never throws. */
  written({ bytes, from, to, segment, position, isKeyless }: WrittenBatches): void {
    if (this.#isOver || this.#catching !== undefined) return;
    for (let at = from; at < to;) {
      const header = readHeader(bytes, at);
      const keys = isKeyless ? NO_KEYS : this.#keys.take(header.baseOffset, header.count);
      if (
        this.#isNext(header) && (keys !== undefined || !isPacked(header)) &&
        this.#take(bytes, at, header, segment, position, keys) === "whole"
      ) {
        this.#isBehind = false;
        at += header.bytes;
        position += header.bytes;
        continue;
      }
      if (this.#isOver) return;
      this.#missedBytes += to - at;
      this.#isBehind = true;
      // Once there is more of it than a reader should scan.
      if (this.#missedBytes >= this.#limits.indexLagBytes / 4) this.wake();
      return;
    }
  }

  /** Reads what it missed, if it missed anything. */
  wake(): void {
    const { end } = this.#view.publication;
    if (this.#isOver || this.#catching !== undefined || !this.#isBehind) return;
    if (this.#pending.next >= end.nextOffset) return;
    this.#catching = this.#catchUp().catch((error) => this.#give(error));
  }

  /** Resolves once everything published by now is in memory or in a table, or the index has ended. */
  async settled(): Promise<void> {
    this.wake();
    await this.#catching;
    await this.#cutting;
    await this.#merger.settled();
  }

  /** The last postings become a table, where they are many. */
  async close(): Promise<void> {
    const isOver = this.#isOver;
    const missing = this.#view.publication.end.nextOffset - this.#pending.next;
    if (missing > MAX_LAST_OFFSETS) this.#isOver = true;
    await this.#catching;
    this.#isOver = true;
    await this.#cutting;
    if (!isOver && this.failure === undefined && this.#pending.logBytes >= this.#minTableBytes) {
      this.#freeze();
      await this.#cutting;
    }
    await this.#merger.close();
  }

  /** Removes a damaged table: the next opening makes it again. */
  remove(range: TableRange): Promise<void> {
    return this.#merger.remove(range);
  }

  #isNext({ baseOffset, lastOffset }: BatchHeader): boolean {
    return baseOffset <= this.#pending.next && this.#pending.next <= lastOffset;
  }

  #take(
    bytes: Uint8Array,
    at: number,
    header: BatchHeader,
    segment: number,
    position: number,
    keys?: HashedKeys,
  ): Taken {
    if (segment !== this.#segment) this.#rolled(segment);
    for (;;) {
      const taken = keys !== undefined
        ? this.#pending.addHashed(header, position, keys)
        : this.#pending.add(bytes, at, header, position, this.#hasher, this.#codecs);
      if (taken === "unknown") this.#give(new Error(`the batch at offset ${header.baseOffset} cannot be decoded`));
      if (taken === "full" && this.#frozen.length === 0) {
        if (this.#freeze()) continue;
        this.#give(new Error(`the batch at offset ${header.baseOffset} has too many offsets`));
      }
      const { count, logBytes } = this.#pending;
      const maxBytes = this.#limits.indexLagBytes * (count === 0 ? KEYLESS_LAG : 1);
      if (count >= this.#tablePostings || logBytes >= maxBytes) this.#freeze();
      return taken;
    }
  }

  /** A segment ended: its tables become one. Segments that are small go together. */
  #rolled(segment: number): void {
    const isFirst = this.#segment < 0;
    this.#segment = segment;
    if (isFirst) this.#resume();
    this.#merger.trim();
    if (isFirst || this.#groupBytes + this.#pending.logBytes < this.#minTableBytes) return;
    this.#freeze();
    this.#merger.merge(this.#group.splice(0), this.#cutting);
    this.#groupBytes = 0;
  }

  /**
   * Lets the postings become a table, once those before have. False where nothing changes. Where tables begin and end depends on what is
   * appended and on the options only, not on how fast they are written, as long as memory is enough.
   */
  #freeze(): boolean {
    const frozen = this.#pending;
    if (frozen.last === undefined || frozen.next === frozen.first) {
      const isMoved = frozen.next > frozen.first;
      frozen.reset(frozen.next);
      return isMoved;
    }
    this.#pending = new Postings(frozen.next, this.#pool);
    this.#frozen.push(frozen);
    this.#group.push({ first: frozen.first, next: frozen.next });
    this.#groupBytes += frozen.logBytes;
    this.#cutting = this.#cutting.then(() => this.#cut(frozen)).catch((error) => this.#give(error));
    return true;
  }

  async #cut(frozen: Postings): Promise<void> {
    if (this.failure !== undefined) return;
    const { vfs, directory, id } = this.#view;
    const { first, next } = frozen;
    const identity = { logId: this.#logId, shard: id, first, next };
    await buildTable(vfs, directory, identity, frozen, this.#limits.userStride, () => this.#frozen.length > 1);
    this.#frozen.shift();
    frozen.reset(next);
  }

  /** Goes on where the last writer ended: tables of one segment that it did not merge any more. */
  #resume(): void {
    const tables = this.#tables;
    this.#tables = [];
    this.#group = tables.filter((table) => table.first >= this.#segment);
    if (this.#group.length > 0) this.#groupBytes = this.#minTableBytes;
    this.#merger.resume(tables.slice(0, tables.length - this.#group.length));
  }

  /** Reads the log from where the index ends to where published data does. */
  async #catchUp(): Promise<void> {
    const view = this.#view;
    while (!this.#isOver && this.#pending.next < view.publication.end.nextOffset) {
      const from = this.#pending.next;
      const batches = new ShardBatches(view, { ...READING, from });
      try {
        for (;;) {
          const step = batches.next();
          if (this.#isOver || !(step instanceof Promise ? await step : step) || this.#isOver) break;
          const { bytes, at, header, place } = batches;
          // Batches without records were passed over.
          this.#pending.advance(header.baseOffset);
          while (this.#take(bytes, at, header, place.segment, place.position) === "full" && !this.#isOver) {
            await this.#cutting;
          }
        }
        if (!this.#isOver) this.#pending.advance(batches.nextOffset);
      } catch (error) {
        const { earliest } = view.publication;
        if (!isDropped(error) || earliest <= this.#pending.next) throw error;
        // The front of the log was dropped meanwhile: it goes on behind that.
        this.#pending.advance(earliest);
      } finally {
        await batches.close();
      }
    }
    this.#missedBytes = 0;
    // At once: the next batch to be written is the next one here.
    this.#catching = undefined;
  }

  /** The index ends here: its readers scan the rest of the log. The next opening tries again. */
  #give(error: unknown): void {
    this.failure ??= error;
    this.#keys.end();
    this.#isOver = true;
    this.#catching = undefined;
  }
}
