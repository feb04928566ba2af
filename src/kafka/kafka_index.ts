/**
 * Kafka's own indexes of a segment, entry for entry as a broker writes them.
 *
 * @module
 */
import type { BatchHeader } from "../batch/format.ts";
import { writeI32, writeI64 } from "../bytes.ts";

/** A broker's default `index.interval.bytes`. */
const INTERVAL_BYTES = 4096;
const OFFSET_ENTRY_BYTES = 8;
const TIME_ENTRY_BYTES = 12;

/** Collects the entries of one segment: batches in order, then {@linkcode KafkaIndex.finish}. */
export class KafkaIndex {
  readonly #base: number;
  readonly #offsets: GrowingBytes = new GrowingBytes();
  readonly #times: GrowingBytes = new GrowingBytes();
  #since = 0;
  #maxTimestamp = -1;
  #maxTimestampOffset: number;
  #lastTimeEntry = -1;

  /** @param base Base offset of the segment: entries are relative to it. */
  constructor(base: number) {
    this.#base = base;
    this.#maxTimestampOffset = base;
  }

  /** The next batch, which begins at `position` of the `.log`. */
  add(header: BatchHeader, position: number): void {
    if (header.maxTimestamp > this.#maxTimestamp) {
      this.#maxTimestamp = header.maxTimestamp;
      this.#maxTimestampOffset = header.lastOffset;
    }
    if (this.#since > INTERVAL_BYTES) {
      const at = this.#offsets.grow(OFFSET_ENTRY_BYTES);
      writeI32(this.#offsets.bytes, at, header.lastOffset - this.#base);
      writeI32(this.#offsets.bytes, at + 4, position);
      this.#addTime();
      this.#since = 0;
    }
    this.#since += header.bytes;
  }

  /** The contents of `.index` and `.timeindex`. Zeros behind the last entry would be taken for entries: there are none. */
  finish(): { index: Uint8Array; timeIndex: Uint8Array } {
    this.#addTime();
    return { index: this.#offsets.content(), timeIndex: this.#times.content() };
  }

  #addTime(): void {
    if (this.#maxTimestamp <= this.#lastTimeEntry) return;
    this.#lastTimeEntry = this.#maxTimestamp;
    const at = this.#times.grow(TIME_ENTRY_BYTES);
    writeI64(this.#times.bytes, at, this.#maxTimestamp);
    writeI32(this.#times.bytes, at + 8, this.#maxTimestampOffset - this.#base);
  }
}

class GrowingBytes {
  bytes: Uint8Array = new Uint8Array(1024);
  #length = 0;

  /** Room for so many more bytes; answers where they begin. */
  grow(bytes: number): number {
    const at = this.#length;
    this.#length += bytes;
    if (this.#length > this.bytes.length) {
      const larger = new Uint8Array(this.bytes.length * 2);
      larger.set(this.bytes);
      this.bytes = larger;
    }
    return at;
  }

  content(): Uint8Array {
    return this.bytes.slice(0, this.#length);
  }
}
