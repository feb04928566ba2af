/**
 * Gets records whose offsets and batches are known, a few batches ahead.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import { batchFault, headerFault, readHeader } from "../batch/format.ts";
import { RecordDecoder } from "../batch/record_decoder.ts";
import { ShardCursor } from "../read/shard_cursor.ts";
import type { ShardView } from "../read/shard_view.ts";
import { type LogRecord, StoredRecord } from "../read/stored_record.ts";
import { logPath } from "../segment/names.ts";
import { VfsError, type VfsFile } from "../vfs.ts";
import type { Hits, UserHits } from "./user_hits.ts";

/** Batches that are read at the same time. */
const READ_AHEAD = 4;
/** Files kept open; more than batches can be under way. */
const MAX_FILES = 2 * READ_AHEAD;
/** A small batch is whole in the first read. */
const FIRST_BYTES = 4096;

/** Hits in one batch. */
interface Group {
  readonly position: number;
  readonly offsets: number[];
}

/** Checks every batch it reads, and the key of every record: hashes may be equal by chance. */
export class RecordFetcher {
  readonly #view: ShardView;
  readonly #codecs: Codecs;
  readonly #user: UserHits;
  readonly #files = new Map<number, Promise<VfsFile | undefined>>();

  constructor(view: ShardView, codecs: Codecs, user: UserHits) {
    this.#view = view;
    this.#codecs = codecs;
    this.#user = user;
  }

  /** The records of some hits, from either end. */
  async *records(hits: Hits, reverse: boolean, signal: AbortSignal | undefined): AsyncGenerator<LogRecord> {
    if (hits.records !== undefined) {
      yield* reverse ? [...hits.records].reverse() : hits.records;
      return;
    }
    const groups = grouped(hits, await this.#view.bases());
    if (reverse) groups.reverse();
    const ahead: Promise<Uint8Array | undefined>[] = [];
    try {
      for (let i = 0, asked = 0; i < groups.length; i++) {
        signal?.throwIfAborted();
        while (asked < groups.length && asked < i + READ_AHEAD) {
          const batch = this.#batch(groups[asked++]);
          // Whoever fails is asked in its turn.
          batch.catch(() => {});
          ahead.push(batch);
        }
        const bytes = await ahead.shift()!;
        const records = (bytes && this.#decode(bytes, groups[i])) ?? await this.#scan(groups[i], reverse);
        yield* reverse ? records.reverse() : records;
      }
    } finally {
      await Promise.allSettled(ahead);
    }
  }

  async close(): Promise<void> {
    for (const opening of this.#files.values()) await (await opening)?.close();
    this.#files.clear();
  }

  /** The bytes of the intact batch of a group; `undefined` where it is not there. */
  async #batch({ position, offsets }: Group): Promise<Uint8Array | undefined> {
    const base = await this.#view.baseOf(offsets[0]);
    const file = base === undefined ? undefined : await this.#file(base);
    if (file === undefined) return undefined;
    try {
      const head = new Uint8Array(FIRST_BYTES);
      const read = await file.read(head, position);
      if (headerFault(head, 0, Number.MAX_SAFE_INTEGER) !== undefined) return undefined;
      const header = readHeader(head, 0);
      if (header.baseOffset > offsets[0] || header.lastOffset < offsets[offsets.length - 1]) return undefined;
      if (header.bytes > await file.size() - position) return undefined;
      let bytes = head.subarray(0, Math.min(header.bytes, read));
      if (bytes.length < header.bytes) {
        bytes = new Uint8Array(header.bytes);
        bytes.set(head.subarray(0, read));
        await file.read(bytes.subarray(read), position + read);
      }
      return batchFault(bytes, 0, bytes.length) === undefined ? bytes : undefined;
    } catch (error) {
      if (error instanceof VfsError) return undefined;
      throw error;
    }
  }

  #file(base: number): Promise<VfsFile | undefined> {
    let opening = this.#files.get(base);
    if (opening === undefined) {
      opening = this.#open(base);
      this.#files.set(base, opening);
      if (this.#files.size > MAX_FILES) void this.#closeOldest();
    }
    return opening;
  }

  async #open(base: number): Promise<VfsFile | undefined> {
    try {
      return await this.#view.vfs.open(logPath(this.#view.directory, base), "read");
    } catch (error) {
      if (error instanceof VfsError) return undefined;
      throw error;
    }
  }

  async #closeOldest(): Promise<void> {
    const [base, opening] = this.#files.entries().next().value!;
    this.#files.delete(base);
    try {
      await (await opening)?.close();
    } catch {
      // Nothing was written through it.
    }
  }

  /** `undefined` where a record cannot be decoded: an ordinary reader says what is wrong. */
  #decode(bytes: Uint8Array, { offsets }: Group): LogRecord[] | undefined {
    const decoder = new RecordDecoder(bytes, 0, this.#codecs);
    const records: LogRecord[] = [];
    let i = 0;
    while (i < offsets.length && decoder.next()) {
      if (decoder.offset < offsets[i]) continue;
      if (decoder.offset === offsets[i] && this.#user.matches(decoder.bytes, decoder.keyStart, decoder.keyBytes)) {
        records.push(new StoredRecord(this.#view.id, decoder));
      }
      while (i < offsets.length && offsets[i] <= decoder.offset) i++;
    }
    return decoder.fault === undefined ? records : undefined;
  }

  /** The same by the ordinary way: it names damage, and files that are missing. Backwards, what was dropped meanwhile is the end. */
  async #scan({ offsets }: Group, floats: boolean): Promise<LogRecord[]> {
    const wanted = new Set(offsets);
    const to = offsets[offsets.length - 1];
    const records: LogRecord[] = [];
    const cursor = new ShardCursor(this.#view, { from: offsets[0], floats, codecs: this.#codecs, onGap: undefined });
    try {
      while (cursor.nextOffset <= to && await cursor.next()) {
        const { decoder } = cursor;
        if (decoder.offset > to) break;
        const isWanted = wanted.has(decoder.offset) &&
          this.#user.matches(decoder.bytes, decoder.keyStart, decoder.keyBytes);
        if (isWanted) records.push(new StoredRecord(this.#view.id, decoder));
      }
    } finally {
      await cursor.close();
    }
    return records;
  }
}

/** Hits by batch: neighbours with the same place in the same segment. */
function grouped({ offsets, positions }: Hits, bases: readonly number[]): Group[] {
  const groups: Group[] = [];
  let segment = 0;
  for (let i = 0; i < offsets.length; i++) {
    const last = groups[groups.length - 1];
    const isNext = segment + 1 < bases.length && bases[segment + 1] <= offsets[i];
    while (segment + 1 < bases.length && bases[segment + 1] <= offsets[i]) segment++;
    if (last !== undefined && !isNext && last.position === positions[i]) last.offsets.push(offsets[i]);
    else groups.push({ position: positions[i], offsets: [offsets[i]] });
  }
  return groups;
}
