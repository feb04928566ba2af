/**
 * Steps through the batches and records of one partition.
 *
 * @module
 */
import type { Codecs } from "../../batch/codecs.ts";
import { batchBytesAt, batchFault, type BatchHeader, CONTROL, HEADER_BYTES, readHeader } from "../../batch/format.ts";
import { RecordDecoder } from "../../batch/record_decoder.ts";
import { LogError } from "../../errors.ts";
import type { Predicate } from "../../read/filter.ts";
import type { GapEvent } from "../../read/shard_batches.ts";
import { type LogRecord, StoredRecord } from "../../read/stored_record.ts";
import type { KafkaTopic } from "../wire/cluster.ts";
import type { Patience } from "../wire/patience.ts";
import { requestFetch } from "../wire/requests.ts";
import { AbortedTransactions } from "./aborted.ts";

const FETCH_BYTES: number = 1024 * 1024;
/** A fetch waits for half a second: a broker that has nothing for a minute, although it said so, will not have it. */
const MAX_EMPTY_FETCHES = 120;

/** Where and how to read. */
export interface PartitionCursorOptions {
  readonly topic: KafkaTopic;
  readonly partition: number;
  /** First offset wanted. */
  readonly from: number;
  /** Records before the first one with at least this timestamp are passed over. */
  readonly fromTime: number | undefined;
  /** Only records that it wants. */
  readonly matches?: Predicate | undefined;
  /** Hides transactions that were aborted. */
  readonly isCommitted?: boolean;
  /** Control batches and those without records, too. */
  readonly all?: boolean;
  readonly codecs: Codecs;
  readonly patience: Patience;
  /** `undefined`: stop at damage. */
  readonly onGap: ((gap: GapEvent) => void) | undefined;
  /** Told where the partition ends, after each fetch. */
  readonly onEnd?: (end: number) => void;
}

/** A batch in memory that nothing writes to any more. */
export interface FetchedBatch {
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly header: BatchHeader;
}

/** One pass over one partition. One call at a time. */
export class PartitionCursor {
  /** Offset of the next record wanted. */
  nextOffset: number;
  readonly partition: number;
  readonly #options: PartitionCursorOptions;
  #fromTime: number | undefined;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  /** Fetches in a row that brought nothing. */
  #empty = 0;
  #aborted: AbortedTransactions | undefined = undefined;
  #decoder: RecordDecoder | undefined = undefined;

  constructor(options: PartitionCursorOptions) {
    this.#options = options;
    this.partition = options.partition;
    this.nextOffset = options.from;
    this.#fromTime = options.fromTime;
  }

  /** The next record before `end`; `undefined` where there is none, or where `end` is infinite and none came within half a second. */
  async next(end: number): Promise<LogRecord | undefined> {
    for (;;) {
      const record = this.nextInMemory(end);
      if (record !== undefined) return record;
      const decoder = this.#decoder;
      if (decoder !== undefined) this.#leave(decoder);
      const batch = await this.nextBatch(end);
      if (batch === undefined) return undefined;
      this.#decoder = new RecordDecoder(batch.bytes, batch.at, this.#options.codecs);
    }
  }

