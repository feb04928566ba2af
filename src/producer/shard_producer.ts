/**
 * A producer's way into one shard: builds batches in shared memory, claims, publishes.
 *
 * @module
 */
import { BatchWriter } from "../batch/batch_writer.ts";
import { isKnownKeyless } from "../batch/finished_blobs.ts";
import { BASE_OFFSET_AT, batchBytesAt, HEADER_BYTES, patchBatch } from "../batch/format.ts";
import { acquireRegion, type Region, releaseRegion } from "../batch/memory_pool.ts";
import type { PreparedRecord } from "../batch/record_input.ts";
import { hasProducer } from "../batch/producer_fields.ts";
import { validateBlob } from "../batch/validate.ts";
import { readI64, writeI64 } from "../bytes.ts";
import { ClaimBlock, OPEN, STOPPED } from "../claims/claim_block.ts";
import type { HandleContent, HandleShard } from "../claims/handle.ts";
import type { ProducerMemory } from "../claims/producer_memory.ts";
import { LogError } from "../errors.ts";
import type { Rung } from "../options.ts";
import { BACKPRESSURE } from "../shard/shard_types.ts";
import { ClaimedOffsets } from "./claimed.ts";
import { producedError } from "./refusals.ts";

/** Offsets that are left alone at the end: what others may claim between a look and a claim. */
const RESERVED_OFFSETS: number = 2 ** 44;
const WORD_BYTES = 8;

/** See above. Records are numbered from 0. */
export class ShardProducer {
  readonly id: number;
  /** Its place among the shards of its producer. */
  readonly index: number;
  /** Records taken so far: the number of the next one. */
  taken = 0;
  /** Slabs published so far. */
  published = 0;
  readonly #claims: ClaimBlock;
  readonly #memory: ProducerMemory;
  readonly #settings: HandleContent;
  /** Rings the log's bell. */
  readonly #ring: () => void;
  /**
   * The open batch is built in this thread's own memory and copied into the slab when it is finished: V8 copies a record of 100 bytes
   * into shared memory in 80–100 ns, into its own in 27, and a whole batch at more than 10 GB/s, where both begin alike in a word.
   */
  readonly #writer = new BatchWriter();
  #stage: Region | undefined = undefined;
  readonly #offsets = new ClaimedOffsets();
  /** -1: none is open. */
  #slab = -1;
  /** Finished batches end here in the open slab. */
  #sealed = 0;
  /** Records in finished batches of the open slab. */
  #sealedRecords = 0;
  /** No record in them has a key, as far as is known. */
  #isKeyless = true;

  constructor(shard: HandleShard, index: number, memory: ProducerMemory, settings: HandleContent, ring: () => void) {
    this.id = shard.id;
    this.index = index;
    this.#claims = new ClaimBlock(shard.block);
    this.#memory = memory;
    this.#settings = settings;
    this.#ring = ring;
  }

  /** True while a slab is open: something may have to be flushed. */
  get isOpen(): boolean {
    return this.#slab >= 0;
  }

