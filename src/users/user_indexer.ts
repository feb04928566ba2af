/**
 * Keeps the user index of a shard that is being written: takes batches as they are committed, and reads back those it missed.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import { type BatchHeader, readHeader } from "../batch/format.ts";
import { ShardBatches } from "../read/shard_batches.ts";
import type { ShardView } from "../read/shard_view.ts";
import type { WrittenBatches } from "../shard/written_batches.ts";
import { VfsError } from "../vfs.ts";
import { buildTable } from "./build_table.ts";
import { KeyHasher } from "./key_hash.ts";
import { mergeTables } from "./merge_tables.ts";
import { isPacked, POSTING_BYTES, Postings, type Taken } from "./postings.ts";
import { tableName, type TableRange } from "./table_format.ts";

const READ_BYTES: number = 1024 * 1024;
const READING = { floats: true, onGap: undefined, chunkBytes: READ_BYTES, pooled: false };
/** A tail of the log shorter than this has no table when the log is closed: it is scanned faster than a file is opened. */
const MIN_TABLE_BYTES: number = 256 * 1024;
const MIN_CAPACITY = 256;
/** A table is begun before memory is full: what comes while it is written needs room as well. */
const FULL_PART = 0.6;
/** A catch-up of so few offsets is finished when the log is closed, a longer one by the next opening. */
const MAX_LAST_OFFSETS: number = 2 ** 20;

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
  readonly #capacity: number;
  readonly #minTableBytes: number;
  readonly #logId: Uint8Array;
  #pending: Postings;
  /** On its way into a table. */
  #frozen: Postings | undefined = undefined;
  #spare: Postings | undefined = undefined;
  /** The segment of the newest posting. */
  #segment = -1;
  /** Bytes that went by since the index fell behind. */
  #missedBytes = 0;
  #isBehind = true;
  #isOver = false;
  /** Found at the opening, until somebody needs the index. */
  #tables: readonly TableRange[];
  readonly #stop = new AbortController();
  #cutting: Promise<void> = Promise.resolve();
  #catching: Promise<void> | undefined = undefined;
  #merging: Promise<void> = Promise.resolve();
  /** Tables that are merged when their segment is finished, and the bytes of log they cover. */
  #group: TableRange[] = [];
  #groupBytes = 0;
  #isMergeDue = false;

  /** @param tables Those that stand there: without a hole, from the first offset on that is still there. */
  constructor(
    view: ShardView,
    codecs: Codecs,
    limits: UserIndexLimits,
    earliest: number,
    tables: readonly TableRange[],
  ) {
    const indexed = tables.length === 0 ? earliest : tables[tables.length - 1].next;
    this.#tables = tables;
    this.#view = view;
    this.#codecs = codecs;
    this.#limits = limits;
    this.#logId = view.identity(0).logId;
    this.#hasher = new KeyHasher(this.#logId);
    this.#capacity = Math.max(MIN_CAPACITY, Math.floor(limits.tableBytes / 2 / POSTING_BYTES));
    this.#minTableBytes = Math.min(MIN_TABLE_BYTES, Math.ceil(limits.indexLagBytes / 4));
    this.#pending = new Postings(indexed, this.#capacity);
    const { segment, nextOffset, position } = view.publication.end;
    // Records are taken to be as large as those of the last segment.
    this.#missedBytes = Math.max(0, nextOffset - indexed) * (position / Math.max(1, nextOffset - segment));
  }

  /** Postings that may be in no table yet. */
  memory(): readonly Postings[] {
    return this.#frozen === undefined ? [this.#pending] : [this.#frozen, this.#pending];
  }

  /** Takes batches that were just written. Never throws. */
  written({ bytes, from, to, segment, position, isKeyless }: WrittenBatches): void {
    if (this.#isOver || this.#catching !== undefined) return;
    for (let at = from; at < to;) {
      const header = readHeader(bytes, at);
      if (
        this.#isNext(header) && !isPacked(header) &&
        this.#take(bytes, at, header, segment, position, isKeyless) === "whole"
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
    await this.#merging;
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
    this.#stop.abort();
    await this.#merging;
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
    isKeyless = false,
  ): Taken {
    if (segment !== this.#segment) this.#rolled(segment);
    for (;;) {
      const taken = isKeyless
        ? this.#pending.pass(header, position)
        : this.#pending.add(bytes, at, header, position, this.#hasher, this.#codecs);
      if (taken === "unknown") this.#give(new Error(`the batch at offset ${header.baseOffset} cannot be decoded`));
      if (taken === "full" && this.#freeze()) continue;
      const { count, logBytes } = this.#pending;
      if (count >= this.#capacity * FULL_PART || logBytes >= this.#limits.indexLagBytes) this.#freeze();
      return taken;
    }
  }

  /** A segment ended: its tables become one. Segments that are small go together. */
  #rolled(segment: number): void {
    const isFirst = this.#segment < 0;
    this.#segment = segment;
    if (isFirst) this.#resume();
    if (isFirst || this.#groupBytes + this.#pending.logBytes < this.#minTableBytes) return;
    this.#isMergeDue = true;
    if (!this.#freeze()) return;
    if (this.#frozen === undefined) this.#mergeGroup();
  }

  /** Begins to write the postings as a table. False where the last ones are still being written. */
  #freeze(): boolean {
    if (this.#frozen !== undefined) return false;
    const frozen = this.#pending;
    if (frozen.last === undefined || frozen.next === frozen.first) {
      frozen.reset(frozen.next);
      return true;
    }
    const next = this.#spare ?? new Postings(frozen.next, this.#capacity);
    this.#spare = undefined;
    next.reset(frozen.next);
    this.#pending = next;
    this.#frozen = frozen;
    this.#cutting = this.#cut(frozen).catch((error) => this.#give(error));
    return true;
  }

  async #cut(frozen: Postings): Promise<void> {
    const { vfs, directory, id } = this.#view;
    const { first, next, logBytes } = frozen;
    try {
      await buildTable(vfs, directory, { logId: this.#logId, shard: id, first, next }, frozen, this.#limits.userStride);
      this.#group.push({ first, next });
      this.#groupBytes += logBytes;
    } finally {
      this.#frozen = undefined;
      this.#spare = frozen;
    }
    if (this.#isMergeDue) this.#mergeGroup();
  }

  /** Goes on where the last writer ended: tables of one segment that it did not merge any more. */
  #resume(): void {
    const tables = this.#tables;
    this.#tables = [];
    this.#group = tables.filter((table) => table.first >= this.#segment);
    if (this.#group.length > 0) this.#groupBytes = this.#minTableBytes;
    if (tables.length - this.#group.length < 2) return;
    this.#merging = this.#merging.then(async () => {
      const bases = await this.#view.bases();
      let group: TableRange[] = [];
      for (const table of tables) {
        const base = bases.findLast((base) => base <= table.first) ?? 0;
        const next = bases.find((other) => other > base);
        if (next === undefined) break;
        if (group.length > 0 && group[0].first < base) group = [];
        if (table.next <= next) group.push(table);
        if (table.next === next && group.length > 1) await this.#merge(group);
      }
    }).catch(() => undefined);
  }

  #mergeGroup(): void {
    const group = this.#group;
    this.#group = [];
    this.#groupBytes = 0;
    this.#isMergeDue = false;
    if (group.length < 2) return;
    // Where it fails, the shorter tables stay and do as well.
    this.#merging = this.#merging.then(() => this.#merge(group)).catch(() => undefined);
  }

  async #merge(group: readonly TableRange[]): Promise<void> {
    const { vfs, directory, id } = this.#view;
    const owner = { logId: this.#logId, shard: id };
    await mergeTables(vfs, directory, owner, group, this.#limits.userStride, this.#stop.signal);
    for (const range of group) await this.remove(range);
  }

  /** Removes a table that is not needed, or damaged: then the next opening makes it again. */
  async remove(range: TableRange): Promise<void> {
    const { vfs, directory } = this.#view;
    try {
      await vfs.remove(`${directory}/${tableName(range)}`);
    } catch (error) {
      // The next opening removes it, where it is not needed.
      if (!(error instanceof VfsError)) throw error;
    }
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
          while (this.#take(bytes, at, header, place.segment, place.position) === "full") await this.#cutting;
        }
        if (!this.#isOver) this.#pending.advance(batches.nextOffset);
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
    this.#isOver = true;
    this.#catching = undefined;
  }
}
