/**
 * Where a partition's records become batches: numbers are given out here.
 *
 * @module
 */
import { BatchBuilder } from "../../batch/batch_builder.ts";
import type { RecordInput } from "../../batch/record_input.ts";
import type { Failure } from "../../claims/claim_block.ts";
import type { NumberedBatch } from "./partition_producers.ts";
import type { Sealed } from "./send_queue.ts";
import { tooLargeForTopic, type WriterSettings } from "./writer_settings.ts";

/** Notes a numbered batch under the number that its first record has here. */
export type Note = (first: number) => NumberedBatch;

/** See above. Who asks has looked for room. */
export interface Intake {
  /** Exclusive end of the numbers that were given out. */
  readonly end: number;
  /** Exclusive end of those whose batches were handed over. */
  readonly sealed: number;
  /** Bytes taken on this thread and not yet in a sealed batch. */
  readonly bytes: number;
  /** Others have to move first. */
  readonly isCrowded: boolean;
  /** Takes a record and answers its number. */
  append(record: RecordInput): number;
  /** Takes a checked batch of `count` records and answers the number of the first; `note` is told it where a producer has numbered it. */
  appendBatch(batch: Uint8Array, count: number, note?: Note): number;
  /** Hands over what was taken. */
  seal(): void;
  /** Goes on with the number `to` instead of `from`; false where `from` was given out meanwhile. */
  skip(from: number, to: number): boolean;
  /** Everything before `end` is acknowledged. */
  acknowledged(end: number): void;
  /** Nothing more is taken, and what was not acknowledged is given up. */
  stop(failure: Failure): void;
}

/** Of this thread only. */
export class OwnIntake implements Intake {
  end: number;
  readonly isCrowded = false;
  readonly #settings: WriterSettings;
  readonly #enqueue: (batch: Sealed) => void;
  readonly #builder: BatchBuilder;

  constructor(settings: WriterSettings, enqueue: (batch: Sealed) => void) {
    this.end = settings.nextOffset;
    this.#settings = settings;
    this.#enqueue = enqueue;
    const { batchBytes: maxBytes, compression, codecs } = settings;
    this.#builder = new BatchBuilder({ maxBytes, codecs, ...(compression === undefined ? {} : { compression }) });
  }

  get bytes(): number {
    return this.#builder.count > 0 ? this.#builder.byteLength : 0;
  }

  append(record: RecordInput): number {
    const builder = this.#builder;
    if (!builder.add(record)) {
      this.seal();
      builder.add(record);
    }
    const { id, batchBytes, maxBatchBytes } = this.#settings;
    if (builder.byteLength > maxBatchBytes) {
      // It is alone: nothing else may exceed the size of a batch.
      const { length } = builder.finish();
      throw tooLargeForTopic(id, length, maxBatchBytes);
    }
    const taken = this.end++;
    if (builder.byteLength >= batchBytes) this.seal();
    return taken;
  }

  get sealed(): number {
    return this.end - this.#builder.count;
  }

  appendBatch(bytes: Uint8Array, count: number, note?: Note): number {
    this.seal();
    const first = this.end;
    this.end += count;
    this.#enqueue({ bytes, count, first, numbered: note?.(first) });
    return first;
  }

  seal(): void {
    const { count } = this.#builder;
    if (count > 0) this.#enqueue({ bytes: this.#builder.finish(), count, first: this.end - count });
  }

  skip(from: number, to: number): boolean {
    if (this.end !== from) return false;
    this.end = to;
    return true;
  }

  acknowledged(): void {}

  stop(): void {}
}
