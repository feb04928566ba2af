/**
 * The closed list of failures a log reports, apart from a caller's own mistakes (`TypeError`, `RangeError`).
 *
 * @module
 */
import { VfsError } from "./vfs.ts";

/**
 * What went wrong. Test the code, not the message.
 *
 * | code | meaning | what to do |
 * |---|---|---|
 * | `LOCKED` | another writer has the directory | stop it, or open with `readOnly` |
 * | `POISONED` | a write or sync failed: what the disk holds is unknown | reopen the log |
 * | `CLOSED` | the log was closed | open it again |
 * | `READ_ONLY` | opened with `readOnly`, or damaged | see `log.recovery`, `bimiplog verify` |
 * | `NOT_A_LOG` | no log in this directory | check the path |
 * | `FORMAT_TOO_NEW` | written by a newer version | upgrade |
 * | `UNSUPPORTED` | a codec or flag this build cannot read | see the message |
 * | `RECORD_TOO_LARGE` | the record does not fit the buffer limit | split it, or raise `maxBufferPerShard` |
 * | `BATCH_INVALID` | a blob given to `tryAppendBatch` is not a finished batch | build it with `BatchBuilder` |
 * | `CORRUPT_BATCH` | a stored batch fails its checks | `onCorrupt: "skip"`, `bimiplog verify` |
 * | `CORRUPT_FILE` | a file of the log fails its checks | `bimiplog verify` |
 * | `DATA_LOSS` | data that was acknowledged is not there | restore, or open with `acceptDataLoss` |
 * | `OFFSET_OUT_OF_RANGE` | no such offset (any more) | the message names the valid range |
 * | `DISK_FULL` | no space left | free space, reopen |
 * | `CONFLICT` | options disagree with the log, or a condition failed | see the message |
 * | `IO` | the operating system refused | see `cause` |
 */
export type LogErrorCode =
  | "LOCKED"
  | "POISONED"
  | "CLOSED"
  | "READ_ONLY"
  | "NOT_A_LOG"
  | "FORMAT_TOO_NEW"
  | "UNSUPPORTED"
  | "RECORD_TOO_LARGE"
  | "BATCH_INVALID"
  | "CORRUPT_BATCH"
  | "CORRUPT_FILE"
  | "DATA_LOSS"
  | "OFFSET_OUT_OF_RANGE"
  | "DISK_FULL"
  | "CONFLICT"
  | "IO";

/**
 * Which condition failed, beside the code `CONFLICT`. The first three are Kafka's names of its errors 45, 46 and 47.
 *
 * | reason | meaning |
 * |---|---|
 * | `OUT_OF_ORDER_SEQUENCE_NUMBER` | a producer's batch does not follow its last one: a gap, or an overlap |
 * | `DUPLICATE_SEQUENCE_NUMBER` | it lies in front of the producer's last five batches: its offset is not known any more |
 * | `INVALID_PRODUCER_EPOCH` | a later epoch of this producer has written: this one is fenced |
 * | `OFFSET_MISMATCH` | `ifOffset` is not the shard's next offset |
 * | `USER_OFFSET_MISMATCH` | `ifUserOffset` is not the offset of the key's last record |
 */
export type ConflictReason =
  | "OUT_OF_ORDER_SEQUENCE_NUMBER"
  | "DUPLICATE_SEQUENCE_NUMBER"
  | "INVALID_PRODUCER_EPOCH"
  | "OFFSET_MISMATCH"
  | "USER_OFFSET_MISMATCH";

/** Where a failure happened, as far as it is known. */
export interface LogErrorDetails {
  /** Shard number. */
  shard?: number;
  /** Path of the file. */
  file?: string;
  /** Byte in that file. */
  position?: number;
  /** First and last offset concerned, both inclusive. */
  range?: readonly [number, number];
  /** Which condition failed. */
  reason?: ConflictReason;
  /** What a condition expected: a sequence, an epoch or an offset; see {@linkcode LogErrorDetails.reason}. */
  expected?: number;
  /** What there was instead. */
  actual?: number;
  /** The failure behind this one. */
  cause?: unknown;
}

/** A failure of a log. The message says what to do; `code` is stable. */
export class LogError extends Error {
  /** `LogError`. */
  override readonly name: string = "LogError";
  /** What went wrong; stable over versions. */
  readonly code: LogErrorCode;
  /** Shard number, where one is concerned. */
  readonly shard?: number;
  /** Path of the file, where one is concerned. */
  readonly file?: string;
  /** Byte in that file. */
  readonly position?: number;
  /** First and last offset concerned, both inclusive. */
  readonly range?: readonly [number, number];
  /** Which condition failed, beside the code `CONFLICT`; stable over versions. */
  readonly reason?: ConflictReason;
  /** What was expected: a batch's sequence or epoch, `ifOffset`, `ifUserOffset`. */
  readonly expected?: number;
  /** What there was instead. */
  readonly actual?: number;

  /**
   * A failure with its place.
   *
   * @param code One of the closed list.
   * @param message "Cannot <action>: <state>", and what to do.
   * @param details Where it happened.
   */
  constructor(code: LogErrorCode, message: string, details: LogErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    if (details.shard !== undefined) this.shard = details.shard;
    if (details.file !== undefined) this.file = details.file;
    if (details.position !== undefined) this.position = details.position;
    if (details.range !== undefined) this.range = details.range;
    if (details.reason !== undefined) this.reason = details.reason;
    if (details.expected !== undefined) this.expected = details.expected;
    if (details.actual !== undefined) this.actual = details.actual;
  }
}

/** Turns a failed file operation into the log's own error; passes every other error through. */
export function asLogError(error: unknown, action: string, details: LogErrorDetails = {}): Error {
  if (error instanceof LogError) return error;
  if (!(error instanceof VfsError)) return error instanceof Error ? error : new Error(String(error));
  const code: LogErrorCode = error.code === "NO_SPACE" ? "DISK_FULL" : "IO";
  const advice = error.code === "NO_SPACE"
    ? "; free some space and reopen the log"
    : error.code === "TOO_MANY_FILES"
    ? "; raise the limit of open files (ulimit -n)"
    : "";
  return new LogError(code, `Cannot ${action}: ${error.message}${advice}`, {
    file: error.path,
    ...details,
    cause: error,
  });
}
