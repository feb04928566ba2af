/**
 * The files of a shard that is being written: commits chunks, syncs, rolls, closes. Everything here may fail; the shard
 * answers a failure by poisoning itself, and nothing here is called again.
 *
 * @module
 */
import { ANCHOR_NAME, anchorIdentity, fillAnchor, type InstanceIds } from "../anchor/anchor.ts";
import type { End } from "../anchor/end.ts";
import { SlotFile } from "../anchor/slot_file.ts";
import { fillState, type State, STATE_NAME, stateIdentity } from "../anchor/state.ts";
import { readHeader } from "../batch/format.ts";
import type { IndexIdentity } from "../index/rows.ts";
import { indexPath, logPath } from "../segment/names.ts";
import { SegmentWriter } from "../segment/segment_writer.ts";
import { type MaybePromise, type Vfs, VfsError, type VfsFile } from "../vfs.ts";
import type { Chunk } from "./append_buffer.ts";

/** What a committer is told when it is made. */
export interface CommitterOptions {
  readonly vfs: Vfs;
  readonly directory: string;
  readonly logId: Uint8Array;
  readonly shard: number;
  readonly instance: InstanceIds;
  readonly segmentBytes: number;
  /** The state as found, or as it will be; its epoch is the one before this opening's. */
  readonly state: State;
  /** Epoch of the batches of this opening. */
  readonly epoch: number;
  /** Where good data ends; its segment exists unless the shard holds no file. */
  readonly end: End;
  readonly synced: End;
  /** False where there is no `.log` of the end's segment yet. */
  readonly segmentExists: boolean;
  /** The segment before the end's, where a process that ended may have left it unsynced. */
  readonly unsyncedSegment: number | undefined;
}

/** Writes one shard's files. One call at a time. */
export class Committer {
  /** Where written data ends. */
  written: End;
  /** Where synced data ends. */
  synced: End;
  /** Something was written in this opening. */
  begun = false;
  readonly #options: CommitterOptions;
  #segment: SegmentWriter | undefined = undefined;
  #anchor: SlotFile | undefined = undefined;
  #state: SlotFile | undefined = undefined;
  /** Entries of the directory changed and it was not synced since. */
  #directoryDirty = false;
  /** The sync of the segment before, while it runs. It never rejects. */
  #sealing: Promise<void> | undefined = undefined;
  #sealError: { readonly error: unknown } | undefined = undefined;

  constructor(options: CommitterOptions) {
    this.#options = options;
    this.written = options.end;
    this.synced = options.synced;
  }

