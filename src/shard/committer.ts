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
import type { IndexIdentity } from "../index/rows.ts";
import { logPath } from "../segment/names.ts";
import type { Body } from "../segment/body_writer.ts";
import type { SegmentWriter } from "../segment/segment_writer.ts";
import type { Clock, MaybePromise, VfsFile } from "../vfs.ts";
import { BackgroundSyncs } from "./background_syncs.ts";
import type { Chunk } from "./chunk.ts";
import { Ownership } from "./ownership.ts";
import { continueSegment, createSegment, syncSegment } from "./segment_files.ts";
import { ShardState, type ShardStateOptions } from "./shard_state.ts";
import type { WriteModeChoice } from "./write_mode.ts";

/** What a committer is told when it is made. */
export interface CommitterOptions extends ShardStateOptions {
  readonly clock: Clock;
  readonly instance: InstanceIds;
  readonly segmentBytes: number;
  readonly maxUnsyncedBytes: number;
  readonly writeMode: WriteModeChoice;
  /** Where good data ends; its segment exists unless the shard holds no file. */
  readonly end: End;
  readonly synced: End;
  /** False where there is no `.log` of the end's segment yet. */
  readonly segmentExists: boolean;
  /** The end's segment and the one before it, where a process that ended may have left them unsynced. */
  readonly unsyncedSegments: readonly number[];
}

/** Writes one shard's files. One call at a time. */
export class Committer {
  /** Where written data ends. */
  written: End;
  /** Where synced data ends. */
  synced: End;
  /** Something was written in this opening. */
  begun = false;
  readonly state: ShardState;
  readonly #options: CommitterOptions;
  readonly #background: BackgroundSyncs;
  #segment: SegmentWriter | undefined = undefined;
  #anchor: SlotFile | undefined = undefined;
  /** Resolves once the segment's second handle is there, or refused. */
  #openingDirect: Promise<void> | undefined = undefined;
  readonly #ownership: Ownership;

  constructor(options: CommitterOptions) {
    this.#options = options;
    this.#background = new BackgroundSyncs(options.vfs, options.directory, options.maxUnsyncedBytes);
    this.written = options.end;
    this.state = new ShardState(options);
    this.synced = options.synced;
    this.#ownership = new Ownership(options.clock, options.shard);
  }

  /**
   * Writes a chunk: body, rows, anchor. `published` is called whenever `written` has moved, `rolled` with the size of each
   * segment that ended.
   */
  async commit(chunk: Chunk, published: () => void, rolled: (segmentBytes: number) => void): Promise<void> {
    if (!this.begun) await this.#begin();
    const bytes = chunk.region.bytes;
    for (let from = chunk.from; from < chunk.sealed;) {
      let segment = this.#segment!;
      let room = segment.room(bytes, from, chunk.sealed, this.#options.segmentBytes);
      if (room === 0) {
        rolled(segment.end.position);
        segment = await this.#roll(readHeader(bytes, from).baseOffset);
        room = segment.room(bytes, from, chunk.sealed, this.#options.segmentBytes);
      }
      const settled = segment.body.settle(segment.body.write(bytes, from, from + room));
      if (settled instanceof Promise) await settled;
      await this.#finishBody(segment, bytes, from, from + room, published);
      from += room;
    }
  }

  /** Fails where another writer has come: asked before bytes go out, and again before they are made known. */
  checkOwner(): Promise<void> | undefined {
    return this.#ownership.check(this.state.file);
  }

  /**
   * True where a chunk can be written with one call: the files are open, nobody can have taken them over, and its segment has room
   * for all of it.
   */
  canSubmit(chunk: Chunk): boolean {
    if (this.#segment === undefined || !this.begun || !this.#ownership.isFresh) return false;
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
      if (!writer.hasDirect) this.#openDirect(this.#segment!);
      body = writer.writeDirect(region.bytes, from, sealed);
    }
    const mode = body === undefined ? "cached" : "direct";
    body ??= writer.write(region.bytes, from, sealed);
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
    await this.#finishBody(segment, chunk.region.bytes, chunk.from, chunk.sealed, published);
  }

  async #finishBody(
    segment: SegmentWriter,
    bytes: Uint8Array,
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
    this.#background.wrote(to - from, segment, segment.end);
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
    await this.#segment!.sync();
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

  /** Puts a file that is synced in the place of another one, durably. Answers why it was not renamed; nothing has changed then. */
  async replace(from: string, to: string): Promise<unknown> {
    await this.begin();
    await this.checkOwner();
    try {
      await this.#options.vfs.rename(from, to);
    } catch (error) {
      return error;
    }
    await this.#background.syncDirectory();
    return undefined;
  }

  /** Files were removed: the next sync of the directory makes that durable, too. */
  entriesChanged(): void {
    this.#background.isDirectoryDirty = true;
  }

  /** Frees the files as they are. Failures are of no interest any more. */
  async free(): Promise<void> {
    await this.#background.finished();
    await this.#openingDirect;
    for (const file of [this.#segment, this.#anchor, this.state]) {
      try {
        await file?.close();
      } catch {
        // Closing makes nothing durable and loses nothing.
      }
    }
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
    await this.state.save(undefined);
    await this.#background.syncDirectory();
    this.#anchor = await SlotFile.open(vfs, `${directory}/${ANCHOR_NAME}`, anchorIdentity(logId, shard));
    this.synced = this.written;
    // Readers beside this writer find an anchor before there is anything that it does not publish yet.
    await this.#writeAnchor(this.written, this.synced);
    const identity: IndexIdentity = { logId, shard, base: end.segment };
    if (this.#options.segmentExists) {
      this.#segment = await continueSegment(vfs, directory, identity, end);
    } else {
      this.#segment = await this.#create(identity);
      // A second segment must never be there without the first.
      await this.#background.syncDirectory();
    }
    this.begun = true;
  }

  async #create(identity: IndexIdentity): Promise<SegmentWriter> {
    const { vfs, directory } = this.#options;
    const created = await createSegment(vfs, directory, identity);
    this.#background.isDirectoryDirty = true;
    return created;
  }

  /** Until it is open, and where it cannot be opened, the page cache does as well. */
  #openDirect(segment: SegmentWriter): void {
    if (this.#openingDirect !== undefined) return;
    const { vfs, directory, writeMode } = this.#options;
    let opened: MaybePromise<VfsFile>;
    try {
      opened = vfs.open(logPath(directory, segment.identity.base), "write", { direct: true });
    } catch {
      return writeMode.refuse();
    }
    if (!(opened instanceof Promise)) return segment.body.useDirect(opened);
    this.#openingDirect = opened.then((file) => segment.body.useDirect(file), () => writeMode.refuse()).finally(() => {
      this.#openingDirect = undefined;
    });
  }

  async #roll(base: number): Promise<SegmentWriter> {
    await this.#backgroundEnded();
    await this.#openingDirect;
    const finished = this.#segment!;
    await finished.seal();
    this.#segment = await this.#create({ ...finished.identity, base });
    this.#background.seal(finished);
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
