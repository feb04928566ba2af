/**
 * Goes through a shard's segments batch by batch and decides of each byte what it is: kept, kept with a restored header, lost,
 * or a tail that nobody was promised. Writes nothing.
 *
 * @module
 */
import { BASE_OFFSET_AT, EPOCH_AT, HEADER_BYTES, headerDigest, readHeader } from "../batch/format.ts";
import { RecordDecoder } from "../batch/record_decoder.ts";
import { readI32, readI64 } from "../bytes.ts";
import { LogError } from "../errors.ts";
import { BatchScanner, SCAN_CHUNK_BYTES } from "../segment/batch_scanner.ts";
import { indexPath } from "../segment/names.ts";
import { epochByDigest, epochsFrom, headerChanges, likelyEpoch, withFields } from "./rebuild_header.ts";
import { lookInto, type Resumption, SegmentProbe } from "./rebuild_probe.ts";
import { proveHeader } from "./rebuild_prove.ts";
import { IndexRows } from "./rebuild_rows.ts";
import {
  addBatch,
  addCopy,
  addVoid,
  type Draft,
  type ExamineTask,
  MAX_SEGMENT_OFFSETS,
  type Piece,
  type RepairFinding,
  replaceHeader,
  type Tail,
} from "./rebuild_types.ts";
import { minEpochAt, orderFault } from "./scan.ts";

/** The last batch that was kept. */
interface Previous {
  readonly draft: Draft;
  readonly position: number;
  readonly size: number;
  /** Lowest epoch it could have. */
  readonly minEpoch: number;
  /** Its index row was made for it as it stands. */
  readonly isConfirmed: boolean;
  /** Voids in front of it, which have its epoch. */
  readonly voids: readonly (Piece & { kind: "void" })[];
}

/** One pass over one shard, segment by segment. */
export class ShardExaminer {
  readonly #task: ExamineTask;
  /** Offset that comes next. */
  expected: number;
  /** Highest epoch so far. */
  #epoch = 0;
  #previous: Previous | undefined = undefined;
  /** Voids whose epoch the next good batch decides. */
  #openVoids: (Piece & { kind: "void" })[] = [];

  constructor(task: ExamineTask, expected: number) {
    this.#task = task;
    this.expected = expected;
  }

