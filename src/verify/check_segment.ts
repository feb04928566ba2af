/**
 * Reads every byte of one segment: each batch, each record, and the row that the index has for it.
 *
 * @module
 */
import type { End } from "../anchor/end.ts";
import type { Codecs } from "../batch/codecs.ts";
import { readHeader, UNKNOWN_ATTRIBUTES } from "../batch/format.ts";
import { RecordDecoder } from "../batch/record_decoder.ts";
import { LogError } from "../errors.ts";
import { resync } from "../read/resync.ts";
import { ShardView } from "../read/shard_view.ts";
import { orderFault, type ScanRules } from "../recovery/scan.ts";
import { BatchScanner, SCAN_CHUNK_BYTES } from "../segment/batch_scanner.ts";
import { indexPath, logPath } from "../segment/names.ts";
import type { Vfs, VfsFile } from "../vfs.ts";
import { IndexCheck } from "./check_index.ts";
import type { Observer, Totals } from "./finding.ts";
import type { SurveyPlace } from "./survey.ts";

/** What checking needs to know of a segment. */
export interface SegmentTask {
  readonly vfs: Vfs;
  readonly codecs: Codecs;
  readonly place: SurveyPlace;
  readonly rules: ScanRules;
  readonly base: number;
  /** Exclusive end in the `.log` of what is looked at. */
  readonly bytes: number;
  /** The last offset it can hold; with the last segment what is promised. */
  readonly lastOffset: number;
  /** Where the whole shard's data ends. */
  readonly shardEnd: End;
  /** Up to here of the `.log` the index has rows that can be compared. */
  readonly indexedBytes: number;
  /** Offset at which the next segment begins, so that this one must end there with a sealed index; `undefined`: it is the last. */
  readonly sealedAt: number | undefined;
  /** Asked at a fault: true where the end of what was promised lies in front of it, so that it is no damage. */
  readonly isTail: (offset: number, followed: boolean) => boolean;
  readonly observer: Observer;
  readonly totals: Totals;
  /** Called with the number of bytes just passed. */
  readonly passed: (bytes: number) => void;
}

/** Where a segment's good data ends. */
export interface SegmentResult {
  readonly nextOffset: number;
  readonly epoch: number;
  /** What follows is a tail that nobody was promised. */
  readonly atTail: boolean;
}

/** Checks one segment whose `.log` exists. */
export async function checkSegment(task: SegmentTask, epoch: number): Promise<SegmentResult> {
  const { vfs, place, base } = task;
  const { directory, shard, logId } = place;
  const index = indexPath(directory, base);
  const check = await IndexCheck.open(vfs, index, { logId, shard, base }, {
    damage: (position, what) => task.observer.damage({ shard, file: index, position, range: undefined, what }),
    note: (what) => task.observer.note({ shard, file: index, what }),
  });
  if (check === undefined && task.bytes > 0) {
    task.observer.note({ shard, file: index, what: "the index is missing; it is made again when it is needed" });
  }
  const file = await vfs.open(logPath(directory, base), "read");
  try {
    return await new SegmentCheck(task, file, check, epoch).run();
  } finally {
    await file.close();
    await check?.close();
  }
}

class SegmentCheck {
  readonly #task: SegmentTask;
  readonly #file: VfsFile;
  readonly #index: IndexCheck | undefined;
  readonly #scanner: BatchScanner;
  readonly #path: string;
  #expected: number;
  #epoch: number;
  #atTail = false;

  constructor(task: SegmentTask, file: VfsFile, index: IndexCheck | undefined, epoch: number) {
    this.#task = task;
    this.#file = file;
    this.#index = index;
    this.#expected = task.base;
    this.#epoch = epoch;
    this.#path = logPath(task.place.directory, task.base);
    this.#scanner = new BatchScanner(file, 0, task.bytes, { chunkBytes: SCAN_CHUNK_BYTES, reuse: true });
  }

