/**
 * The public face of a named producer.
 *
 * @module
 */
import type { RecordInput } from "../batch/record_input.ts";
import type { Rung, SignalOptions } from "../options.ts";
import type { BACKPRESSURE } from "../shard/shard_types.ts";

/** Options of {@linkcode IdempotentProducer} when it is made. */
export interface IdempotentOptions {
  /** The shard it writes to. Needed where the log has several: a name counts its records in each shard on its own. */
  shard?: number;
  /**
   * The number of its next record where the shard does not know the name: what was written before came here by other means, or was
   * forgotten together with its files.
   *
   * @default {0, or an error where the shard cannot tell}
   */
  firstSequence?: number;
}

/** What a single append may say. */
export interface SequenceOptions {
  /**
   * Number of the first of these records, counted from 0 over all lives of the name. Records that are there already, in one of the
   * last five calls and with the same borders, are not written again.
   *
   * @default {the next one}
   */
  sequence?: number;
}

/** Options of {@linkcode IdempotentProducer.append}. */
export interface IdempotentAppendOptions extends SequenceOptions, SignalOptions {
  /** The rung these records are acknowledged on. @default {the log's} */
  durability?: Rung;
}

/**
 * Writes the records of one source, each once. The log remembers under its name how many there are, so whoever opens it after a
 * crash knows where to go on.
 *
 * @example
 * ```ts
 * import { openLog } from "@bimip/log";
 *
 * const lines = ["one", "two", "three"];
 * const log = await openLog("./data/importer-example");
 * const producer = await log.idempotentProducer("importer-7");
 * for (let n = producer.nextSequence; n < lines.length; n++) await producer.append({ value: lines[n] });
 * console.log(producer.nextSequence); // 3, however often this program was killed and started again
 * await log.close();
 * ```
 */
export interface IdempotentProducer {
  /** As it was given. */
  readonly name: string;
  /** Stands in its batches as Kafka's producer id: 2^52 + the first 52 bits of a hash of the name. */
  readonly id: number;
  /** Number of its shard. */
  readonly shard: number;
  /** How many records were taken under the name: the number of the next one. Below 2^46. */
  readonly nextSequence: number;
  /** The number of the last record taken; -1 where there is none. */
  readonly lastSequence: number;
  /** The offset of that record; -1 where there is none, or it is not known. */
  readonly lastOffset: number;
  /**
   * Takes records without waiting, as one batch: after a crash all of them are there or none.
   *
   * @param records One or more, of at most 1,000,000 bytes together unless it is a single one.
   * @returns Offset of the first, also where they were there already; or `BACKPRESSURE`: nothing was taken.
   * @throws {LogError} `CONFLICT` where the sequence does not follow, and those of `tryAppend`.
   * @throws {RangeError} where they are none or too many, or a sequence is out of range.
   */
  tryAppend(
    records: RecordInput | readonly RecordInput[],
    options?: SequenceOptions,
  ): number | typeof BACKPRESSURE;
  /**
   * The same, waiting for room and for the acknowledgement of the last record. Calls are taken in their order.
   *
   * @returns The shard and the offset of the first record.
   * @throws {LogError} as `tryAppend`, and `POISONED`.
   */
  append(
    records: RecordInput | readonly RecordInput[],
    options?: IdempotentAppendOptions,
  ): Promise<{ readonly shard: number; readonly offset: number }>;
}
