/**
 * Where the records of one user are: from the tables, from the postings in memory, and by scanning what neither of them covers.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import { isDropped } from "../read/retained.ts";
import { ShardCursor } from "../read/shard_cursor.ts";
import { type LogRecord, StoredRecord } from "../read/stored_record.ts";
import type { PostingChunk } from "./table_file.ts";
import type { TableRange } from "./table_format.ts";
import type { Postings } from "./postings.ts";
import { isIndexFault, type UserTables } from "./user_tables.ts";

/** Offsets that a scan from the newest to the oldest looks through at once: at first, and at most. */
const FIRST_SCAN = 4096;
const MAX_SCAN = 65_536;
/** A scan hands out what it found after so many offsets. */
const FORWARD_SCAN = 4096;
/** A table may vanish between the listing and its opening, because a longer one has come. */
const MAX_LISTINGS = 4;

/** Records of a user in the order of their offsets: where they may be, or themselves. */
export interface Hits {
  readonly offsets: readonly number[];
  /** Where their batches start. */
  readonly positions: readonly number[];
  /** Set where a scan found them: then nothing is left to fetch. */
  readonly records?: readonly LogRecord[];
}

/** The postings in memory of one user, taken at one moment. */
interface Remembered extends TableRange {
  readonly chunk: PostingChunk;
}

/** A stretch of offsets and who knows about it. */
interface Piece extends TableRange {
  readonly table?: TableRange;
  readonly chunk?: PostingChunk;
}

/** One key in one shard. */
export class UserHits {
  readonly #tables: UserTables;
  readonly #key: Uint8Array;
  readonly #codecs: Codecs;
  readonly #memory: () => readonly Postings[];
  readonly #high: number;
  readonly #low: number;
  #floats = false;

  constructor(tables: UserTables, key: Uint8Array, codecs: Codecs, memory: () => readonly Postings[]) {
    this.#tables = tables;
    this.#key = key;
    this.#codecs = codecs;
    this.#memory = memory;
    tables.hasher.hash(key, 0, key.length);
    this.#high = tables.hasher.high;
    this.#low = tables.hasher.low;
  }

