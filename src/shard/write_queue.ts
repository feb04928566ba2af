/**
 * Chunks whose bodies are being written. Several writes of one shard may be in flight, to disjoint ranges of one file whose places
 * are known beforehand; they are finished (rows, anchor, acknowledgement) strictly in order.
 *
 * @module
 */
import type { Body } from "../segment/body_writer.ts";
import type { AppendBuffer } from "./append_buffer.ts";
import { type Chunk, chunkBytes } from "./chunk.ts";
import type { Committer } from "./committer.ts";

/** So many bodies at most: what the threads of the runtimes can work on, and one filled buffer by default. */
const MAX_IN_FLIGHT = 8;
/**
 * Of what triggers a flush, less than this part is not worth a write of its own while another is under way: it waits and goes
 * with what comes next. By default 256 KiB.
 */
const MIN_AHEAD_PART = 1 / 4;

interface Entry {
  readonly chunk: Chunk;
  /** The write of its body; `undefined` where the chunk needs more than one step (first write, roll). */
  readonly body: Body | undefined;
  /** When its writing began. */
  readonly startedMs: number;
}

/** The way from a shard's buffer to its files. */
export class WriteQueue {
  readonly #buffer: AppendBuffer;
  readonly #committer: Committer;
  readonly #minAheadBytes: number;
  #entries: Entry[] = [];

  constructor(buffer: AppendBuffer, committer: Committer, flushBytes: number) {
    this.#buffer = buffer;
    this.#committer = committer;
    this.#minAheadBytes = flushBytes * MIN_AHEAD_PART;
  }

  /** Writes the oldest chunk, or waits for its write, and makes it known. */
  async commitNext(published: () => void): Promise<void> {
    if (this.#entries.length === 0) {
      const owned = this.#committer.checkOwner();
      if (owned !== undefined) await owned;
    }
    // Meanwhile something may have been written ahead.
    if (this.#entries.length === 0) {
      const chunk = this.#buffer.take();
      if (chunk === undefined) throw new Error("there is nothing to write");
      this.#start(chunk);
      this.writeAhead();
    }
    const { chunk, body, startedMs } = this.#entries[0];
    if (body === undefined) await this.#committer.commit(chunk, published, (bytes) => this.#buffer.rolled(bytes));
    else await this.#committer.finish(chunk, body, published);
    this.#committer.telemetry.committed(startedMs);
    this.#entries.shift();
    this.#buffer.release(chunk);
  }

  /** True where the oldest chunk is written already and only has to be made known. */
  get isNextReady(): boolean {
    const body = this.#entries[0]?.body;
    return body !== undefined && this.#committer.isReady(body);
  }

  /** Starts the writes of what is large enough, so that the disk works while the program appends. */
  writeAhead(): void {
    while (this.#entries.length < MAX_IN_FLIGHT) {
      const last = this.#entries[this.#entries.length - 1];
      const chunk = this.#buffer.peek();
      if (chunk === undefined || (last !== undefined && last.body === undefined)) return;
      if (chunkBytes(chunk) < this.#minAheadBytes || !this.#committer.canSubmit(chunk)) return;
      this.#start(this.#buffer.take()!);
    }
  }

  /** After a failure: gives memory back once no write uses it any more. */
  async drain(): Promise<void> {
    for (const { chunk, body } of this.#entries.splice(0)) {
      try {
        await body?.done;
      } catch {
        // The shard is poisoned already.
      }
      this.#buffer.release(chunk);
    }
  }

  #start(chunk: Chunk): void {
    const startedMs = this.#committer.telemetry.nowMs();
    const body = this.#committer.canSubmit(chunk) ? this.#committer.submit(chunk) : undefined;
    this.#entries.push({ chunk, body, startedMs });
  }
}
