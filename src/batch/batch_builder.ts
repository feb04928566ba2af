/**
 * Packages records into a ready-to-write blob anywhere: in a worker, on a client, in a test.
 *
 * @module
 */
import { BatchWriter } from "./batch_writer.ts";
import type { Codecs } from "./codecs.ts";
import { compressorFor } from "./compressor.ts";
import { noteFinished } from "./finished_blobs.ts";
import { type CodecName, HEADER_BYTES } from "./format.ts";
import { checkProducer, nextSequence, type ProducerOfBatch, stampProducer } from "./producer_fields.ts";
import { PreparedRecord, type RecordInput } from "./record_input.ts";

/** Options of {@linkcode BatchBuilder}. */
export interface BatchBuilderOptions {
  /**
   * Size at which the builder is full, in bytes, 61–1,073,741,824. A single record may exceed it.
   *
   * @default {65_536}
   */
  maxBytes?: number;
  /**
   * Who produces the batches, and the sequence of the first one: they are numbered from there, and a shard takes each of them once.
   * See `docs/exactly_once.md`.
   *
   * @default {nobody}
   */
  producer?: ProducerOfBatch;
  /**
   * How the records of a batch are compressed when it is finished. `maxBytes` counts them as they are before. Records that would not
   * become smaller stay as they are, and the batch says so.
   *
   * @default {"none"}
   */
  compression?: CodecName;
  /** Where codecs come from. @default {the running runtime's own, with those of the packages `lz4-napi` and `snappy`} */
  codecs?: Codecs;
}

/**
 * Builds one Kafka RecordBatch after another. The offset of a record in it is 0, 1, …; the log patches base offset and
 * epoch when it takes the blob.
 *
 * @example
 * ```ts
 * import { BatchBuilder } from "@bimip/log";
 *
 * const batch = new BatchBuilder();
 * batch.add({ key: "alice", value: "hi", timestamp: Date.now() });
 * const blob = batch.finish();
 * console.log(blob.length > 61); // true
 * ```
 */
export class BatchBuilder {
  readonly #maxBytes: number;
  readonly #writer: BatchWriter;
  readonly #record = new PreparedRecord();
  #producer: ProducerOfBatch | undefined;

  /**
   * An empty builder.
   *
   * @param options See {@linkcode BatchBuilderOptions}.
   * @throws {RangeError} where `maxBytes` or a field of `producer` is out of range, or there is no such codec.
   * @throws {LogError} `UNSUPPORTED` where the codec is not available here.
   */
  constructor(options: BatchBuilderOptions = {}) {
    const maxBytes = options.maxBytes ?? 65_536;
    if (!Number.isSafeInteger(maxBytes) || maxBytes < HEADER_BYTES || maxBytes > 1_073_741_824) {
      throw new RangeError(`Cannot build batches: maxBytes must be 61 to 1073741824, not ${String(maxBytes)}`);
    }
    this.#maxBytes = maxBytes;
    this.#producer = options.producer === undefined ? undefined : checkProducer(options.producer);
    this.#writer = new BatchWriter(compressorFor(options.compression, "build batches", options.codecs));
    this.#writer.begin(new Uint8Array(Math.min(maxBytes, 4096)), 0);
  }

  /** Records in the batch so far. */
  get count(): number {
    return this.#writer.count;
  }

  /** Sequence of the next batch's first record; `undefined` without a `producer`. */
  get sequence(): number | undefined {
    return this.#producer?.sequence;
  }

  /** Bytes of the batch so far, header included. */
  get byteLength(): number {
    return this.#writer.size;
  }

  /**
   * Adds a record.
   *
   * @param record Its timestamp defaults to now.
   * @returns False where the batch is full: nothing was taken; call {@linkcode BatchBuilder.finish} and add it again.
   * @throws {TypeError} where a field has a wrong type.
   * @throws {RangeError} where the timestamp is out of range.
   * @throws {LogError} `RECORD_TOO_LARGE` above 512 MiB.
   */
  add(record: RecordInput): boolean {
    this.#record.prepare(record, Date);
    const writer = this.#writer;
    const needed = writer.size + writer.measure(this.#record);
    if (writer.count > 0 && (needed > this.#maxBytes || !writer.hasRoomForCount)) return false;
    if (needed > writer.bytes.length) {
      writer.moveTo(new Uint8Array(Math.max(needed, Math.min(this.#maxBytes, writer.bytes.length * 2))), 0);
    }
    writer.put(this.#record);
    return true;
  }

  /**
   * Finishes the batch; the builder is empty again.
   *
   * @returns A ready-to-write blob in memory of its own.
   * @throws {RangeError} where the batch has no record.
   */
  finish(): Uint8Array {
    const writer = this.#writer;
    if (writer.count === 0) throw new RangeError("Cannot finish a batch: it has no record; add one first");
    writer.seal(0, 0);
    const blob = writer.bytes.slice(0, writer.position);
    if (this.#producer !== undefined) {
      stampProducer(blob, 0, this.#producer);
      const { id, epoch, sequence } = this.#producer;
      this.#producer = { id, epoch, sequence: nextSequence(sequence, writer.count) };
    }
    noteFinished(blob, writer.hasKeys);
    this.#record.release();
    writer.begin(writer.bytes, 0);
    return blob;
  }
}
