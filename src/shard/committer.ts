/**
 * The files of a shard that is being written: commits chunks, syncs, rolls, closes. Everything here may fail; the shard
 * answers a failure by poisoning itself, and nothing here is called again.
 *
 * @module
 */
import { ANCHOR_NAME, anchorIdentity, fillAnchor, type InstanceIds } from "../anchor/anchor.ts";
import type { End } from "../anchor/end.ts";
import { SlotFile } from "../anchor/slot_file.ts";
import { readHeader } from "../batch/format.ts";
import type { ShardProducers } from "../idempotence/shard_producers.ts";
import type { IndexIdentity } from "../index/rows.ts";
import type { Body } from "../segment/body_writer.ts";
import type { SegmentWriter } from "../segment/segment_writer.ts";
import type { ShardTelemetry } from "../telemetry/shard_telemetry.ts";
import type { Clock, MaybePromise } from "../vfs.ts";
import { BackgroundSyncs } from "./background_syncs.ts";
import type { Chunk } from "./chunk.ts";
import { DirectOpening } from "./direct_opening.ts";
import { Ownership } from "./ownership.ts";
import { closeQuietly, continueSegment, createSegment, syncSegment } from "./segment_files.ts";
import { ShardState, type ShardStateOptions } from "./shard_state.ts";
import type { WriteModeChoice } from "./write_mode.ts";
import type { WrittenBatches } from "./written_batches.ts";

/** What a committer is told when it is made. */
export interface CommitterOptions extends ShardStateOptions {
  readonly clock: Clock;
  readonly instance: InstanceIds;
  readonly segmentBytes: number;
  readonly maxUnsyncedBytes: number;
  readonly writeMode: WriteModeChoice;
  readonly telemetry: ShardTelemetry;
  /** Where good data ends; its segment exists unless the shard holds no file. */
  readonly end: End;
  readonly synced: End;
  /** False where there is no `.log` of the end's segment yet. */
  readonly segmentExists: boolean;
  /** The end's segment and the one before it, where a process that ended may have left them unsynced. */
  readonly unsyncedSegments: readonly number[];
  /** Told of batches that were written, just before they are made known. Must not throw. */
  readonly onWritten?: (written: WrittenBatches) => void;
  readonly producers: ShardProducers;
}

/** Writes one shard's files. One call at a time. */
export class Committer {
  /** Where written data ends. */
  written: End;
  /** Where synced data ends. */
  synced: End;
  /** Something was written in this opening. */
  begun = false;
  readonly telemetry: ShardTelemetry;
  readonly state: ShardState;
  readonly #options: CommitterOptions;
  readonly #background: BackgroundSyncs;
  #segment: SegmentWriter | undefined = undefined;
  #anchor: SlotFile | undefined = undefined;
  readonly #direct: DirectOpening;
  readonly #ownership: Ownership;

  constructor(options: CommitterOptions) {
    this.#options = options;
    const { vfs, directory, maxUnsyncedBytes, telemetry } = options;
    this.telemetry = telemetry;
    this.#background = new BackgroundSyncs(vfs, directory, maxUnsyncedBytes, telemetry);
    this.written = options.end;
    this.state = new ShardState(options);
    this.synced = options.synced;
    this.#direct = new DirectOpening(vfs, directory, options.writeMode);
    this.#ownership = new Ownership(options.clock, options.shard);
  }

