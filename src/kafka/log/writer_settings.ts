/**
 * What the writer of a partition is told, and what it refuses.
 *
 * @module
 */
import type { Codecs } from "../../batch/codecs.ts";
import { type BatchHeader, type CodecName, TRANSACTIONAL } from "../../batch/format.ts";
import { LogError } from "../../errors.ts";
import type { ProducerSource } from "./producer_source.ts";

/** What a partition's writer is told. */
export interface WriterSettings {
  readonly id: number;
  readonly earliest: number;
  /** The offset that the next record gets if nobody else writes. */
  readonly nextOffset: number;
  readonly batchBytes: number;
  /** The topic's limit of a batch. */
  readonly maxBatchBytes: number;
  readonly maxBuffer: number;
  readonly flushIntervalMs: number;
  readonly compression: CodecName | undefined;
  readonly codecs: Codecs;
  readonly onError: (error: LogError) => void;
  /** Drops what is below an offset; answers the first one now. */
  readonly trim: (before: number) => Promise<number>;
  /** Where it is found out what those have written that number their batches themselves. */
  readonly producers: ProducerSource;
}

/** Throws where a finished batch belongs to a transaction: its broker knows nothing of that. */
export function refuseTransactional({ attributes }: BatchHeader, shard: number): void {
  if ((attributes & TRANSACTIONAL) === 0) return;
  throw new LogError("BATCH_INVALID", "Cannot append a batch: it belongs to another producer's transaction", { shard });
}

export function tooLargeForTopic(shard: number, bytes: number, limit: number): LogError {
  return new LogError(
    "RECORD_TOO_LARGE",
    `Cannot append to shard ${shard}: a batch of ${bytes} bytes is more than max.message.bytes of the topic, ` +
      `${limit}; split the record, or raise the topic's limit`,
    { shard },
  );
}

/** The caller's mistake: nothing can be trimmed there. */
export function notTrimmableError(shard: number, offset: number, nextOffset: number): RangeError {
  return new RangeError(
    `Cannot trim shard ${shard}: the offset must be a whole number from 0 to ${nextOffset}, not ${String(offset)}`,
  );
}
