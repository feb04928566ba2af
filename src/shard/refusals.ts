/**
 * Why a shard refuses: the errors and their wording.
 *
 * @module
 */
import { asLogError, LogError } from "../errors.ts";

export function closedError(shard: number): LogError {
  return new LogError("CLOSED", `Cannot use shard ${shard}: the log is closed; open it again`, { shard });
}

/** The caller's mistake: nobody can wait for a record that was never taken. */
export function notHandedOutError(shard: number, offset: number, nextOffset: number): RangeError {
  const known = nextOffset === 0 ? "none so far" : `0 to ${nextOffset - 1}`;
  return new RangeError(`Cannot wait for offset ${String(offset)}: shard ${shard} has handed out ${known}`);
}

export function noOffsetsError(shard: number): LogError {
  return new LogError("OFFSET_OUT_OF_RANGE", `Cannot append to shard ${shard}: its offsets are used up`, { shard });
}

export function tooLargeError(shard: number, bytes: number, limit: number): LogError {
  return new LogError(
    "RECORD_TOO_LARGE",
    `Cannot append to shard ${shard}: ${bytes} bytes are more than its buffer of ${limit}; split the record, or raise ` +
      "maxBufferPerShard (and maxBufferBytes)",
    { shard },
  );
}

/** A lock can get lost while a program stands still: nothing of what it still holds may get in between. */
export function takenOverError(shard: number): LogError {
  return new LogError("LOCKED", `Cannot write shard ${shard}: another writer has taken the log over; reopen it`, {
    shard,
  });
}

/** What a failed write or sync means to those who wait now. */
export function writeError(shard: number, cause: unknown): LogError {
  const error = asLogError(cause, `write shard ${shard}`, { shard });
  if (error instanceof LogError) return error;
  return new LogError("IO", `Cannot write shard ${shard}: ${error.message}`, { shard, cause });
}

/** What it means to those who come later: names the first offset that is not acknowledged. */
export function poisonedError(shard: number, failure: LogError, firstLost: number, nextOffset: number): LogError {
  return new LogError(
    "POISONED",
    `Cannot append to shard ${shard}: an earlier write failed (${failure.message}); records from offset ${firstLost} on ` +
      "are not acknowledged; reopen the log",
    { shard, range: [firstLost, Math.max(firstLost, nextOffset - 1)], cause: failure },
  );
}

/** For a shard that is open for reading only. */
export function readOnlyError(shard: number, why: string): LogError {
  return new LogError("READ_ONLY", `Cannot append to shard ${shard}: ${why}`, { shard });
}
