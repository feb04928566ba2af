/**
 * A shard's records on their way to the file: the open batch, and finished batches in chunks of contiguous memory.
 *
 * @module
 */
import { BatchWriter } from "../batch/batch_writer.ts";
import { isKnownKeyless } from "../batch/finished_blobs.ts";
import { HEADER_BYTES, patchBatch } from "../batch/format.ts";
import { acquireRegion, releaseRegion } from "../batch/memory_pool.ts";
import type { PreparedRecord } from "../batch/record_input.ts";
import { validateBlob, validateCopy } from "../batch/validate.ts";
import { PAGE_BYTES } from "../segment/body_writer.ts";
import type { Budget } from "./budget.ts";
import { type Chunk, chunkBytes } from "./chunk.ts";
import { Lane } from "./lane.ts";
import type { ShardContext } from "./shard_context.ts";
import type { SharedAppends } from "./shared_appends.ts";

/** Smallest chunk: a shard with little traffic takes no more. */
const MIN_CHUNK_BYTES: number = 64 * 1024;
/** From here on each offset is looked at; a batch has far fewer records. */
const LAST_LANE_OFFSET: number = Number.MAX_SAFE_INTEGER - 2 ** 31;

/**
 * Takes records and blobs at one end, gives chunks at the other. Where a batch is sealed depends only on what was appended
 * and on the triggers, never on how fast writes complete: the same input gives the same bytes.
 */
export class AppendBuffer {
  /** Bytes taken and not yet released: what backpressure measures. */
  bytes = 0;
  /** Batches sealed so far; moves when a keyless producer should change shards. */
  batches = 0;
  readonly #writer: BatchWriter;
  /** Closed before anything else is done to the open batch, and before a limit is looked at. */
  readonly lane: Lane;
  readonly #ready: Chunk[] = [];
  readonly #budget: Budget;
  readonly #batchBytes: number;
  readonly #maxChunkBytes: number;
  /** Bytes handed out by {@linkcode AppendBuffer.take} and not yet released. */
  #takenBytes = 0;
  /** Offset of the open batch's first record. */
  #batchBase: number;
  readonly #epoch: number;
  #current: Chunk | undefined = undefined;
  /** How large the last chunks were: the next one starts with that size. */
  #expectedBytes = MIN_CHUNK_BYTES;
  /** Where in the file the next new chunk will begin, as far as is known: only its place within a page is of interest. */
  #position: number;
  /** Everything goes through it once other threads append to the shard, too. */
  #shared: SharedAppends | undefined = undefined;

