/**
 * What the writer of a partition is told, and what it refuses.
 *
 * @module
 */
import type { Codecs } from "../../batch/codecs.ts";
import { type BatchHeader, type CodecName, TRANSACTIONAL } from "../../batch/format.ts";
import { LogError } from "../../errors.ts";

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
}

/** Throws where a finished batch is numbered by somebody else: the writer numbers all that it sends. */
export function refuseForeign({ attributes, producerId }: BatchHeader, shard: number): void {
  if ((attributes & TRANSACTIONAL) !== 0) {
    throw new LogError("BATCH_INVALID", "Cannot append a batch: it belongs to another producer's transaction", {
      shard,
    });
  }
  if (producerId < 0) return;
  throw new LogError(
    "UNSUPPORTED",
    "Cannot append a batch with a producer's number on a cluster: this log numbers its batches itself; build it without `producer`",
    { shard },
  );
}

export function tooLargeForTopic(shard: number, bytes: number, limit: number): LogError {
  return new LogError(
    "RECORD_TOO_LARGE",
    `Cannot append to shard ${shard}: a batch of ${bytes} bytes is more than max.message.bytes of the topic, ` +
      `${limit}; split the record, or raise the topic's limit`,
    { shard },
  );
}
