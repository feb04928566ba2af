/**
 * Steps through the batches and records of one partition.
 *
 * @module
 */
import type { Codecs } from "../../batch/codecs.ts";
import { batchBytesAt, batchFault, type BatchHeader, CONTROL, HEADER_BYTES, readHeader } from "../../batch/format.ts";
import { RecordDecoder } from "../../batch/record_decoder.ts";
import { LogError } from "../../errors.ts";
import type { GapEvent } from "../../read/shard_batches.ts";
import { type LogRecord, StoredRecord } from "../../read/stored_record.ts";
import type { KafkaTopic } from "../wire/cluster.ts";
import type { Patience } from "../wire/patience.ts";
import { requestFetch } from "../wire/requests.ts";

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
  readonly codecs: Codecs;
  readonly patience: Patience;
  /** `undefined`: stop at damage. */
  readonly onGap: ((gap: GapEvent) => void) | undefined;
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
      const decoder = this.#decoder;
      while (decoder?.next()) {
        if (decoder.offset < this.nextOffset) continue;
        if (decoder.offset >= end) return undefined;
        this.nextOffset = decoder.offset + 1;
        if (this.#fromTime !== undefined && decoder.timestamp < this.#fromTime) continue;
        this.#fromTime = undefined;
        return new StoredRecord(this.partition, decoder);
      }
      if (decoder !== undefined) this.#leave(decoder);
      const batch = await this.nextBatch(end);
      if (batch === undefined) return undefined;
      this.#decoder = new RecordDecoder(batch.bytes, batch.at, this.#options.codecs);
    }
  }

  /** The next batch with anything wanted. What is in front of it counts as read; the batch itself does not. */
  async nextBatch(end: number): Promise<FetchedBatch | undefined> {
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
        this.#at += size;
        if (header.lastOffset < this.nextOffset) continue;
        if (header.baseOffset >= end) return undefined;
        if ((header.attributes & CONTROL) === 0 && header.count > 0) return { bytes: this.#bytes, at, header };
        this.nextOffset = header.lastOffset + 1;
      }
      if (this.nextOffset >= end) return undefined;
      if (await this.#fetch()) this.#empty = 0;
      else if (end === Infinity) return undefined;
      else if (++this.#empty > MAX_EMPTY_FETCHES) throw this.#goneError(end);
    }
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
    const { topic, partition, patience } = this.#options;
    for (;;) {
      try {
        const leader = await topic.leader(partition);
        const { bytes } = await requestFetch(leader, { topic: topic.topic, partition }, this.nextOffset, FETCH_BYTES);
        patience.succeeded();
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
