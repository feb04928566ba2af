/**
 * What the log's own thread appends while workers claim beside it: each record takes its offset from the shared claim word.
 *
 * @module
 */
import { BatchWriter } from "../batch/batch_writer.ts";
import type { Compressor } from "../batch/compressor.ts";
import { isKnownKeyless } from "../batch/finished_blobs.ts";
import { HEADER_BYTES, patchBatch } from "../batch/format.ts";
import { acquireRegion, releaseRegion } from "../batch/memory_pool.ts";
import type { PreparedRecord } from "../batch/record_input.ts";
import type { ClaimBlock } from "../claims/claim_block.ts";
import type { Chunk } from "./chunk.ts";

/** Batches of one claimed slot, one behind the other. */
export interface Run {
  readonly slot: number;
  /** First offset. */
  readonly base: number;
  /** Exclusive end of its offsets. */
  end: number;
  readonly chunk: Chunk;
}

const MIN_RUN_BYTES: number = 64 * 1024;

/**
 * Runs of records. A run goes on, record by record, as long as its claim is the last one: a compare-exchange adds an offset to
 * it. Where a worker's claim came between, the run ends and a new slot is claimed. So an offset is known at once, either way.
 */
export class OwnClaims {
  /** Finished runs that were not taken over yet, in the order of their slots. */
  readonly finished: Run[] = [];
  /** Batches sealed so far, by the shard. */
  batches: number;
  readonly #claims: ClaimBlock;
  readonly #writer: BatchWriter;
  readonly #batchBytes: number;
  readonly #maxRunBytes: number;
  readonly #account: (bytes: number) => void;
  #run: Run | undefined = undefined;
  /** The claim word as it is while nobody has claimed behind the run. */
  #expected = 0n;
  /** Offset of the open batch's first record. */
  #batchBase = 0;
  #nextRunBytes: number = MIN_RUN_BYTES;

  constructor(
    claims: ClaimBlock,
    batchBytes: number,
    flushBytes: number,
    account: (bytes: number) => void,
    batches: number,
    compressor?: Compressor,
  ) {
    this.#writer = new BatchWriter(compressor);
    this.batches = batches;
    this.#claims = claims;
    this.#batchBytes = batchBytes;
    this.#maxRunBytes = flushBytes + batchBytes;
    this.#account = account;
  }

  /** The run that still grows. */
  get open(): Run | undefined {
    return this.#run;
  }

  /**
   * Takes a record and answers its offset.
   *
   * @param only Taken only where that is its offset; else the answer is -1, and nothing was taken.
   */
  append(record: PreparedRecord, only = -1): number {
    if (only !== -1 && this.#claims.offsetOf(this.#claims.load()) !== only) return -1;
    const writer = this.#writer;
    let needed = writer.measure(record);
    let run = this.#run;
    if (run !== undefined) {
      if (writer.count > 0 && (writer.size + needed > this.#batchBytes || !writer.hasRoomForCount)) {
        this.#sealBatch(run);
        needed = writer.measure(record);
      }
      if (writer.count === 0) needed += HEADER_BYTES;
      const at = writer.count === 0 ? run.chunk.sealed : writer.position;
      const fits = at + needed <= run.chunk.region.bytes.length;
      if (fits && this.#claims.extend(this.#expected, 1n)) {
        this.#expected++;
        if (writer.count === 0) this.#beginBatch(run);
        return this.#put(record, run, needed);
      }
      this.finish();
      needed = writer.measure(record);
    }
    needed += HEADER_BYTES;
    run = this.#begin(needed, 1, only);
    if (run === undefined) return -1;
    this.#beginBatch(run);
    return this.#put(record, run, needed);
  }

  /** Takes a checked blob of `offsets` records and answers its base offset. */
  appendBlob(blob: Uint8Array, offsets: number): number {
    let run = this.#run;
    if (run !== undefined) this.#sealBatch(run);
    if (run !== undefined && run.chunk.sealed + blob.length <= run.chunk.region.bytes.length) {
      if (this.#claims.extend(this.#expected, BigInt(offsets))) this.#expected += BigInt(offsets);
      else run = undefined;
    } else run = undefined;
    if (run === undefined) {
      this.finish();
      run = this.#begin(blob.length, offsets)!;
    }
    const base = run.end;
    patchBatch(blob, 0, base, this.#claims.epoch);
    const { chunk } = run;
    chunk.region.bytes.set(blob, chunk.sealed);
    if (!isKnownKeyless(blob, chunk.region.bytes, chunk.sealed)) chunk.isKeyless = false;
    chunk.sealed += blob.length;
    run.end += offsets;
    this.batches++;
    this.#account(blob.length);
    return base;
  }

  /** Bytes of the record in the open batch; at most a header more are added by taking it. */
  measure(record: PreparedRecord): number {
    return this.#writer.measure(record);
  }

  /** Ends the open run. */
  finish(): void {
    const run = this.#run;
    if (run === undefined) return;
    this.#sealBatch(run);
    this.#nextRunBytes = run.chunk.sealed * 2;
    this.#run = undefined;
    this.finished.push(run);
  }

  /** Gives everything back that was not taken over. */
  discard(): void {
    this.#writer.count = 0;
    if (this.#run !== undefined) this.finished.push(this.#run);
    this.#run = undefined;
    for (const { chunk } of this.finished.splice(0)) releaseRegion(chunk.region);
  }

  /** Memory first: a claim that nobody can fill would be a hole. `undefined` where the offset is not the `only` one. */
  #begin(bytes: number, offsets: number, only = -1): Run | undefined {
    const size = Math.max(bytes, Math.min(this.#nextRunBytes, this.#maxRunBytes), MIN_RUN_BYTES);
    const region = acquireRegion(size);
    const claims = this.#claims;
    const head = claims.head;
    const before = only === -1 ? claims.claim(offsets) : claims.load();
    if (only !== -1 && (claims.offsetOf(before) !== only || !claims.claimAt(before, offsets))) {
      releaseRegion(region);
      return undefined;
    }
    this.#expected = claims.after(before, offsets);
    const base = claims.offsetOf(before);
    this.#run = {
      slot: claims.slotOf(before, head),
      base,
      end: base,
      chunk: { region, from: 0, sealed: 0, isKeyless: true },
    };
    return this.#run;
  }

  #beginBatch(run: Run): void {
    this.#writer.begin(run.chunk.region.bytes, run.chunk.sealed);
    this.#batchBase = run.end;
  }

  #put(record: PreparedRecord, run: Run, bytes: number): number {
    this.#writer.put(record);
    this.#account(bytes);
    return run.end++;
  }

  #sealBatch(run: Run): void {
    const writer = this.#writer;
    if (writer.count === 0) return;
    const end = writer.position;
    writer.seal(this.#batchBase, this.#claims.epoch);
    if (writer.position !== end) this.#account(writer.position - end);
    run.chunk.sealed = writer.position;
    if (writer.hasKeys) run.chunk.isKeyless = false;
    writer.count = 0;
    this.batches++;
  }
}
