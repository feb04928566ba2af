/**
 * What a shard makes durable beside its commits: finished segments, and a bound on what is not synced.
 *
 * @module
 */
import type { End } from "../anchor/end.ts";
import type { SegmentWriter } from "../segment/segment_writer.ts";
import type { ShardTelemetry } from "../telemetry/shard_telemetry.ts";
import type { Vfs } from "../vfs.ts";

/** At most one finished segment and one sync of the current one at a time. A failure is told to whoever asks next, for ever. */
export class BackgroundSyncs {
  /** Entries of the directory changed and it was not synced since. */
  isDirectoryDirty = false;
  readonly #vfs: Vfs;
  readonly #directory: string;
  readonly #maxUnsyncedBytes: number;
  readonly #telemetry: ShardTelemetry;
  /** Bytes written since the last sync of the current segment that was begun here. */
  #unsyncedBytes = 0;
  /** How far that sync came. */
  #reached: End | undefined = undefined;
  #failure: { readonly error: unknown } | undefined = undefined;
  /** Neither of the two ever rejects. */
  #sealing: Promise<void> | undefined = undefined;
  #syncing: Promise<void> | undefined = undefined;

  constructor(vfs: Vfs, directory: string, maxUnsyncedBytes: number, telemetry: ShardTelemetry) {
    this.#telemetry = telemetry;
    this.#vfs = vfs;
    this.#directory = directory;
    this.#maxUnsyncedBytes = maxUnsyncedBytes;
  }

  /** The finished segment and the entry of the next one become durable; then its files are closed. */
  seal(finished: SegmentWriter): void {
    this.#sealing = this.#seal(finished);
  }

  /** More was written, up to `written` in `segment`: it is made durable once it exceeds the bound. */
  wrote(bytes: number, segment: SegmentWriter, written: End): void {
    this.#unsyncedBytes += bytes;
    if (this.#unsyncedBytes <= this.#maxUnsyncedBytes || this.#syncing !== undefined) return;
    this.#unsyncedBytes = 0;
    this.#syncing = this.#sync(segment, written);
  }

  /** How far syncs came since the last question. The next anchor says so. */
  takeReached(): End | undefined {
    const reached = this.#reached;
    this.#reached = undefined;
    return reached;
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
    const { bytesWritten } = this.#telemetry;
    const startedMs = this.#telemetry.nowMs();
    try {
      try {
        await finished.sync();
        await this.#vfs.syncDirectory(this.#directory);
        this.#telemetry.synced(startedMs, bytesWritten);
      } finally {
        await finished.close();
      }
    } catch (error) {
      this.#failed(error);
    }
  }

  async #sync(segment: SegmentWriter, written: End): Promise<void> {
    const { bytesWritten } = this.#telemetry;
    try {
      // Nothing counts as synced behind a finished segment that is not.
      await this.#sealing;
      if (this.isDirectoryDirty) await this.syncDirectory();
      const startedMs = this.#telemetry.nowMs();
      await segment.sync();
      this.#telemetry.synced(startedMs, bytesWritten);
      if (this.#failure === undefined) this.#reached = written;
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#syncing = undefined;
    }
  }

  #failed(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    this.#telemetry.backgroundFailed(error);
  }
}
