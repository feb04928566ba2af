/**
 * Steps through a partition from its end to its beginning: brokers hand out forwards only, so it reads a stretch at a time.
 *
 * @module
 */
import type { LogRecord } from "../../read/stored_record.ts";
import type { PartitionCursor } from "./partition_cursor.ts";

/** Offsets of the first stretch; the next ones are longer while they stay small. */
const FIRST_STRETCH = 64;
const LONGEST_STRETCH = 65_536;
/** Of a stretch, the end is kept: so much of it, and half of that is left where it becomes more. */
const KEPT_BYTES: number = 4 * 1024 * 1024;
/** What a record takes beside its key and value, about. */
const RECORD_BYTES = 64;

/** Of which partition, and what. */
export interface BackwardOptions {
  readonly partition: number;
  /** First offset wanted. */
  readonly from: number;
  /** Exclusive end. */
  readonly end: number;
  /** Makes a cursor that begins at an offset. */
  readonly cursorAt: (from: number) => PartitionCursor;
}

/** See above. One call at a time. */
export class BackwardPartition {
  readonly partition: number;
  readonly #options: BackwardOptions;
  /** What was read and not handed out, the next one last. */
  #records: LogRecord[] = [];
  /** Everything from here on was read. */
  #end: number;
  #stretch = FIRST_STRETCH;

  constructor(options: BackwardOptions) {
    this.partition = options.partition;
    this.#options = options;
    this.#end = options.end;
  }

  /** The record in front of the last one; `undefined` at the beginning. */
  async next(): Promise<LogRecord | undefined> {
    const { from } = this.#options;
    while (this.#records.length === 0 && this.#end > from) await this.#read(Math.max(from, this.#end - this.#stretch));
    return this.#records.pop();
  }

  async #read(from: number): Promise<void> {
    const end = this.#end;
    const cursor = this.#options.cursorAt(from);
    let kept: LogRecord[] = [];
    let keptBytes = 0;
    this.#end = from;
    for (let record = await cursor.next(end); record !== undefined; record = await cursor.next(end)) {
      kept.push(record);
      keptBytes += sizeOf(record);
      if (keptBytes <= KEPT_BYTES || kept.length === 1) continue;
      kept = kept.slice(kept.length >> 1);
      keptBytes = kept.reduce((sum, record) => sum + sizeOf(record), 0);
      this.#end = kept[0].offset;
    }
    this.#records = kept;
    // A stretch that was cut is read again in smaller ones.
    if (this.#end > from) this.#stretch = Math.max(1, end - this.#end);
    else if (keptBytes < KEPT_BYTES / 4) this.#stretch = Math.min(LONGEST_STRETCH, this.#stretch * 2);
  }
}

function sizeOf(record: LogRecord): number {
  return RECORD_BYTES + (record.key?.length ?? 0) + (record.value?.length ?? 0);
}
