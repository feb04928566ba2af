/**
 * What a shard makes durable beside its commits: finished segments, and a bound on what is not synced.
 *
 * @module
 */
import type { End } from "../anchor/end.ts";
import type { SegmentWriter } from "../segment/segment_writer.ts";
import type { Vfs } from "../vfs.ts";

/** At most one finished segment and one sync of the current one at a time. A failure is told to whoever asks next, for ever. */
export class BackgroundSyncs {
  /** How far a sync of the current segment came; the next anchor says so. */
  reached: End | undefined = undefined;
  /** Entries of the directory changed and it was not synced since. */
  isDirectoryDirty = false;
  readonly #vfs: Vfs;
  readonly #directory: string;
  #failure: { readonly error: unknown } | undefined = undefined;
  /** Neither of the two ever rejects. */
  #sealing: Promise<void> | undefined = undefined;
  #syncing: Promise<void> | undefined = undefined;

  constructor(vfs: Vfs, directory: string) {
    this.#vfs = vfs;
    this.#directory = directory;
  }

  /** A sync of the current segment is under way. */
  get isSyncing(): boolean {
    return this.#syncing !== undefined;
  }

  /** The finished segment and the entry of the next one become durable; then its files are closed. */
  seal(finished: SegmentWriter): void {
    this.#sealing = this.#seal(finished);
  }

  /** What is written up to `written`, in `segment`, becomes durable. */
  sync(segment: SegmentWriter, written: End): void {
    this.#syncing = this.#sync(segment, written);
  }

  /** Throws what went wrong: nothing is acknowledged on top of what could not be synced. */
  assertSound(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Waits for what is under way. */
  async finished(): Promise<void> {
    await this.#syncing;
    await this.#sealing;
  }

  async syncDirectory(): Promise<void> {
    this.isDirectoryDirty = false;
    await this.#vfs.syncDirectory(this.#directory);
  }

  async #seal(finished: SegmentWriter): Promise<void> {
    try {
      try {
        await finished.sync();
        await this.#vfs.syncDirectory(this.#directory);
      } finally {
        await finished.close();
      }
    } catch (error) {
      this.#failure ??= { error };
    }
  }

  async #sync(segment: SegmentWriter, written: End): Promise<void> {
    try {
      // Nothing counts as synced behind a finished segment that is not.
      await this.#sealing;
      if (this.isDirectoryDirty) await this.syncDirectory();
      await segment.sync();
      if (this.#failure === undefined) this.reached = written;
    } catch (error) {
      this.#failure ??= { error };
    } finally {
      this.#syncing = undefined;
    }
  }
}