  /** Writes a chunk: body, rows, anchor. `published` is called whenever `written` has moved. */
  async commit(chunk: Chunk, published: () => void): Promise<void> {
    if (!this.begun) await this.#begin();
    const bytes = chunk.region.bytes;
    for (let from = 0; from < chunk.sealed;) {
      let segment = this.#segment!;
      let room = segment.room(bytes, from, chunk.sealed, this.#options.segmentBytes);
      if (room === 0) {
        segment = await this.#roll(readHeader(bytes, from).baseOffset);
        room = segment.room(bytes, from, chunk.sealed, this.#options.segmentBytes);
      }
      const body = segment.appendBody(bytes, from, from + room);
      if (body instanceof Promise) await body;
      const finished = this.#finishBody(segment, bytes, from, from + room, published);
      if (finished instanceof Promise) await finished;
      from += room;
    }
  }

  /** True where a chunk can be written with one call: the files are open and its segment has room for all of it. */
  canSubmit(chunk: Chunk): boolean {
    if (this.#segment === undefined || !this.begun) return false;
    return this.#segment.room(chunk.region.bytes, 0, chunk.sealed, this.#options.segmentBytes) === chunk.sealed;
  }

  /** Starts the one write of a chunk's body. {@linkcode Committer.finish} follows, in the same order. */
  submit(chunk: Chunk): MaybePromise<void> {
    return this.#segment!.appendBody(chunk.region.bytes, 0, chunk.sealed);
  }

  /** Once its body is written: rows, anchor, and `published`. */
  finish(chunk: Chunk, published: () => void): MaybePromise<void> {
    return this.#finishBody(this.#segment!, chunk.region.bytes, 0, chunk.sealed, published);
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
    // Nothing is acknowledged on top of a finished segment that could not be synced.
    if (this.#sealError !== undefined) throw this.#sealError.error;
    const anchor = this.#writeAnchor(segment.end, this.synced);
    if (anchor instanceof Promise) await anchor;
    this.written = segment.end;
    published();
  }

  /** True where closing has something to make durable or to mark. */
  get needsClose(): boolean {
    return this.begun || (this.#options.segmentExists && this.#options.state.clean === undefined);
  }

  /** Makes durable what was written before the call. */
  async sync(): Promise<void> {
    const written = this.written;
    await this.#sealed();
    if (this.#directoryDirty) await this.#syncDirectory();
    await this.#segment!.sync();
    await this.#writeAnchor(written, written);
    this.synced = written;
  }

  /** Syncs everything, marks the shard clean and frees the files. */
  async close(): Promise<void> {
    await this.begin();
    await this.sync();
    const { epoch, state } = this.#options;
    await this.#state!.write(epoch, (slot) => fillState(slot, { ...state, clean: this.written }));
    await this.#state!.sync();
    await this.free();
  }

  /** Takes the first steps of an opening that writes, although there is nothing to write yet. */
  async begin(): Promise<void> {
    if (!this.begun) await this.#begin();
  }

  /** Frees the files as they are. Failures are of no interest any more. */
  async free(): Promise<void> {
    await this.#sealing;
    for (const file of [this.#segment, this.#anchor, this.#state]) {
      try {
        await file?.close();
      } catch {
        // Closing makes nothing durable and loses nothing.
      }
    }
    this.#segment = this.#anchor = this.#state = undefined;
  }

  /** Before the first byte goes into a `.log`: the raised epoch is durable and the clean mark is gone. */
  async #begin(): Promise<void> {
    const { vfs, directory, logId, shard, state, epoch, end } = this.#options;
    this.#state = await SlotFile.open(vfs, `${directory}/${STATE_NAME}`, stateIdentity(logId, shard));
    await this.#state.write(epoch, (slot) => fillState(slot, { ...state, clean: undefined }));
    await this.#state.sync();
    await this.#syncDirectory();
    this.#anchor = await SlotFile.open(vfs, `${directory}/${ANCHOR_NAME}`, anchorIdentity(logId, shard));
    // Readers beside this writer find an anchor before there is anything that it does not publish yet.
    await this.#writeAnchor(this.written, this.synced);
    // Whoever began it is gone, and from here on only the last segment is taken for unsynced.
    if (this.#options.unsyncedSegment !== undefined) await this.#syncSegment(this.#options.unsyncedSegment);
    const identity: IndexIdentity = { logId, shard, base: end.segment };
    if (this.#options.segmentExists) {
      const log = await vfs.open(logPath(directory, end.segment), "write");
      this.#segment = new SegmentWriter(identity, log, await this.#openIndex(end.segment, "write"), end);
    } else {
      this.#segment = await this.#create(identity);
      // A second segment must never be there without the first.
      await this.#syncDirectory();
    }
    this.begun = true;
  }

  async #syncSegment(base: number): Promise<void> {
    const log = await this.#options.vfs.open(logPath(this.#options.directory, base), "write");
    try {
      await log.sync();
    } finally {
      await log.close();
    }
  }

  async #create(identity: IndexIdentity): Promise<SegmentWriter> {
    const { vfs, directory } = this.#options;
    const log = await vfs.open(logPath(directory, identity.base), "create");
    this.#directoryDirty = true;
    return await SegmentWriter.begin(identity, log, await this.#openIndex(identity.base, "create"));
  }

  /** An index that cannot be opened never stops a log. */
  async #openIndex(base: number, mode: "write" | "create"): Promise<VfsFile | undefined> {
    const path = indexPath(this.#options.directory, base);
    try {
      return await this.#options.vfs.open(path, mode);
    } catch (error) {
      if (!(error instanceof VfsError)) throw error;
      if (error.code !== "EXISTS") return undefined;
    }
    // Left behind by a segment that recovery took away: it says nothing about the new one.
    try {
      await this.#options.vfs.remove(path);
      return await this.#options.vfs.open(path, "create");
    } catch {
      return undefined;
    }
  }

  async #roll(base: number): Promise<SegmentWriter> {
    await this.#sealed();
    const finished = this.#segment!;
    await finished.seal();
    this.#segment = await this.#create({ ...finished.identity, base });
    this.#sealing = this.#makeDurable(finished).catch((error: unknown) => {
      this.#sealError = { error };
    });
    return this.#segment;
  }

  /** In the background: the finished segment and the entry of the next one become durable. */
  async #makeDurable(finished: SegmentWriter): Promise<void> {
    try {
      await finished.sync();
      await this.#options.vfs.syncDirectory(this.#options.directory);
    } finally {
      await finished.close();
    }
  }

  /** Waits for the background sync; its failure is a failure of whoever commits, rolls or syncs next. */
  async #sealed(): Promise<void> {
    await this.#sealing;
    this.#sealing = undefined;
    if (this.#sealError !== undefined) throw this.#sealError.error;
  }

  async #syncDirectory(): Promise<void> {
    this.#directoryDirty = false;
    await this.#options.vfs.syncDirectory(this.#options.directory);
  }

  #writeAnchor(written: End, synced: End): MaybePromise<void> {
    const { epoch, instance } = this.#options;
    return this.#anchor!.write(epoch, (slot) => fillAnchor(slot, instance, written, synced));
  }
}