  /** True where the cursor stands on a record with the key. */
  matches(bytes: Uint8Array, keyStart: number, keyBytes: number): boolean {
    if (keyBytes !== this.#key.length) return false;
    for (let i = 0; i < keyBytes; i++) if (bytes[keyStart + i] !== this.#key[i]) return false;
    return true;
  }

  /** All hits from `from` to `to` (exclusive), piece by piece from either end. */
  async *hits(from: number, to: number, reverse: boolean): AsyncGenerator<Hits> {
    const pieces = await this.#pieces(from, to);
    if (reverse) pieces.reverse();
    for (const piece of pieces) yield* this.#inPiece(piece, reverse, MAX_LISTINGS);
  }

  /** How many records of the user's hash there are; what no index covers is scanned and counted by key. */
  async count(from: number, to: number): Promise<number> {
    this.#floats = true;
    let count = 0;
    for (const piece of await this.#pieces(from, to)) {
      const whole = piece.table !== undefined && piece.first === piece.table.first && piece.next === piece.table.next;
      const found = whole ? await this.#countIn(piece.table!) : undefined;
      if (found !== undefined) count += found;
      else for await (const { offsets } of this.#inPiece(piece, false, MAX_LISTINGS)) count += offsets.length;
    }
    return count;
  }

  async #countIn(table: TableRange): Promise<number | undefined> {
    const file = await this.#tables.open(table);
    if (file === undefined) return undefined;
    try {
      const entry = await file.find(this.#high, this.#low);
      await this.#tables.check(file);
      return entry?.count ?? 0;
    } catch (error) {
      if (!isIndexFault(error)) throw error;
      this.#tables.distrust(table);
      return undefined;
    } finally {
      await file.close();
    }
  }

  async #pieces(from: number, to: number): Promise<Piece[]> {
    // What is in memory now is in a table by the time these are listed, if it is in memory no longer.
    const memory = this.#remembered();
    return cover(from, to, await this.#tables.list(), memory);
  }

  #remembered(): Remembered[] {
    return this.#memory().map((postings) => {
      const chunk: PostingChunk = { offsets: [], positions: [] };
      postings.visit(this.#high, this.#low, (offset, position) => {
        chunk.offsets.push(offset);
        chunk.positions.push(position);
      });
      return { first: postings.first, next: postings.next, chunk };
    });
  }

  async *#inPiece(piece: Piece, reverse: boolean, listings: number): AsyncGenerator<Hits> {
    if (piece.chunk !== undefined) yield within(piece.chunk, piece);
    else if (piece.table !== undefined) yield* this.#inTable(piece, piece.table, reverse, listings);
    else if (reverse) yield* this.#scanBackward(piece);
    else yield* this.#scanForward(piece, this.#floats);
  }

  /** Falls back to what else covers the rest, where the table is gone or damaged. */
  async *#inTable(piece: Piece, table: TableRange, reverse: boolean, listings: number): AsyncGenerator<Hits> {
    let { first, next } = piece;
    const file = await this.#tables.open(table);
    if (file !== undefined) {
      try {
        const entry = await file.find(this.#high, this.#low);
        await this.#tables.check(file);
        if (entry === undefined) return;
        for await (const chunk of file.chunks(entry, reverse)) {
          const hits = within(chunk, { first, next });
          if (hits.offsets.length > 0) {
            yield hits;
            if (reverse) next = hits.offsets[0];
            else first = hits.offsets[hits.offsets.length - 1] + 1;
          }
          if (reverse ? chunk.offsets[0] < first : chunk.offsets[chunk.offsets.length - 1] >= next) return;
        }
        return;
      } catch (error) {
        if (!isIndexFault(error)) throw error;
        this.#tables.distrust(table);
      } finally {
        await file.close();
      }
    }
    if (first >= next) return;
    const pieces = listings > 0 ? cover(first, next, await this.#tables.list(), []) : [{ first, next }];
    if (reverse) pieces.reverse();
    for (const other of pieces) yield* this.#inPiece(other, reverse, listings - 1);
  }

  /** @param floats What is dropped from the front of the log meanwhile is passed over; else it fails. */
  async *#scanForward({ first, next }: TableRange, floats: boolean): AsyncGenerator<Hits> {
    const { publication } = this.#tables.view;
    for (let from = first; from < next;) {
      try {
        for await (const hits of this.#scanKept({ first: from, next }, floats)) {
          yield hits;
          from = hits.offsets[hits.offsets.length - 1] + 1;
        }
        return;
      } catch (error) {
        if (!floats || !isDropped(error) || publication.earliest <= from) throw error;
        from = publication.earliest;
      }
    }
  }

  async *#scanKept({ first, next }: TableRange, floats: boolean): AsyncGenerator<Hits> {
    const { view } = this.#tables;
    const cursor = new ShardCursor(view, { from: first, floats, codecs: this.#codecs, onGap: undefined });
    try {
      let records: LogRecord[] = [];
      let stop = first + FORWARD_SCAN;
      while (cursor.nextOffset < next) {
        const step = cursor.next();
        if (!(step instanceof Promise ? await step : step)) break;
        const { decoder } = cursor;
        if (decoder.offset >= next) break;
        if (decoder.offset >= stop) {
          if (records.length > 0) yield scanned(records);
          records = [];
          stop = decoder.offset + FORWARD_SCAN;
        }
        if (this.matches(decoder.bytes, decoder.keyStart, decoder.keyBytes)) {
          records.push(new StoredRecord(view.id, decoder));
        }
      }
      if (records.length > 0) yield scanned(records);
    } finally {
      await cursor.close();
    }
  }

  async *#scanBackward({ first, next }: TableRange): AsyncGenerator<Hits> {
    let size = FIRST_SCAN;
    for (let end = next; end > first;) {
      const from = Math.max(first, end - size);
      const parts: Hits[] = [];
      for await (const hits of this.#scanForward({ first: from, next: end }, true)) parts.push(hits);
      yield* parts.reverse();
      end = from;
      size = Math.min(size * 2, MAX_SCAN);
    }
  }
}

function scanned(records: readonly LogRecord[]): Hits {
  return { offsets: records.map((record) => record.offset), positions: [], records };
}

function within({ offsets, positions }: PostingChunk, { first, next }: TableRange): Hits {
  let from = 0;
  let to = offsets.length;
  while (from < to && offsets[from] < first) from++;
  while (to > from && offsets[to - 1] >= next) to--;
  if (from === 0 && to === offsets.length) return { offsets, positions };
  return { offsets: offsets.slice(from, to), positions: positions.slice(from, to) };
}

/** Divides a range into what tables cover, what memory covers, and what has to be scanned. */
function cover(from: number, to: number, tables: readonly TableRange[], memory: readonly Remembered[]): Piece[] {
  const sources: Piece[] = [...tables.map(({ first, next }) => ({ first, next, table: { first, next } })), ...memory];
  sources.sort((a, b) => a.first - b.first || b.next - a.next);
  const pieces: Piece[] = [];
  let at = from;
  for (const source of sources) {
    const first = Math.max(source.first, at);
    const next = Math.min(source.next, to);
    if (first >= next) continue;
    if (first > at) pieces.push({ first: at, next: first });
    pieces.push({ ...source, first, next });
    at = next;
  }
  if (at < to) pieces.push({ first: at, next: to });
  return pieces;
}
