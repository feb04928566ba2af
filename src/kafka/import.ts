/**
 * Takes over the partitions of a Kafka broker as a log: the batches as they are, at the offsets they have.
 *
 * @module
 */
import { emptyEnd, type End } from "../anchor/end.ts";
import { SlotFile } from "../anchor/slot_file.ts";
import { fillState, STATE_NAME, stateIdentity } from "../anchor/state.ts";
import { type BatchHeader, HEADER_BYTES, MAGIC_AT } from "../batch/format.ts";
import { asLogError, LogError } from "../errors.ts";
import { isTopic, shardDirectory, writeManifest } from "../log/manifest.ts";
import type { Engine } from "../options.ts";
import { indexPath, logPath } from "../segment/names.ts";
import type { Vfs } from "../vfs.ts";
import { makeEmpty } from "./handover_target.ts";
import { ImportRows } from "./import_rows.ts";
import { findSource, type SourcePartition } from "./import_source.ts";
import type { ImportedShard, ImportOptions, ImportReport } from "./import_types.ts";
import { type CopiedSegment, copySegment } from "./segment_copy.ts";

/** Imports on the given engine; `importFromKafka` of the entry calls it with the runtime's. */
export async function importSegments(
  engine: Engine,
  source: string,
  directory: string,
  options: ImportOptions,
): Promise<ImportReport> {
  const { topic, shard } = options;
  if (topic !== undefined && !isTopic(topic)) {
    throw new RangeError("Cannot import: topic must be 1–249 characters of a-z A-Z 0-9 . _ -, and not . or ..");
  }
  if (shard !== undefined && !(Number.isInteger(shard) && shard >= 0 && shard < 65_536)) {
    throw new RangeError("Cannot import: shard must be a whole number from 0 to 65535");
  }
  try {
    const found = await findSource(engine.vfs, source, topic, shard);
    await makeEmpty(engine.vfs, directory, "import into");
    const id = new Uint8Array(16);
    engine.random(id);
    const progress = { bytes: 0 };
    const shards: ImportedShard[] = [];
    for (const [number, partition] of found.partitions.entries()) {
      const target = shardDirectory(directory, found.topic, number);
      await engine.vfs.makeDirectory(target);
      shards.push(await new ShardImport(engine.vfs, partition, target, id, number, options, progress).run());
    }
    await engine.vfs.syncDirectory(directory);
    // The log is there once its manifest is.
    await writeManifest(engine.vfs, directory, { id, topic: found.topic, shards: shards.length });
    return { topic: found.topic, shards };
  } catch (error) {
    throw asLogError(error, `import ${source} into ${directory}`);
  }
}

class ShardImport {
  readonly #vfs: Vfs;
  readonly #source: SourcePartition;
  readonly #target: string;
  readonly #logId: Uint8Array;
  readonly #shard: number;
  readonly #options: ImportOptions;
  readonly #progress: { bytes: number };
  #next = -1;
  #epoch = 0;
  #holes = false;
  #batches = 0;
  #bytes = 0;
  #segments = 0;
  #tornBytes = 0;

  constructor(
    vfs: Vfs,
    source: SourcePartition,
    target: string,
    logId: Uint8Array,
    shard: number,
    options: ImportOptions,
    progress: { bytes: number },
  ) {
    this.#vfs = vfs;
    this.#source = source;
    this.#target = target;
    this.#logId = logId;
    this.#shard = shard;
    this.#options = options;
    this.#progress = progress;
  }