  async run(): Promise<SegmentResult> {
    const { sealedAt, bytes, totals } = this.#task;
    const scanner = this.#scanner;
    totals.segments++;
    totals.bytes += bytes;
    for (;;) {
      const step = scanner.next();
      if (step instanceof Promise ? await step : step) {
        if (this.#index?.needsFill) await this.#index.fill();
        const fault = this.#checkBatch(scanner.bytes, scanner.at);
        this.#task.passed(scanner.size);
        if (fault !== undefined && !await this.#skipDamage(fault)) break;
      } else if (scanner.fault === undefined) {
        if (sealedAt === this.#expected) this.#index?.finish(sealedAt, bytes);
        break;
      } else if (!await this.#skipDamage(scanner.fault)) break;
    }
    return { nextOffset: this.#expected, epoch: this.#epoch, atTail: this.#atTail };
  }

  /** Why the batch, whose checksum is right, does not belong here; `undefined` where it does. */
  #checkBatch(bytes: Uint8Array, at: number): string | undefined {
    const { rules, totals, place, observer, indexedBytes } = this.#task;
    const { position, size } = this.#scanner;
    const header = readHeader(bytes, at);
    const fault = orderFault(header.baseOffset, header.epoch, this.#expected, this.#epoch, rules);
    if (fault !== undefined) {
      // A batch with too low an epoch is told once; those behind it are compared with each other.
      if (header.baseOffset === this.#expected && header.epoch < this.#epoch) this.#epoch = header.epoch;
      return fault;
    }
    const agreement = position + size <= indexedBytes ? this.#index?.batch(bytes, at, position) : undefined;
    this.#expected = header.lastOffset + 1;
    totals.batches++;
    const range: [number, number] = [header.baseOffset, header.lastOffset];
    const damage = (what: string): void =>
      observer.damage({ shard: place.shard, file: this.#path, position, range, what });
    // Its epoch may be what is wrong: it is no measure for those behind it.
    if (agreement === "batch differs") damage("the header of the batch is not the one that its index row was made for");
    else this.#epoch = header.epoch;
    if ((header.attributes & UNKNOWN_ATTRIBUTES) !== 0) {
      damage(`its attributes 0x${header.attributes.toString(16)} have bits without a meaning`);
    }
    const recordFault = this.#checkRecords(bytes, at);
    if (recordFault !== undefined) damage(recordFault);
    return undefined;
  }

  /** Decodes every record. */
  #checkRecords(bytes: Uint8Array, at: number): string | undefined {
    const { codecs, observer, place, totals } = this.#task;
    let decoder: RecordDecoder;
    try {
      decoder = new RecordDecoder(bytes, at, codecs);
    } catch (error) {
      if (!(error instanceof LogError)) throw error;
      const what =
        `the records of the batch at position ${this.#scanner.position} were not looked at: ${error.message}`;
      observer.note({ shard: place.shard, file: this.#path, what });
      return undefined;
    }
    while (decoder.next()) totals.records++;
    return decoder.fault;
  }

  /** Tells the damage at the scanner's position and goes on behind it. False where nothing intact follows. */
  async #skipDamage(fault: string): Promise<boolean> {
    const { vfs, place, base, bytes, lastOffset, shardEnd, isTail, observer, rules } = this.#task;
    const { directory, shard, logId } = place;
    const scanner = this.#scanner;
    const { position } = scanner;
    const publication = {
      earliest: 0,
      end: shardEnd,
      ended: true,
      refresh: () => Promise.resolve(),
      onChange: () => () => {},
    };
    const view = new ShardView(vfs, directory, logId, shard, rules.holes, publication);
    const from = this.#expected;
    const found = await resync(view, this.#file, base, position, bytes, from + 1, this.#epoch);
    if (isTail(from, found !== undefined)) {
      const what =
        `${
          bytes - position
        } bytes from position ${position} on, behind the last good record, are no damage: they are in flight, ` +
        "or a tail that a crash has torn and the next opening will cut off";
      observer.note({ shard, file: this.#path, what });
      this.#atTail = true;
      return false;
    }
    const to = Math.max(from, found === undefined ? lastOffset : found.baseOffset - 1);
    observer.damage({ shard, file: this.#path, position, range: [from, to], what: fault });
    this.#task.passed((found?.position ?? bytes) - position - scanner.size);
    this.#expected = to + 1;
    if (found === undefined) return false;
    scanner.skipTo(found.position);
    await this.#index?.skipTo(found.position);
    return true;
  }
}
