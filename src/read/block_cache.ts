/**
 * Random reads: verified pieces of the shards' `.log` files that were read lately.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import { logPath } from "../segment/names.ts";
import type { MaybePromise, VfsFile } from "../vfs.ts";
import { Block } from "./block.ts";
import type { ShardView } from "./shard_view.ts";
import type { StoredRecord } from "./stored_record.ts";

/** Memory for the blocks of all shards of a log. */
const MAX_CACHED_BYTES: number = 16 * 1024 * 1024;
/** Files that are kept open for the next read. Opening one takes as long as reading a batch from it. */
const MAX_FILES = 4;

/** A block and whose it is. */
interface Entry {
  readonly block: Block;
  readonly shard: Map<number, Entry>;
}

/**
 * Serves the readers of few records. It answers only where all is well: what is missing, damaged or in any way unusual is left to an
 * ordinary reader, which then says what it is.
 */
export class BlockCache {
  readonly #codecs: Codecs;
  readonly #maxBytes: number;
  /** By shard and first offset. */
  readonly #shards = new Map<number, Map<number, Entry>>();
  /** The one that was used last stands at the end. */
  readonly #entries = new Set<Entry>();
  #newest: Entry | undefined = undefined;
  #bytes = 0;
  /** By path; the one that was used last stands at the end. */
  readonly #files = new Map<string, VfsFile>();
  #isClosed = false;
  /** Blocks are read one after the other: nobody closes a file that somebody reads from. */
  #reading: Promise<unknown> = Promise.resolve();

  constructor(codecs: Codecs, maxBytes: number = MAX_CACHED_BYTES) {
    this.#codecs = codecs;
    this.#maxBytes = maxBytes;
  }

  /** Memory in use, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * The records from `offset` on that one block holds, at most `limit`.
   *
   * @returns `undefined` where this is a matter for an ordinary reader.
   */
  read(view: ShardView, offset: number, limit: number): MaybePromise<StoredRecord[] | undefined> {
    if (offset < view.publication.earliest || this.#isClosed) return undefined;
    const index = view.loadedFor(offset);
    if (index !== undefined) {
      const { samples } = index;
      const at = samples.findOffset(offset);
      const entry = at < 0 ? undefined : this.#shards.get(view.id)?.get(samples.sample(at).baseOffset);
      if (entry !== undefined && offset < entry.block.to) {
        this.#touch(entry);
        return entry.block.records(view.id, offset, limit);
      }
    }
    return this.#readBlock(view, offset, limit);
  }

  /** Closes the files and forgets everything. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#reading;
    this.#shards.clear();
    this.#entries.clear();
    this.#newest = undefined;
    this.#bytes = 0;
    const files = [...this.#files.values()];
    this.#files.clear();
    for (const file of files) await this.#closeFile(file);
  }

  async #readBlock(view: ShardView, offset: number, limit: number): Promise<StoredRecord[] | undefined> {
    const before = this.#reading;
    const task = (async () => {
      await before;
      try {
        return await this.#load(view, offset);
      } catch {
        // An ordinary reader meets it, too, and knows what to say.
        return undefined;
      }
    })();
    this.#reading = task;
    return (await task)?.records(view.id, offset, limit);
  }

  async #load(view: ShardView, offset: number): Promise<Block | undefined> {
    if (this.#isClosed || offset >= view.publication.end.nextOffset) return undefined;
    let index = view.loadedFor(offset);
    const base = await view.baseOf(offset);
    await this.#closeDropped(view);
    if (base === undefined || base > offset) return undefined;
    index ??= await view.index(base);
    const { samples } = index;
    const at = samples.findOffset(offset);
    if (at < 0 || offset >= index.nextOffset) return undefined;
    const { position, baseOffset } = samples.sample(at);
    const end = at + 1 < samples.length ? samples.sample(at + 1).position : index.position;
    // One piece may not push everything else out.
    if (end - position > this.#maxBytes / 4) return undefined;
    const bytes = new Uint8Array(end - position);
    const file = await this.#open(view, base);
    const read = file.read(bytes, position);
    if ((typeof read === "number" ? read : await read) < bytes.length) return undefined;
    const block = Block.read(bytes, baseOffset, view.holes, this.#codecs);
    if (block !== undefined && !this.#isClosed) this.#keep(view.id, block);
    return block;
  }

  #keep(id: number, block: Block): void {
    let shard = this.#shards.get(id);
    if (shard === undefined) this.#shards.set(id, shard = new Map());
    const old = shard.get(block.from);
    if (old !== undefined) this.#drop(old);
    const entry: Entry = { block, shard };
    shard.set(block.from, entry);
    this.#entries.add(entry);
    this.#newest = entry;
    this.#bytes += block.byteLength;
    for (const oldest of this.#entries) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#drop(oldest);
    }
  }

  #drop(entry: Entry): void {
    this.#entries.delete(entry);
    entry.shard.delete(entry.block.from);
    this.#bytes -= entry.block.byteLength;
  }

  #touch(entry: Entry): void {
    if (this.#newest === entry) return;
    this.#newest = entry;
    this.#entries.delete(entry);
    this.#entries.add(entry);
  }

  /** A file that is open takes space on the disk although its segment was dropped. */
  async #closeDropped(view: ShardView): Promise<void> {
    const first = logPath(view.directory, (await view.bases())[0] ?? 0);
    for (const [path, file] of this.#files) {
      if (!path.startsWith(`${view.directory}/`) || path >= first) continue;
      this.#files.delete(path);
      await this.#closeFile(file);
    }
  }

  async #open(view: ShardView, base: number): Promise<VfsFile> {
    const path = logPath(view.directory, base);
    let file = this.#files.get(path);
    if (file !== undefined) {
      this.#files.delete(path);
    } else {
      for (const [oldest, other] of this.#files) {
        if (this.#files.size < MAX_FILES) break;
        this.#files.delete(oldest);
        await this.#closeFile(other);
      }
      file = await view.vfs.open(path, "read");
    }
    this.#files.set(path, file);
    return file;
  }

  async #closeFile(file: VfsFile): Promise<void> {
    try {
      await file.close();
    } catch {
      // What was read stays read.
    }
  }
}