  async run(): Promise<ImportedShard> {
    const { bases, directory } = this.#source;
    let end: End | undefined;
    for (const [i, base] of bases.entries()) {
      const next = bases[i + 1];
      // Compaction leaves empty files. They hold nothing but their name, and only the first one's says where readers may begin.
      if (next !== undefined && i > 0 && await this.#isEmpty(base)) continue;
      if (next === undefined && base === this.#next && await this.#isEmpty(base)) break;
      end = await this.#segment(base, next);
    }
    // Without records there is no file either: only the offset counts.
    const nextOffset = end?.nextOffset ?? Math.max(this.#source.logStart, bases[bases.length - 1] ?? 0);
    const earliest = Math.min(nextOffset, Math.max(this.#source.logStart, end === undefined ? nextOffset : bases[0]));
    await this.#writeState(end, earliest);
    await this.#vfs.syncDirectory(this.#target);
    return {
      shard: this.#shard,
      source: directory,
      earliest,
      nextOffset,
      segments: this.#segments,
      batches: this.#batches,
      bytes: this.#bytes,
      holes: this.#holes,
      tornBytes: this.#tornBytes,
    };
  }

  async #isEmpty(base: number): Promise<boolean> {
    const file = await this.#vfs.open(logPath(this.#source.directory, base), "read");
    try {
      return await file.size() === 0;
    } finally {
      await file.close();
    }
  }

  async #segment(base: number, next: number | undefined): Promise<End> {
    const vfs = this.#vfs;
    const from = logPath(this.#source.directory, base);
    const to = logPath(this.#target, base);
    if (this.#next < 0) this.#next = base;
    if (base > this.#next) this.#holes = true;
    if (base < this.#next) {
      throw this.#damaged(from, 0, base, `it begins before ${this.#next}, where the one before it ends`);
    }
    this.#next = base;
    const identity = { logId: this.#logId, shard: this.#shard, base };
    const rows = await ImportRows.create(vfs, indexPath(this.#target, base), identity, emptyEnd(base));
    const { link, signal, onProgress } = this.#options;
    // The last segment is going to be written to: it is never shared.
    const linked = link !== undefined && next !== undefined;
    let copied: CopiedSegment;
    try {
      copied = await copySegment({
        vfs,
        from,
        to: linked ? undefined : to,
        end: undefined,
        signal,
        visit: async (bytes, at, header, position) => {
          this.#check(header, from, position, next);
          await rows.add(bytes, at, header, position);
          onProgress?.(this.#progress.bytes += header.bytes);
        },
      });
      if (copied.fault !== undefined && next !== undefined) {
        throw await this.#faultError(from, copied.bytes, copied.fault);
      }
      if (copied.fault !== undefined) await this.#refuseOldFormat(from, copied.bytes);
      await rows.finish(next !== undefined);
    } finally {
      await rows.close();
    }
    if (linked) await link(from, to);
    this.#segments++;
    this.#bytes += copied.bytes;
    this.#tornBytes = copied.rest;
    return rows.end;
  }

  #check(header: BatchHeader, from: string, position: number, next: number | undefined): void {
    const { baseOffset, lastOffset, epoch } = header;
    if (baseOffset < this.#next) {
      throw this.#damaged(from, position, baseOffset, `its base offset is ${baseOffset}, below ${this.#next}`);
    }
    if (next !== undefined && lastOffset >= next) {
      throw this.#damaged(from, position, baseOffset, `it ends at ${lastOffset}, behind the begin of the next segment`);
    }
    if (epoch < this.#epoch) {
      throw this.#damaged(from, position, baseOffset, `its leader epoch ${epoch} is below ${this.#epoch} before it`);
    }
    if (baseOffset > this.#next) this.#holes = true;
    this.#next = lastOffset + 1;
    this.#epoch = epoch;
    this.#batches++;
  }

  async #faultError(file: string, position: number, fault: string): Promise<LogError> {
    await this.#refuseOldFormat(file, position);
    return this.#damaged(file, position, this.#next, fault);
  }

  /** Messages of the formats before 0.11 have their magic byte in the same place. */
  async #refuseOldFormat(path: string, position: number): Promise<void> {
    const file = await this.#vfs.open(path, "read");
    const header = new Uint8Array(HEADER_BYTES);
    try {
      if (await file.read(header, position) <= MAGIC_AT) return;
    } finally {
      await file.close();
    }
    const isZero = header.every((byte) => byte === 0);
    if (isZero || header[MAGIC_AT] > 1) return;
    throw new LogError(
      "UNSUPPORTED",
      `Cannot import ${path}: it holds messages of format ${
        header[MAGIC_AT]
      }, older than Kafka 0.11; let a broker of version 3 ` +
        "rewrite the topic (compact it, or copy it to a new one)",
      { shard: this.#shard, file: path, position },
    );
  }

  async #writeState(end: End | undefined, logStart: number): Promise<void> {
    const path = `${this.#target}/${STATE_NAME}`;
    const file = await SlotFile.open(this.#vfs, path, stateIdentity(this.#logId, this.#shard));
    const epoch = this.#epoch;
    try {
      await file.write(
        epoch,
        (slot) =>
          fillState(slot, { epoch, epochStart: undefined, logStart, holes: this.#holes, hasTrims: false, clean: end }),
      );
      await file.sync();
    } finally {
      await file.close();
    }
  }

  #damaged(file: string, position: number, offset: number, what: string): LogError {
    return new LogError(
      "CORRUPT_BATCH",
      `Cannot import ${file}: the batch at offset ${offset}, position ${position}, is damaged: ${what}; ` +
        "take it from another replica",
      { shard: this.#shard, file, position, range: [offset, offset] },
    );
  }
}
