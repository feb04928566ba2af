/**
 * Where a partition's records become batches once workers append to it: they claim numbers beside this thread, and publish batches in
 * memory that both share.
 *
 * @module
 */
import { systemClock } from "../../../adapters/system.ts";
import { compressorFor } from "../../batch/compressor.ts";
import { HEADER_BYTES, LOG_APPEND_TIME, readHeader, TRANSACTIONAL } from "../../batch/format.ts";
import { releaseRegion } from "../../batch/memory_pool.ts";
import { PreparedRecord, type RecordInput } from "../../batch/record_input.ts";
import { ClaimBlock, type Failure } from "../../claims/claim_block.ts";
import type { Chunk } from "../../shard/chunk.ts";
import { ClaimQueue } from "../../shard/claim_queue.ts";
import { OwnClaims } from "../../shard/own_claims.ts";
import type { Shared, SharingContext } from "../../shard/shareable.ts";
import type { Intake, Note } from "./intake.ts";
import type { NumberedBatch } from "./partition_producers.ts";
import type { Sealed } from "./send_queue.ts";
import { tooLargeForTopic, type WriterSettings } from "./writer_settings.ts";

/** Brokers write their own into every batch. */
const EPOCH = 0;
const NOTHING = new Uint8Array(0);

/** What it needs of its partition. */
export interface SharedIntakeParts {
  readonly settings: WriterSettings;
  /** The next number. */
  readonly end: number;
  readonly context: SharingContext;
  readonly enqueue: (batch: Sealed) => void;
  /** Something was taken over, or may be. */
  readonly onCollected: () => void;
}

/** See above. Batches come in the order of the claims, whoever made them. */
export class SharedIntake implements Intake, Shared {
  readonly claims: ClaimBlock;
  readonly queue: ClaimQueue;
  readonly #parts: SharedIntakeParts;
  readonly #own: OwnClaims;
  readonly #record = new PreparedRecord();
  /** Batches of this thread that wait for others in front of them, by their first number. */
  readonly #numbered = new Map<number, NumberedBatch>();
  /** This thread's, in the open claim and in those that wait for others in front of them. */
  #bytes = 0;
  /** Those in the open claim. */
  #openBytes = 0;

  constructor(parts: SharedIntakeParts) {
    this.#parts = parts;
    const { settings: { id: shard, batchBytes, compression, codecs }, context, end } = parts;
    const { leaseMs, producer, onInvalid } = context;
    this.claims = ClaimBlock.create(end, EPOCH, end);
    const compressor = compressorFor(compression, "append to a cluster", codecs);
    const account = (bytes: number): void => void (this.#bytes += bytes);
    this.#own = new OwnClaims(this.claims, batchBytes, batchBytes, account, 0, compressor);
    this.queue = new ClaimQueue({
      ...{ shard, claims: this.claims, own: this.#own, clock: systemClock, leaseMs, producer, onInvalid },
      refusedAttributes: TRANSACTIONAL | LOG_APPEND_TIME,
      onDue: () => this.collect(),
    }, []);
  }

  get end(): number {
    return this.claims.offsetOf(this.claims.load());
  }

  get sealed(): number {
    return this.queue.readyEnd;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isCrowded(): boolean {
    return this.queue.isCrowded;
  }

  append(record: RecordInput): number {
    const { id, batchBytes, maxBatchBytes } = this.#parts.settings;
    const own = this.#own;
    this.#record.prepare(record, Date);
    let bytes = own.measure(this.#record);
    if (this.#openBytes > 0 && this.#openBytes + bytes > batchBytes) {
      this.seal();
      bytes = own.measure(this.#record);
    }
    if (this.#openBytes === 0 && bytes + HEADER_BYTES > maxBatchBytes) {
      throw tooLargeForTopic(id, bytes + HEADER_BYTES, maxBatchBytes);
    }
    const [run, before] = [own.open, this.#bytes];
    const number = own.append(this.#record);
    this.#openBytes = (own.open === run ? this.#openBytes : 0) + this.#bytes - before;
    if (this.#openBytes >= batchBytes) this.seal();
    return number;
  }

  appendBatch(batch: Uint8Array, count: number, note?: Note): number {
    this.#own.finish();
    const first = this.#own.appendBlob(batch, count);
    if (note !== undefined) this.#numbered.set(first, note(first));
    this.seal();
    return first;
  }

  seal(): void {
    this.#openBytes = 0;
    this.#own.finish();
    this.#record.release();
    this.collect();
  }

  /** Takes over what was claimed and published, as far as it is its turn. */
  collect(): void {
    this.queue.collect();
    for (const chunk of this.queue.ready.splice(0)) this.#take(chunk);
    this.#parts.onCollected();
  }

  skip(from: number, to: number): boolean {
    const word = this.claims.load();
    // All that was claimed is written; what is added belongs to nobody.
    if (this.claims.offsetOf(word) !== from || !this.claims.extend(word, BigInt(to - from))) return false;
    this.queue.readyEnd = to;
    return true;
  }

  acknowledged(end: number): void {
    if (end <= this.claims.base) return;
    this.claims.setReached("os", end);
    this.claims.setReached("disk", end);
    this.#parts.context.progressed();
  }

  /** Nobody claims any more; resolves once everything claimed was taken over, after the lease at the latest. */
  async close(): Promise<void> {
    this.claims.close();
    const settled = this.queue.settled();
    this.collect();
    await settled;
    this.collect();
  }

  stop(failure: Failure): void {
    this.claims.stop(failure);
    for (const { region } of this.queue.discard()) releaseRegion(region);
    this.#parts.context.progressed();
  }

  #take(chunk: Chunk): void {
    const { region: { bytes: memory }, from, sealed } = chunk;
    const isForeign = this.queue.isForeign(chunk);
    const isVoid = readHeader(memory, from).count === 0;
    for (let at = from; at < sealed;) {
      const { baseOffset: first, lastOffset, bytes } = readHeader(memory, at);
      const count = lastOffset - first + 1;
      const end = at + bytes;
      if (isVoid) this.#parts.enqueue({ bytes: NOTHING, count, first, isForeign });
      else if (isForeign) {
        const release = end < sealed ? {} : { release: () => void this.queue.release(chunk) };
        this.#parts.enqueue({ bytes: memory.subarray(at, end), count, first, isForeign, ...release });
      } else {
        const numbered = this.#numbered.get(first);
        this.#numbered.delete(first);
        this.#parts.enqueue({ bytes: memory.slice(at, end), count, first, numbered });
      }
      at = end;
    }
    if (isVoid) this.queue.release(chunk);
    if (isForeign) return;
    this.#bytes -= sealed - from;
    releaseRegion(chunk.region);
  }
}