  /**
   * Writes a chunk: body, rows, anchor. `published` is called whenever `written` has moved, `rolled` with the size of each
   * segment that ended.
   */
  async commit(chunk: Chunk, published: () => void, rolled: (segmentBytes: number) => void): Promise<void> {
    if (!this.begun) await this.#begin();
    // A batch that a crash leaves although nobody was told of it is a producer's batch as well.
    if (this.#options.producers.noting !== undefined) await this.#options.producers.noting;
    const bytes = chunk.region.bytes;
    for (let from = chunk.from; from < chunk.sealed;) {
      let segment = this.#segment!;
      let room = segment.room(bytes, from, chunk.sealed, this.#options.segmentBytes);
      if (room === 0) {
        rolled(segment.end.position);
        segment = await this.#roll(readHeader(bytes, from).baseOffset);
        room = segment.room(bytes, from, chunk.sealed, this.#options.segmentBytes);
      }
      this.telemetry.writing(room, "cached");
      const settled = segment.body.settle(segment.body.write(bytes, from, from + room));
      if (settled instanceof Promise) await settled;
      await this.#finishBody(segment, chunk, from, from + room, published);
      from += room;
    }
  }

  /** Fails where another writer has come: asked before bytes go out, and again before they are made known. */
  checkOwner(): Promise<void> | undefined {
    return this.#ownership.check(this.state.file);
  }

  /**
   * True where a chunk can be written with one call: the files are open, nobody can have taken them over, no note has to be there first,
   * and its segment has room for all of it.
   */
  canSubmit(chunk: Chunk): boolean {
    if (this.#segment === undefined || !this.begun || !this.#ownership.isFresh) return false;
    if (this.#options.producers.noting !== undefined) return false;
    const { region, from, sealed } = chunk;
    return this.#segment.room(region.bytes, from, sealed, this.#options.segmentBytes) === sealed - from;
  }

  /** Starts to write a chunk's body. {@linkcode Committer.finish} follows, in the same order. */
  submit(chunk: Chunk): Body {
    const { writeMode } = this.#options;
    const writer = this.#segment!.body;
    const { region, from, sealed } = chunk;
    const bytes = sealed - from;
    let body: Body | undefined;
    writeMode.begun();
    // Memory of the pool begins at a page; any other need not.
    if (writeMode.choose(bytes) === "direct" && region.address !== -1) {
      if (!writer.hasDirect) this.#direct.open(this.#segment!);
      body = writer.writeDirect(region.bytes, from, sealed);
    }
    const mode = body === undefined ? "cached" : "direct";
    body ??= writer.write(region.bytes, from, sealed);
    this.telemetry.writing(bytes, mode);
    const ended = () => writeMode.ended(bytes, mode);
    if (body.done instanceof Promise) body.done.then(ended, ended);
    else ended();
    return body;
  }

  /** True where {@linkcode Committer.finish} has no write of a body to wait for. */
  isReady(body: Body): boolean {
    return this.#segment!.body.isReady(body);
  }

  /** Waits for a chunk's body; then rows, anchor, and `published`. */
  async finish(chunk: Chunk, body: Body, published: () => void): Promise<void> {
    const segment = this.#segment!;
    const settled = segment.body.settle(body);
    if (settled instanceof Promise) await settled;
    await this.#finishBody(segment, chunk, chunk.from, chunk.sealed, published);
  }

  async #finishBody(
    segment: SegmentWriter,
    { region: { bytes }, isKeyless = false }: Chunk,
    from: number,
    to: number,
    published: () => void,
  ): Promise<void> {
    const rows = segment.appendRows(bytes, from, to);
    if (rows instanceof Promise) await rows;
    this.#background.assertSound();
    const owned = this.checkOwner();
    if (owned !== undefined) await owned;
    const synced = this.#background.takeReached() ?? this.synced;
    const anchor = this.#writeAnchor(segment.end, synced);
    if (anchor instanceof Promise) await anchor;
    this.written = segment.end;
    this.synced = synced;
    this.telemetry.wrote(bytes, from, to);
    this.#background.wrote(to - from, segment, segment.end);
    const position = segment.end.position - (to - from);
    this.#options.onWritten?.({ bytes, from, to, segment: segment.identity.base, position, isKeyless });
    published();
  }

  /** Where the shard's files are and whose they are. */
  get place(): Pick<CommitterOptions, "vfs" | "directory" | "logId"> {
    return this.#options;
  }

  /** True where closing has something to make durable or to mark. */
  get needsClose(): boolean {
    return this.begun || (this.#options.segmentExists && this.#options.state.clean === undefined);
  }

  /** Makes durable what was written before the call. */
  async sync(): Promise<void> {
    const written = this.written;
    await this.#backgroundEnded();
    this.#background.takeReached();
    if (this.#background.isDirectoryDirty) await this.#background.syncDirectory();
    const { bytesWritten } = this.telemetry;
    const startedMs = this.telemetry.nowMs();
    await this.#segment!.sync();
    this.telemetry.synced(startedMs, bytesWritten);
    await this.checkOwner();
    await this.#writeAnchor(written, written);
    this.synced = written;
  }

  /** Syncs everything, marks the shard clean and frees the files. */
  async close(): Promise<void> {
    await this.begin();
    await this.sync();
    await this.state.save(this.written);
    await this.free();
  }

  /** Takes the first steps of an opening that writes, although there is nothing to write yet. */
  async begin(): Promise<void> {
    if (!this.begun) await this.#begin();
  }

  /** Writes a new log start, of which everything in front is synced. `state.startSynced` says when it is durable. */
  async writeStart(offset: number): Promise<void> {
    await this.begin();
    await this.checkOwner();
    await this.state.writeStart(offset);
  }

  syncDirectory(): Promise<void> {
    return this.#background.syncDirectory();
  }

  /** Files were removed: the next sync of the directory makes that durable, too. */
  entriesChanged(): void {
    this.#background.isDirectoryDirty = true;
  }

  /** Frees the files as they are. Failures are of no interest any more. */
  async free(): Promise<void> {
    await this.#background.finished();
    await this.#options.producers.settled();
    await this.#direct.settled;
    await closeQuietly([this.#segment, this.#anchor, this.state]);
    this.#segment = this.#anchor = undefined;
  }

  /**
   * Before the first byte goes into a `.log`: what stands there is durable, so is the epoch that begins behind it, and the clean mark
   * is gone.
   */
  async #begin(): Promise<void> {
    const { vfs, directory, logId, shard, end, unsyncedSegments } = this.#options;
    await this.state.open();
    for (const base of unsyncedSegments) await syncSegment(vfs, directory, base);
    await this.#options.producers.begin();
    await this.state.save(undefined);
    await this.#background.syncDirectory();
    this.#anchor = await SlotFile.open(vfs, `${directory}/${ANCHOR_NAME}`, anchorIdentity(logId, shard));
    this.synced = this.written;
    // Readers beside this writer find an anchor before there is anything that it does not publish yet.
    await this.#writeAnchor(this.written, this.synced);
    const identity: IndexIdentity = { logId, shard, base: end.segment };
    if (this.#options.segmentExists) {
      this.#segment = await continueSegment(vfs, directory, identity, end);
      this.#segment.watchIndex(() => this.telemetry.indexGivenUp(identity.base));
    } else {
      this.#segment = await this.#create(identity);
      this.telemetry.segments++;
      // A second segment must never be there without the first.
      await this.#background.syncDirectory();
    }
    this.begun = true;
  }

  async #create(identity: IndexIdentity): Promise<SegmentWriter> {
    const { vfs, directory } = this.#options;
    const created = await createSegment(vfs, directory, identity);
    created.watchIndex(() => this.telemetry.indexGivenUp(identity.base));
    this.#background.isDirectoryDirty = true;
    return created;
  }

  async #roll(base: number): Promise<SegmentWriter> {
    await this.#backgroundEnded();
    await this.#direct.settled;
    const finished = this.#segment!;
    await finished.seal();
    this.#segment = await this.#create({ ...finished.identity, base });
    this.#background.seal(finished);
    this.telemetry.rolled(base);
    this.#options.producers.rolled(base);
    return this.#segment;
  }

  /** A failure beside the commits is a failure of whoever rolls or syncs next. */
  async #backgroundEnded(): Promise<void> {
    await this.#background.finished();
    this.#background.assertSound();
  }

  #writeAnchor(written: End, synced: End): MaybePromise<void> {
    const { epoch, instance } = this.#options;
    return this.#anchor!.write(epoch, (slot) => fillAnchor(slot, instance, written, synced));
  }
}
