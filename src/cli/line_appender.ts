/**
 * Makes records of lines and hands them to the shards.
 *
 * @module
 */
import { LogError } from "../errors.ts";
import type { Log } from "../log/log_types.ts";
import { BACKPRESSURE, type Shard } from "../shard/shard_types.ts";
import type { Acknowledgements } from "./acknowledgements.ts";
import { LineSplitter } from "./line_splitter.ts";

/** Records without a key stay on one shard for about a batch, so that batches are large. */
const STAY_BYTES = 64 * 1024;
/** What a shard holds in memory at most, and so what one record can have. */
export const MAX_RECORD_BYTES: number = 8 * 1024 * 1024;

/** Appends the lines of a stream of chunks. */
export class LineAppender {
  readonly #log: Log;
  readonly #separator: Uint8Array | undefined;
  readonly #acks: Acknowledgements | undefined;
  readonly #splitter = new LineSplitter();
  /** One object for all records: a shard copies what it takes. */
  readonly #record: { key: Uint8Array | null; value: Uint8Array } = { key: null, value: new Uint8Array(0) };
  /** The shard of records without a key, how much it got in this turn, and the last offset it gave. */
  #current: Shard;
  #currentBytes = 0;
  #currentOffset = -1;

  constructor(log: Log, separator: Uint8Array | undefined, acks: Acknowledgements | undefined) {
    this.#log = log;
    this.#separator = separator;
    this.#acks = acks;
    this.#current = log.shards.find((shard) => shard.state === "open") ?? log.shards[0];
  }

  /** Lines taken so far. */
  get lines(): number {
    return this.#splitter.lines;
  }

  /** Appends the lines that end in this chunk. */
  async take(chunk: Uint8Array): Promise<void> {
    const splitter = this.#splitter;
    // A view of its own class: slices of a Buffer take twice as long.
    splitter.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length));
    for (let line = splitter.next(); line !== undefined; line = splitter.next()) {
      const waiting = this.#append(line);
      if (waiting !== undefined) await waiting;
    }
    // A line that can be no record is refused before all of it is in memory; a separator and a CR are no part of one.
    if (splitter.pendingBytes > MAX_RECORD_BYTES + (this.#separator?.length ?? 0) + 1) {
      throw tooLarge(splitter.lines + 1, `more than ${MAX_RECORD_BYTES}`);
    }
  }

  /** The input has ended: its last line needs no LF. */
  async end(): Promise<void> {
    const line = this.#splitter.rest();
    if (line !== undefined) await this.#append(line);
  }

  /** Appends one line; a promise where the shard has no room at the moment. */
  #append(line: Uint8Array): Promise<void> | undefined {
    const record = this.#record;
    const separator = this.#separator;
    const at = separator === undefined ? -1 : find(line, separator);
    if (at < 0) {
      record.key = null;
      record.value = line;
    } else {
      record.key = line.subarray(0, at);
      record.value = line.subarray(at + separator!.length);
    }
    const shard = record.key === null ? this.#keylessShard(line.length) : this.#log.shardFor(record.key);
    return this.#hand(shard) ? undefined : this.#handOver(shard);
  }

  /** Hands the record to a shard; false where it has no room. */
  #hand(shard: Shard): boolean {
    let offset;
    try {
      offset = shard.tryAppend(this.#record);
    } catch (error) {
      if (!(error instanceof LogError) || error.code !== "RECORD_TOO_LARGE") throw error;
      const { key, value } = this.#record;
      throw tooLarge(this.#splitter.lines, String((key?.length ?? 0) + value.length), error);
    }
    if (offset === BACKPRESSURE) return false;
    if (shard === this.#current) this.#currentOffset = offset;
    this.#acks?.expect(shard.id);
    return true;
  }

  async #handOver(shard: Shard): Promise<void> {
    do await shard.writable(); while (!this.#hand(shard));
  }

  /** As in Kafka: a shard keeps the records without a key until a batch of it is full or written, then comes the next. */
  #keylessShard(bytes: number): Shard {
    const { shards } = this.#log;
    if (shards.length === 1) return this.#current;
    const isWritten = this.#currentOffset >= 0 && this.#current.written > this.#currentOffset;
    if (this.#currentBytes >= STAY_BYTES || isWritten || this.#current.state !== "open") {
      this.#currentBytes = 0;
      this.#currentOffset = -1;
      for (let step = 1; step <= shards.length; step++) {
        const next = shards[(this.#current.id + step) % shards.length];
        if (next.state !== "open") continue;
        this.#current = next;
        break;
      }
    }
    this.#currentBytes += bytes;
    return this.#current;
  }
}

function tooLarge(line: number, bytes: string, cause?: LogError): LogError {
  const message =
    `Cannot append line ${line}: ${bytes} bytes are too large for one record, which has at most ${MAX_RECORD_BYTES} ` +
    "with everything that belongs to it; the lines before it are kept";
  return new LogError("RECORD_TOO_LARGE", message, { cause });
}

/** Where the separator stands first, or -1. */
function find(line: Uint8Array, separator: Uint8Array): number {
  for (let at = line.indexOf(separator[0]); at >= 0; at = line.indexOf(separator[0], at + 1)) {
    if (at + separator.length > line.length) return -1;
    let i = 1;
    while (i < separator.length && line[at + i] === separator[i]) i++;
    if (i === separator.length) return at;
  }
  return -1;
}