  /** @param end Where the data ends that is written already. */
  constructor(end: { readonly nextOffset: number; readonly position: number }, context: ShardContext) {
    const { epoch, limits, budget, clock, compressor, keys } = context;
    this.#writer = new BatchWriter(compressor, keys);
    this.#batchBase = end.nextOffset;
    this.#position = end.position;
    this.#epoch = epoch;
    this.#batchBytes = limits.batchBytes;
    this.#maxChunkBytes = limits.flushBytes + limits.batchBytes;
    this.#budget = budget;
    this.lane = new Lane(this.#writer, budget, (bytes) => this.#account(bytes), clock, keys);
  }

  /** The next offset to hand out: the claim counter. Plain, as there is one producer; {@linkcode AppendBuffer.end} always holds. */
  get nextOffset(): number {
    return this.#batchBase + (this.lane.end === 0 ? this.#writer.count : this.lane.count);
  }

  /** True while nothing may be taken although there is room: too much waits for claims of other threads. */
  get isCrowded(): boolean {
    return this.#shared !== undefined && this.#shared.queue.isCrowded;
  }

  /** Exclusive end of the offsets that were handed out, to whomever. */
  get end(): number {
    return this.#shared === undefined ? this.nextOffset : this.#shared.end;
  }

  /** Exclusive end of what can be written now, once everything is sealed. */
  get sealedEnd(): number {
    return this.#shared === undefined ? this.nextOffset : this.#shared.sealedEnd;
  }

  /** From now on other threads claim offsets beside this one. */
  share(make: (earlier: Chunk[], account: (bytes: number) => void) => SharedAppends): void {
    this.seal();
    if (this.#current !== undefined && chunkBytes(this.#current) > 0) this.#ready.push(this.#current);
    else if (this.#current !== undefined) releaseRegion(this.#current.region);
    this.#current = undefined;
    this.#shared = make(this.#ready.splice(0), (bytes) => this.#account(bytes));
  }

  /** Bytes of the record in the open batch; at most a header more are added by taking it. */
  measure(record: PreparedRecord): number {
    if (this.#shared !== undefined) return this.#shared.own.measure(record);
    return this.#writer.measure(record);
  }

  /**
   * Takes a record and answers its offset.
   *
   * @param needed What {@linkcode AppendBuffer.measure} answered for it just before.
   * @param only Taken only where that is its offset, as it is at this moment. Where another thread claims it first, the answer is -1.
   */
  append(record: PreparedRecord, needed: number, only = -1): number {
    if (this.#shared !== undefined) return this.#appendShared(record, only);
    const writer = this.#writer;
    if (writer.count > 0 && (writer.size + needed > this.#batchBytes || !writer.hasRoomForCount)) {
      this.seal();
      needed = writer.measure(record);
    }
    if (writer.count === 0) needed += this.#beginBatch(needed);
    else if (writer.position + needed > writer.bytes.length) this.#makeRoom(writer.size + needed);
    const offset = this.#batchBase + writer.count;
    writer.put(record);
    this.#account(needed);
    return offset;
  }

  /** Opens the lane for what comes next, for at most so many bytes. */
  openLane(maxBytes: number): void {
    if (this.#shared !== undefined || this.#writer.count === 0 || this.#batchBase > LAST_LANE_OFFSET) return;
    this.lane.open(Math.min(maxBytes, this.#batchBytes - this.#writer.size), this.#current!.region, this.#batchBase);
  }

  /**
   * Takes a blob with a header that can be, patches it, and answers its base offset.
   *
   * @throws {LogError} `BATCH_INVALID` or `UNSUPPORTED`: nothing was taken.
   */
  appendBlob(blob: Uint8Array): number {
    if (this.#shared !== undefined) return this.#shared.own.appendBlob(blob, validateBlob(blob));
    this.seal();
    const base = this.#batchBase;
    const chunk = this.#chunkWith(blob.length);
    const { bytes } = chunk.region;
    // Checked where it will be written from: a checksum in this memory costs no further copy.
    bytes.set(blob, chunk.sealed);
    const offsets = validateCopy(bytes, chunk.sealed, blob);
    patchBatch(bytes, chunk.sealed, base, this.#epoch);
    patchBatch(blob, 0, base, this.#epoch);
    if (!isKnownKeyless(blob, bytes, chunk.sealed)) chunk.isKeyless = false;
    chunk.sealed += blob.length;
    this.#account(blob.length);
    this.batches++;
    this.#batchBase = base + offsets;
    return base;
  }

  /** Finishes the open batch, if it has records. */
  seal(): void {
    if (this.#shared !== undefined) return this.#sealShared(this.#shared);
    this.lane.close();
    const writer = this.#writer;
    if (writer.count === 0) return;
    this.#account(writer.seal(this.#batchBase, this.#epoch));
    this.#current!.sealed = writer.position;
    if (writer.hasKeys) this.#current!.isKeyless = false;
    this.#batchBase += writer.count;
    writer.count = 0;
    this.batches++;
  }

  /** The oldest chunk with finished batches; `undefined` where there is none. */
  peek(): Chunk | undefined {
    if (this.#shared !== undefined) return this.#shared.queue.ready[0];
    if (this.#ready.length > 0) return this.#ready[0];
    return this.#current !== undefined && chunkBytes(this.#current) > 0 ? this.#current : undefined;
  }

  /** Hands out the chunk that {@linkcode AppendBuffer.peek} shows. */
  take(): Chunk | undefined {
    if (this.#shared !== undefined) return this.#takeShared(this.#shared);
    this.lane.close();
    const chunk = this.peek();
    if (chunk === undefined) return undefined;
    if (chunk === this.#current) {
      this.#expectedBytes = chunk.sealed;
      if (this.#writer.count > 0) this.#rotate(this.#writer.size);
      else {
        this.#current = undefined;
        this.#position += chunkBytes(chunk);
      }
    }
    if (this.#ready[0] === chunk) this.#ready.shift();
    this.#takenBytes += chunkBytes(chunk);
    return chunk;
  }

  /** A segment of so many bytes ended: what is appended from here on lies that much further to the front of the next. */
  rolled(segmentBytes: number): void {
    this.#position -= segmentBytes;
  }

  /** Gives a chunk's memory back: it was written, or is lost. */
  release(chunk: Chunk): void {
    if (this.#shared?.queue.release(chunk)) return;
    const bytes = chunkBytes(chunk);
    this.bytes -= bytes;
    this.#takenBytes -= bytes;
    this.#budget.used -= bytes;
    releaseRegion(chunk.region);
  }

  /** Gives everything back that was not handed out. */
  discard(): void {
    this.lane.close();
    this.#batchBase = this.nextOffset;
    this.#writer.count = 0;
    if (this.#shared !== undefined) this.#ready.push(...this.#shared.discard());
    for (const chunk of this.#ready.splice(0)) releaseRegion(chunk.region);
    if (this.#current !== undefined) releaseRegion(this.#current.region);
    this.#current = undefined;
    this.#budget.used -= this.bytes - this.#takenBytes;
    this.bytes = this.#takenBytes;
  }

  /** Ends what this thread has open, and brings what other threads have published into the order of its slots. */
  #sealShared(shared: SharedAppends): void {
    shared.own.finish();
    shared.queue.collect();
    this.batches = shared.own.batches;
  }

  #appendShared(record: PreparedRecord, only: number): number {
    const offset = this.#shared!.own.append(record, only);
    if (offset !== -1) this.#batchBase = offset + 1;
    return offset;
  }

  #takeShared(shared: SharedAppends): Chunk | undefined {
    const chunk = shared.queue.ready.shift();
    if (chunk !== undefined && !shared.queue.isForeign(chunk)) this.#takenBytes += chunkBytes(chunk);
    return chunk;
  }

  #account(bytes: number): void {
    this.bytes += bytes;
    this.#budget.used += bytes;
  }

  /** Begins a batch with room for one record and answers the size of its header. */
  #beginBatch(recordBytes: number): number {
    const chunk = this.#chunkWith(HEADER_BYTES + recordBytes);
    this.#writer.begin(chunk.region.bytes, chunk.sealed);
    return HEADER_BYTES;
  }

  /** The current chunk, or another, with `needed` bytes behind its finished batches. */
  #chunkWith(needed: number): Chunk {
    if (this.#current === undefined) this.#current = this.#acquire(needed);
    else if (this.#current.sealed + needed > this.#current.region.bytes.length) this.#makeRoom(needed);
    return this.#current;
  }

  /** Grows the current chunk, or queues its finished part and goes on in another; the open batch comes along. */
  #makeRoom(needed: number): void {
    const chunk = this.#current!;
    const wanted = chunk.sealed + needed;
    if (chunkBytes(chunk) > 0 && wanted > this.#maxChunkBytes) return this.#rotate(needed);
    const region = acquireRegion(Math.max(wanted, Math.min(chunk.region.bytes.length * 2, this.#maxChunkBytes)));
    region.bytes.set(chunk.region.bytes.subarray(chunk.from, chunk.sealed), chunk.from);
    if (this.#writer.count > 0) this.#writer.moveTo(region.bytes, chunk.sealed);
    this.#current = { ...chunk, region };
    releaseRegion(chunk.region);
  }

  #rotate(needed: number): void {
    const chunk = this.#current!;
    this.#position += chunkBytes(chunk);
    const next = this.#acquire(needed);
    if (this.#writer.count > 0) this.#writer.moveTo(next.region.bytes, next.from);
    this.#ready.push(chunk);
    this.#current = next;
  }

  #acquire(needed: number): Chunk {
    // A remainder of a negative number is negative: a roll may have come before what was known of the position.
    const from = (this.#position % PAGE_BYTES + PAGE_BYTES) % PAGE_BYTES;
    const size = Math.max(from + needed, Math.min(this.#expectedBytes, this.#maxChunkBytes), MIN_CHUNK_BYTES);
    return { region: acquireRegion(size), from, sealed: from, isKeyless: true };
  }
}