  /** Takes a record and answers its number, or takes nothing. */
  append(record: PreparedRecord): number | typeof BACKPRESSURE {
    const { batchBytes, stride, slabBytes } = this.#settings;
    const writer = this.#writer;
    let needed = writer.measure(record);
    if (writer.count > 0 && (writer.size + needed > batchBytes || !writer.hasRoomForCount)) {
      this.#sealBatch();
      needed = writer.measure(record);
    }
    if (writer.count === 0) {
      // Looked at once for each batch.
      this.assertOpen();
      if (this.#claims.isPaused) throw this.#diskFull();
      needed += HEADER_BYTES;
      if (needed > slabBytes) throw this.#tooLarge(needed);
      if (this.#slab >= 0 && this.#sealed + needed > slabBytes) this.publish();
      if (this.#slab < 0 && !this.#openSlab()) return BACKPRESSURE;
      writer.begin(this.#stageFor(Math.max(needed, batchBytes)), this.#sealed % WORD_BYTES);
    } else if (this.#sealed + writer.size + needed > slabBytes) {
      this.publish();
      return this.append(record);
    }
    writer.put(record);
    const number = this.taken++;
    if (this.#sealedRecords + writer.count >= stride || this.#sealed + writer.size >= this.#settings.flushBytes) {
      this.publish();
    }
    return number;
  }

  /** Takes the commonest record where it neither begins nor ends anything, and answers its number; -1 where it has to be prepared. */
  appendPlain(key: string | null, value: Uint8Array, timestamp: number): number {
    const { batchBytes, stride, slabBytes, flushBytes } = this.#settings;
    const writer = this.#writer;
    if (writer.count === 0 || this.#sealedRecords + writer.count + 1 >= stride) return -1;
    // The stage has room for a whole batch.
    const end = writer.start + Math.min(batchBytes, slabBytes - this.#sealed, flushBytes - this.#sealed - 1);
    if (writer.putPlain(key, value, timestamp, end) === 0) return -1;
    return this.taken++;
  }

  /** Takes a finished batch and answers the number of its first record, or takes nothing. */
  appendBatch(blob: Uint8Array): number | typeof BACKPRESSURE {
    this.assertOpen();
    if (this.#claims.isPaused) throw this.#diskFull();
    const { stride, slabBytes, flushBytes } = this.#settings;
    const offsets = validateBlob(blob);
    if (hasProducer(blob, 0)) throw producedError(this.id);
    if (blob.length > slabBytes) throw this.#tooLarge(blob.length);
    this.#sealBatch();
    if (this.#slab >= 0 && this.#sealed + blob.length > slabBytes) this.publish();
    if (this.#slab < 0 && !this.#openSlab()) return BACKPRESSURE;
    const stage = this.#stageFor(blob.length);
    const start = this.#sealed % WORD_BYTES;
    stage.set(blob, start);
    if (!isKnownKeyless(blob, stage, start)) this.#isKeyless = false;
    patchBatch(stage, start, this.#sealedRecords, this.#claims.epoch);
    this.#copy(stage, start, blob.length);
    this.#sealedRecords += offsets;
    const number = this.taken;
    this.taken += offsets;
    if (this.#sealedRecords >= stride || this.#sealed >= flushBytes) this.publish();
    return number;
  }

  /**
   * Claims offsets for everything that is finished, and hands it over. Where the shard has taken this thread for dead in between and
   * made the claim void, the same batches get another one.
   */
  publish(): void {
    this.#sealBatch();
    const slab = this.#slab;
    const records = this.#sealedRecords;
    if (slab < 0 || records === 0 || this.#isRefused) return;
    const claims = this.#claims;
    const memory = this.#memory;
    memory.describe(slab, this.#sealed, records, this.#isKeyless);
    for (;;) {
      if (claims.offsetOf(claims.load()) > Number.MAX_SAFE_INTEGER - RESERVED_OFFSETS) throw this.#noOffsets();
      const head = claims.head;
      const before = claims.claim(records);
      const base = claims.offsetOf(before);
      this.#place(base);
      if (claims.publish(claims.slotOf(before, head), memory.parts.id, slab)) {
        this.#offsets.add(this.taken - records, records, base);
        break;
      }
      if (this.#isRefused) return;
    }
    this.#slab = -1;
    this.#sealedRecords = 0;
    this.#sealed = 0;
    this.#isKeyless = true;
    this.published++;
    this.#ring();
  }

  /** Exclusive end of what was claimed so far. */
  get claimedEnd(): number {
    return this.#offsets.end;
  }

  /** Asks for a sync up to an offset. */
  wantSync(end: number): void {
    if (this.#settings.durability === "disk" || this.#claims.reached("disk") >= end) return;
    this.#claims.wantSync(end);
    this.#ring();
  }

  /** True once everything before `end` has reached a rung; throws where it never will. */
  hasReached(end: number, rung: Rung): boolean {
    if (this.#memory.isLockedOut) throw this.#lockedOut();
    if (this.#claims.reached(rung) >= end) return true;
    if (this.#claims.status === STOPPED) throw this.#claims.failure.now;
    return false;
  }

  /** The offset of a record, once it has one. */
  offsetOf(number: number): number | undefined {
    return this.#offsets.find(number);
  }

  /** True where the record with this number has an offset, known or forgotten. */
  isClaimed(number: number): boolean {
    return number < this.taken - this.#sealedRecords - this.#writer.count;
  }

  /** True where a record would find room. */
  get hasRoom(): boolean {
    return this.#slab >= 0 || this.#memory.hasFree;
  }

  /** The disk is nearly full: nothing is taken for the moment. */
  get isPaused(): boolean {
    return this.#claims.isPaused;
  }

  /** Throws the reason where nothing is taken any more. */
  assertOpen(): void {
    if (this.#memory.isLockedOut) throw this.#lockedOut();
    const { status } = this.#claims;
    if (status === OPEN) return;
    if (status === STOPPED) throw this.#claims.failure.later;
    throw new LogError("CLOSED", `Cannot append to shard ${this.id}: the log is being closed`, { shard: this.id });
  }

  /** Gives this thread's own memory back; no batch is open. */
  release(): void {
    if (this.#stage !== undefined) releaseRegion(this.#stage);
    this.#stage = undefined;
  }

  /** True where nothing can be claimed. */
  get #isRefused(): boolean {
    return this.#memory.isLockedOut || this.#claims.status !== OPEN;
  }

  #openSlab(): boolean {
    this.#slab = this.#memory.take();
    return this.#slab >= 0;
  }

  /** Memory of this thread with room for so many bytes from any byte of a word on. */
  #stageFor(bytes: number): Uint8Array {
    const needed = bytes + WORD_BYTES;
    if (this.#stage === undefined || this.#stage.bytes.length < needed) {
      this.release();
      this.#stage = acquireRegion(needed);
    }
    return this.#stage.bytes;
  }

  /** Puts a finished batch behind the others. */
  #copy(stage: Uint8Array, start: number, bytes: number): void {
    this.#memory.slab(this.#slab).set(stage.subarray(start, start + bytes), this.#sealed);
    this.#sealed += bytes;
  }

  /** Until a claim is made the base offsets count from 0. */
  #sealBatch(): void {
    const writer = this.#writer;
    if (writer.count === 0) return;
    writer.seal(this.#sealedRecords, this.#claims.epoch);
    this.#copy(writer.bytes, writer.start, writer.size);
    this.#sealedRecords += writer.count;
    if (writer.hasKeys) this.#isKeyless = false;
    writer.count = 0;
  }

  /** Moves the batches of the open slab so that they begin at `base`. The field is outside of their CRCs. */
  #place(base: number): void {
    const bytes = this.#memory.slab(this.#slab);
    const moved = base - readI64(bytes, BASE_OFFSET_AT);
    for (let at = 0; at < this.#sealed; at += batchBytesAt(bytes, at)) {
      writeI64(bytes, at + BASE_OFFSET_AT, readI64(bytes, at + BASE_OFFSET_AT) + moved);
    }
  }

  #lockedOut(): LogError {
    const why = this.#memory.isInvalid ? "it published what is no batch" : "the log has locked it out";
    return new LogError(this.#memory.isInvalid ? "BATCH_INVALID" : "CLOSED", `Cannot use the producer: ${why}`, {
      shard: this.id,
    });
  }

  #diskFull(): LogError {
    return new LogError(
      "DISK_FULL",
      `Cannot append to shard ${this.id}: the log's disk has fewer free bytes than minFreeBytes asks for; free some space, appending ` +
        "goes on by itself then",
      { shard: this.id },
    );
  }

  #tooLarge(bytes: number): LogError {
    const limit = this.#settings.slabBytes;
    return new LogError(
      "RECORD_TOO_LARGE",
      `Cannot append to shard ${this.id}: ${bytes} bytes are more than a piece of the producer's memory, ${limit}; split the ` +
        "record, raise flushBytes (and the producer's bufferBytes), or append it on the log's own thread",
      { shard: this.id },
    );
  }

  #noOffsets(): LogError {
    return new LogError("OFFSET_OUT_OF_RANGE", `Cannot append to shard ${this.id}: its offsets are used up`, {
      shard: this.id,
    });
  }
}