  /** The lowest epoch that a batch can have at the offset that comes next. */
  get epoch(): number {
    return minEpochAt(this.expected, this.#epoch, this.#task.rules);
  }

  /** Takes offsets that no file holds. */
  fill(draft: Draft, nextOffset: number): void {
    const piece = addVoid(draft, nextOffset, this.epoch);
    if (!this.#openVoids.includes(piece)) this.#openVoids.push(piece);
    this.expected = nextOffset;
  }

  /** Examines one segment that has a source. Answers the tail, where one begins in it. */
  async examine(draft: Draft, nextBase: number | undefined): Promise<Tail | undefined> {
    const { vfs, directory, logId, shard, promised, rules, drafts } = this.#task;
    const { path, bytes: limit } = draft.source!;
    const rows = await IndexRows.open(vfs, indexPath(directory, draft.base), { logId, shard, base: draft.base });
    const file = await vfs.open(path, "read");
    try {
      const next = drafts.find((other) => other.base === nextBase)?.source;
      const nextEpoch = next && await lookInto(vfs, next, (alone) => alone.epochAt(0, nextBase!));
      const probe = new SegmentProbe(file, { limit, nextBase, nextEpoch, promised, maxEpoch: rules.maxEpoch });
      const tail = await this.#run(draft, probe, rows);
      if (tail === undefined && nextBase !== undefined) rows.finish(this.expected, limit);
      draft.hasSpareRows = rows.row !== undefined;
      draft.lacksRows = rows.isLacking;
      draft.indexDamaged = rows.damaged;
      return tail;
    } finally {
      await file.close();
      await rows.close();
    }
  }

  async #run(draft: Draft, probe: SegmentProbe, rows: IndexRows): Promise<Tail | undefined> {
    const { limit } = probe.bounds;
    const scanner = new BatchScanner(probe.file, 0, limit, { chunkBytes: SCAN_CHUNK_BYTES, reuse: true });
    let passed = 0;
    for (;;) {
      const step = scanner.next();
      const isIntact = step instanceof Promise ? await step : step;
      if (!isIntact && scanner.fault === undefined) break;
      const { position } = scanner;
      this.#task.passed(position - passed);
      passed = position;
      const row = rows.rowAt(position);
      if (row instanceof Promise) await row;
      const fault = isIntact ? await this.#take(draft, scanner, rows) : scanner.fault!;
      if (fault === undefined) continue;
      if (this.expected >= this.#task.trustedTo) return { base: draft.base, position, bytes: limit - position, fault };
      const next = await this.#resolve(draft, probe, rows, position, fault);
      // Without anybody who knows where data ends, what nothing follows is a tail as well.
      if (next === undefined) return { base: draft.base, position, bytes: limit - position, fault };
      scanner.skipTo(next);
    }
    this.#task.passed(limit - passed);
    return undefined;
  }

  /** Keeps the intact batch the scanner stands on, or answers why it cannot be kept. */
  async #take(draft: Draft, scanner: BatchScanner, rows: IndexRows): Promise<string | undefined> {
    const { bytes, at, position, size } = scanner;
    const header = readHeader(bytes, at);
    const fault = orderFault(header.baseOffset, header.epoch, this.expected, this.epoch, this.#task.rules) ??
      this.#recordFault(bytes, at);
    if (fault !== undefined) return fault;
    const minEpoch = this.epoch;
    const row = rows.row?.position === position && rows.row.baseOffset === header.baseOffset ? rows.row : undefined;
    let epoch: number = header.epoch;
    let isConfirmed = row !== undefined && row.digest === headerDigest(bytes, at);
    const indexed = row === undefined || isConfirmed
      ? undefined
      : epochByDigest(bytes.slice(at, at + HEADER_BYTES), row.digest, epochsFrom(minEpoch, this.#task.rules.maxEpoch));
    if (indexed === undefined) addCopy(draft, position, position + size, header.lastOffset + 1);
    else {
      epoch = indexed;
      isConfirmed = true;
      const raw = bytes.slice(at, at + HEADER_BYTES);
      const proven = withFields(raw, header.baseOffset, size, epoch);
      this.#restore(draft, position, raw, proven, "it is not the one that its index row was made for");
    }
    if (row === undefined && header.lastOffset < this.#task.promised) rows.isLacking = true;
    if (rows.row?.position === position) {
      const taken = rows.take(bytes, at, position);
      if (taken instanceof Promise) await taken;
    }
    this.#kept(draft, position, size, header.lastOffset, epoch, minEpoch, isConfirmed);
    return undefined;
  }

  #kept(
    draft: Draft,
    position: number,
    size: number,
    lastOffset: number,
    epoch: number,
    minEpoch: number,
    isConfirmed: boolean,
  ): void {
    const voids = this.#openVoids;
    for (const piece of voids) piece.epoch = epoch;
    if (voids.length > 0) this.#openVoids = [];
    this.#previous = { draft, position, size, minEpoch, isConfirmed, voids };
    this.expected = lastOffset + 1;
    this.#epoch = epoch;
  }

  /** Why a record of an intact batch cannot be read. A codec that is not there is no fault of the batch. */
  #recordFault(bytes: Uint8Array, at: number): string | undefined {
    try {
      const decoder = new RecordDecoder(bytes, at, this.#task.codecs);
      while (decoder.next());
      return decoder.fault;
    } catch (error) {
      if (error instanceof LogError && error.code === "UNSUPPORTED") return undefined;
      throw error;
    }
  }

  /** Decides what becomes of the damage at `position`, and answers where to go on; `undefined` where nothing is lost. */
  async #resolve(
    draft: Draft,
    probe: SegmentProbe,
    rows: IndexRows,
    position: number,
    fault: string,
  ): Promise<number | undefined> {
    const raw = await probe.header(position);
    if (raw !== undefined) {
      if (await this.#blamePrevious(probe, rows, position, raw)) return position;
      const place = { draft, position, raw, expected: this.expected, epoch: this.epoch };
      const proven = await proveHeader(this.#task, probe, rows, place);
      if (proven !== undefined) {
        const minEpoch = this.epoch;
        this.#restore(draft, position, raw, proven.header, fault);
        this.#kept(draft, position, proven.bytes, proven.lastOffset, proven.epoch, minEpoch, true);
        return position + proven.bytes;
      }
    }
    const next = await probe.resume(position, raw, rows, this.expected, this.epoch);
    const { nextBase, promised } = probe.bounds;
    if (next === undefined && nextBase === undefined && this.expected >= promised) return undefined;
    return this.#lose(draft, probe, position, next, fault);
  }

  /**
   * A batch with a lower epoch than the one before it: where those behind it are as low, or its index row was made for it, it
   * is the one before that is damaged. Answers true where that one was restored.
   */
  async #blamePrevious(probe: SegmentProbe, rows: IndexRows, position: number, raw: Uint8Array): Promise<boolean> {
    const previous = this.#previous;
    const { baseOffset, epoch } = readHeader(raw, 0);
    if (previous === undefined || previous.isConfirmed || baseOffset !== this.expected) return false;
    if (epoch >= this.epoch || epoch < previous.minEpoch) return false;
    const batch = await probe.intactAt(position);
    if (batch === undefined) return false;
    if ((await rows.rowAt(position))?.digest !== batch.digest) {
      const behind = await probe.epochAt(position + batch.bytes, batch.lastOffset + 1);
      if (behind === undefined || behind >= this.epoch) return false;
    }
    const { draft } = previous;
    const copy = lastCopy(draft, previous);
    if (copy === undefined) return false;
    const before = (await lookInto(this.#task.vfs, draft.source!, (alone) => alone.header(previous.position)))!;
    const likely = likelyEpoch(readI32(before, EPOCH_AT), { low: previous.minEpoch, high: epoch });
    const header = withFields(before, readI64(before, BASE_OFFSET_AT), previous.size, likely);
    replaceHeader(draft, copy, previous.position, header);
    draft.findings.push(
      this.#restored(draft, previous.position, before, header, "its epoch is higher than those behind it"),
    );
    for (const piece of previous.voids) piece.epoch = likely;
    this.#previous = { ...previous, isConfirmed: true };
    this.#epoch = likely;
    return true;
  }

  #restore(draft: Draft, position: number, raw: Uint8Array, header: Uint8Array, fault: string): void {
    const { bytes, lastOffset } = readHeader(header, 0);
    addBatch(draft, position, position + bytes, header, lastOffset + 1);
    draft.findings.push(this.#restored(draft, position, raw, header, fault));
  }

  #restored(draft: Draft, position: number, raw: Uint8Array, header: Uint8Array, fault: string): RepairFinding {
    const { baseOffset, lastOffset } = readHeader(header, 0);
    return {
      shard: this.#task.shard,
      file: draft.source!.path,
      position,
      bytes: HEADER_BYTES,
      range: [baseOffset, lastOffset],
      what: `the batch header is damaged: ${fault}`,
      action: "restore",
      remedy: `its ${headerChanges(raw, header)} can only have been one thing and is restored; no record is lost`,
      keptAside: undefined,
    };
  }

  /** The bytes up to where batches go on are lost, and with them the offsets in between. Answers that position. */
  #lose(draft: Draft, { bounds }: SegmentProbe, position: number, next: Resumption | undefined, fault: string): number {
    const { promised, shard } = this.#task;
    const first = this.expected;
    let nextOffset = Math.max(first, next?.baseOffset ?? bounds.nextBase ?? promised);
    let to = next?.position ?? bounds.limit;
    if (nextOffset - draft.base > MAX_SEGMENT_OFFSETS) {
      // What does not fit into this segment gets one of its own.
      nextOffset = first;
      to = bounds.limit;
    }
    const isLost = nextOffset > first;
    draft.changed = true;
    if (isLost) this.fill(draft, nextOffset);
    draft.findings.push({
      shard,
      file: draft.source!.path,
      position,
      bytes: to - position,
      range: isLost ? [first, nextOffset - 1] : undefined,
      what: `the batch is damaged: ${fault}`,
      action: isLost ? "void" : "setAside",
      remedy: isLost
        ? "these records are lost; a batch without records takes their offsets"
        : "these bytes hold no offset of the log and are left out",
      keptAside: undefined,
    });
    return to;
  }
}

/** The piece that ends with the batch, where nothing stands behind it in its draft. Restored headers are confirmed: it is a copy. */
function lastCopy({ pieces }: Draft, { position, size }: Previous): (Piece & { kind: "copy" }) | undefined {
  const last = pieces[pieces.length - 1];
  return last?.kind === "copy" && last.to === position + size ? last : undefined;
}