  /** The next record before `end`, where it lies in the batch of the one before. */
  nextInMemory(end: number): LogRecord | undefined {
    const { matches } = this.#options;
    const decoder = this.#decoder;
    while (decoder?.next()) {
      if (decoder.offset < this.nextOffset) continue;
      if (decoder.offset >= end) {
        // A later end may want it: it is fetched again.
        this.#decoder = undefined;
        this.#forget();
        return undefined;
      }
      this.nextOffset = decoder.offset + 1;
      if (this.#fromTime !== undefined && decoder.timestamp < this.#fromTime) continue;
      this.#fromTime = undefined;
      if (matches === undefined || matches(decoder)) return new StoredRecord(this.partition, decoder);
    }
    return undefined;
  }

  /**
   * The next batch with anything wanted. What is in front of it counts as read; the batch itself does not.
   *
   * @param isInMemory Nothing is fetched.
   */
  async nextBatch(end: number, isInMemory: boolean = false): Promise<FetchedBatch | undefined> {
    for (;;) {
      while (this.#bytes.length - this.#at >= HEADER_BYTES) {
        const at = this.#at;
        const size = batchBytesAt(this.#bytes, at);
        // A broker cuts the last batch off where its limit is; the first one is always whole.
        if (size > this.#bytes.length - at && at > 0) break;
        const fault = batchFault(this.#bytes, at, this.#bytes.length - at);
        if (fault !== undefined) {
          this.#damaged(fault);
          continue;
        }
        const header = readHeader(this.#bytes, at);
        // It stays where it is: a later end may want it.
        if (header.baseOffset >= end) return undefined;
        this.#at += size;
        const isHidden = this.#aborted?.hides(header) ?? false;
        if (header.lastOffset < this.nextOffset) continue;
        const { all = false } = this.#options;
        const isShown = (header.attributes & CONTROL) === 0 && header.count > 0 && !isHidden;
        if (isShown || all) return { bytes: this.#bytes, at, header };
        this.nextOffset = header.lastOffset + 1;
      }
      if (isInMemory || this.nextOffset >= end) return undefined;
      if (await this.#fetch()) this.#empty = 0;
      else if (end === Infinity) return undefined;
      else if (++this.#empty > MAX_EMPTY_FETCHES) throw this.#goneError(end);
    }
  }

  /** Size of the batch that comes next, where it is in memory. */
  get bytesAhead(): number {
    const ahead = this.#bytes.length - this.#at;
    return ahead < HEADER_BYTES ? Infinity : batchBytesAt(this.#bytes, this.#at);
  }

  /** Behind a batch that {@linkcode PartitionCursor.nextBatch} answered. */
  passed({ header }: FetchedBatch): void {
    this.nextOffset = Math.max(this.nextOffset, header.lastOffset + 1);
  }

  #goneError(end: number): LogError {
    const shard = this.partition;
    const { topic } = this.#options.topic;
    return new LogError(
      "DATA_LOSS",
      `Cannot read shard ${shard} of ${topic}: the broker has nothing from offset ${this.nextOffset} on, although it said that ` +
        `the partition ends at ${end}; look at its replicas`,
      { shard, range: [this.nextOffset, end - 1] },
    );
  }

  #leave(decoder: RecordDecoder): void {
    this.#decoder = undefined;
    const { header, fault } = decoder;
    if (fault !== undefined) this.#gap(this.nextOffset, header.lastOffset, fault);
    this.nextOffset = Math.max(this.nextOffset, header.lastOffset + 1);
  }

  /** Only a batch whose length makes sense can be passed over. */
  #damaged(fault: string): void {
    const header = readHeader(this.#bytes, this.#at);
    const follows = header.bytes >= HEADER_BYTES && header.lastOffset >= this.nextOffset;
    this.#gap(this.nextOffset, follows ? header.lastOffset : this.nextOffset, fault);
    this.nextOffset = follows ? header.lastOffset + 1 : this.nextOffset + 1;
    this.#forget();
  }

  #forget(): void {
    this.#bytes = new Uint8Array(0);
    this.#at = 0;
  }

  #gap(from: number, to: number, fault: string): void {
    const { topic, onGap } = this.#options;
    const shard = this.partition;
    const error = new LogError(
      "CORRUPT_BATCH",
      `Cannot read shard ${shard}: the batch with offset ${from} of ${topic.topic} is damaged: ${fault}; read on with ` +
        'onCorrupt: "skip"',
      { shard, range: [from, to] },
    );
    if (onGap === undefined) throw error;
    onGap({ shard, from, to, error });
  }

  async #fetch(): Promise<boolean> {
    const { topic, partition, patience, isCommitted = false, onEnd } = this.#options;
    const place = { topic: topic.topic, partition };
    for (;;) {
      try {
        const leader = await topic.leader(partition);
        const fetched = await requestFetch(leader, place, this.nextOffset, FETCH_BYTES, isCommitted);
        const { bytes, aborted } = fetched;
        patience.succeeded();
        onEnd?.(fetched.highWatermark);
        this.#aborted = isCommitted ? new AbortedTransactions(aborted) : undefined;
        this.#bytes = bytes;
        this.#at = 0;
        return bytes.length > 0;
      } catch (error) {
        topic.forget();
        await patience.wait(error);
      }
    }
  }
}
