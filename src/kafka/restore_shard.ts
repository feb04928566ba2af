/**
 * Fetches one partition into the segments of a shard, batch for batch as the broker has them.
 *
 * @module
 */
import { batchBytesAt, batchFault, HEADER_BYTES, readHeader } from "../batch/format.ts";
import { LogError } from "../errors.ts";
import { listBases } from "../recovery/inventory.ts";
import { endOfSegment, voidBatch } from "../recovery/rebuild_write.ts";
import { logPath } from "../segment/names.ts";
import type { Vfs, VfsFile } from "../vfs.ts";
import type { KafkaTopic } from "./wire/cluster.ts";
import { brokerError, KafkaError, OFFSET_NOT_AVAILABLE } from "./wire/kafka_error.ts";
import type { Patience } from "./wire/patience.ts";
import { requestFetch, requestOffsets } from "./wire/requests.ts";

const FETCH_BYTES: number = 4 * 1024 * 1024;
/** A broker may answer with nothing only because it has no time now: so often in a row, and there are no batches. */
const EMPTY_FETCHES = 3;

/** What one partition's restore works with. */
export interface ShardRestoreOptions {
  readonly vfs: Vfs;
  readonly directory: string;
  readonly shard: number;
  readonly topic: KafkaTopic;
  readonly patience: Patience;
  readonly segmentBytes: number;
  readonly signal: AbortSignal;
}

/** See above. What an earlier run has fetched is kept. */
export class ShardRestore {
  /** Where the partition began. */
  logStart = 0;
  /** The next offset to fetch. */
  nextOffset = 0;
  /** The partition's end when the restore began. */
  end = 0;
  /** Fetched in this run. */
  records = 0;
  bytes = 0;
  readonly #options: ShardRestoreOptions;
  #file: VfsFile | undefined = undefined;
  #base = 0;
  #position = 0;
  #epoch = 0;
  #isPlaced = false;

  constructor(options: ShardRestoreOptions) {
    this.#options = options;
  }

  /** Fetches everything up to the end of now. */
  async run(): Promise<void> {
    const { topic, patience, signal } = this.#options;
    try {
      for (;;) {
        try {
          await this.#fetchAll();
          await this.#finishSegment();
          return;
        } catch (error) {
          if (signal.aborted) throw signal.reason;
          topic.forget();
          await patience.wait(error);
        }
      }
    } finally {
      await this.#file?.close();
      this.#file = undefined;
    }
  }

  async #fetchAll(): Promise<void> {
    const { topic, shard, signal, patience } = this.#options;
    const place = { topic: topic.topic, partition: shard };
    const connection = await topic.leader(shard);
    const offsets = await requestOffsets(connection, place);
    if (!this.#isPlaced) await this.#begin(offsets.earliest, offsets.end);
    let empty = 0;
    while (this.nextOffset < this.end) {
      signal.throwIfAborted();
      const { bytes, logStart, highWatermark } = await requestFetch(connection, place, this.nextOffset, FETCH_BYTES);
      if (logStart > this.nextOffset) throw this.#removed(logStart);
      const before = this.nextOffset;
      await this.#take(bytes);
      if (this.nextOffset > before) {
        empty = 0;
        patience.succeeded();
      } else if (highWatermark < this.end) {
        // A new leader does not know at once how far the other replicas have come, and shows nothing behind that.
        const details = { shard };
        throw brokerError(OFFSET_NOT_AVAILABLE, `read partition ${shard} of ${topic.topic} up to ${this.end}`, details);
      } else if (++empty >= EMPTY_FETCHES) {
        // Offsets at the end that no batch has any more: they are kept, without records.
        await this.#write(voidBatch(this.nextOffset, this.end, this.#epoch), 0, HEADER_BYTES);
      }
    }
  }

  /** Goes on behind what an earlier run has fetched; a torn tail of it is cut. */
  async #begin(earliest: number, end: number): Promise<void> {
    const { vfs, directory, shard } = this.#options;
    this.end = end;
    const bases = await listBases(vfs, directory);
    const last = bases[bases.length - 1];
    this.logStart = earliest;
    this.nextOffset = earliest;
    if (last !== undefined) {
      const found = (await endOfSegment(vfs, directory, last))!;
      this.#base = last;
      this.#position = found.position;
      this.#file = await vfs.open(logPath(directory, last), "write");
      await this.#file.truncate(found.position);
      if (found.nextOffset > earliest) this.nextOffset = found.nextOffset;
      else if (found.position > 0) throw this.#removed(earliest);
      if (this.nextOffset > end) {
        throw new LogError(
          "CONFLICT",
          `Cannot restore partition ${shard}: it ends at ${end}, and ${this.nextOffset} offsets were fetched before; ` +
            "it is another topic by now: restore into an empty directory",
          { shard },
        );
      }
    }
    this.#isPlaced = true;
  }

  /** Writes the whole batches of a fetch behind each other. */
  async #take(bytes: Uint8Array): Promise<void> {
    const { shard } = this.#options;
    for (let at = 0; at + HEADER_BYTES <= bytes.length;) {
      const size = batchBytesAt(bytes, at);
      // The last one of a fetch may be cut off: it comes whole with the next fetch.
      if (size > bytes.length - at) break;
      const fault = batchFault(bytes, at, bytes.length - at);
      if (fault !== undefined) {
        throw new KafkaError(
          "CORRUPT_BATCH",
          "CORRUPT_MESSAGE",
          2,
          false,
          `Cannot restore partition ${shard}: the batch behind offset ${
            this.nextOffset - 1
          } is damaged on the broker: ${fault}`,
          { shard },
        );
      }
      const header = readHeader(bytes, at);
      if (header.baseOffset >= this.end) break;
      if (header.lastOffset >= this.nextOffset) {
        await this.#write(bytes, at, size);
        this.records += header.count;
      }
      at += size;
    }
  }

  async #write(bytes: Uint8Array, at: number, size: number): Promise<void> {
    const { vfs, directory, segmentBytes } = this.#options;
    const header = readHeader(bytes, at);
    if (this.#file !== undefined && this.#position > 0 && this.#position + size > segmentBytes) {
      await this.#finishSegment();
    }
    if (this.#file === undefined) {
      this.#base = header.baseOffset;
      this.#position = 0;
      this.#file = await vfs.open(logPath(directory, this.#base), "create");
    }
    await this.#file.write(bytes.subarray(at, at + size), this.#position);
    this.#position += size;
    this.#epoch = header.epoch;
    this.nextOffset = header.lastOffset + 1;
    this.bytes += size;
  }

  async #finishSegment(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.sync();
    await file?.close();
  }

  #removed(logStart: number): LogError {
    const { shard } = this.#options;
    return new LogError(
      "OFFSET_OUT_OF_RANGE",
      `Cannot restore partition ${shard}: the broker removed its records ${this.nextOffset} to ${
        logStart - 1
      } meanwhile; ` +
        "restore again, into an empty directory",
      { shard, range: [this.nextOffset, logStart - 1] },
    );
  }
}
