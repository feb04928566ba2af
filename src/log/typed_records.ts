/**
 * What a log with a codec takes and hands out.
 *
 * @module
 */
import type { RecordInput } from "../batch/record_input.ts";
import type { LogRecord } from "../read/stored_record.ts";

/** Stands for "no codec": records are bytes. */
export type Untyped = { readonly untyped: unique symbol };

/** A record whose value a codec has made sense of, or will when asked. */
export interface TypedRecord<T> extends LogRecord {
  /**
   * The value, decoded when first asked for; null where the value is null, a tombstone. Reading goes on whatever is in a record: its
   * bytes are still in `value`.
   *
   * @throws {LogError} `UNSUPPORTED` where the codec cannot decode the value, or its schema refuses it; `cause` says why.
   */
  readonly message: T | null;
}

/** A record to append to a log with a codec. */
export interface TypedRecordInput<T> extends Omit<RecordInput, "value"> {
  /** What the codec makes the value of; null is a tombstone. */
  message: T | null;
}

/** What a log hands out: plain records, or those with a `message`. */
export type RecordOf<T> = [T] extends [Untyped] ? LogRecord : TypedRecord<T>;

/** What a log takes. */
export type InputOf<In> = [In] extends [Untyped] ? RecordInput : TypedRecordInput<In>;
