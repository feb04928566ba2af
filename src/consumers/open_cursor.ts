/**
 * A consumer that this process advances: its lock, its file, its commits one after the other.
 *
 * @module
 */
import { asLogError, LogError } from "../errors.ts";
import type { Rung } from "../options.ts";
import type { ShardView } from "../read/shard_view.ts";
import { type Vfs, VfsError, type VfsLock } from "../vfs.ts";
import { CursorFile } from "./cursor_file.ts";
import type { CursorIdentity } from "./cursor_slots.ts";
import type { CommitEntry } from "./membership.ts";
import { cursorFileName } from "./names.ts";
import type { ClampEvent } from "./types.ts";

/** The log that consumers belong to. */
export interface CursorContext {
  readonly vfs: Vfs;
  readonly directory: string;
  readonly logId: Uint8Array;
  readonly durability: Rung;
  readonly views: readonly ShardView[];
  /** Nobody knows where the records of a damaged shard end. */
  readonly isDamaged: (shard: number) => boolean;
  /** Notes who took a lock, in the file of this name. */
  readonly writeOwner: (name: string) => Promise<void>;
  /** Who took it last, as far as that is known. */
  readonly ownerOf: (name: string) => Promise<string | undefined>;
}

/** See above. */
export class OpenCursor {
  readonly name: string;
  /** Offsets that stood behind the end. */
  readonly clamps: readonly ClampEvent[];
  readonly #context: CursorContext;
  readonly #lock: VfsLock;
  readonly #file: CursorFile;
  /** What is acknowledged. */
  #committed: number[];
  /** What is to be. */
  readonly #wanted: number[];
  #failure: Error | undefined = undefined;
  #isClosed = false;
  /** The write under way, and the one behind it, which takes along everything wanted until it begins. */
  #writing: Promise<void> | undefined = undefined;
  #following: Promise<void> | undefined = undefined;

  private constructor(context: CursorContext, name: string, lock: VfsLock, file: CursorFile, clamps: ClampEvent[]) {
    this.#context = context;
    this.name = name;
    this.#lock = lock;
    this.#file = file;
    this.clamps = clamps;
    this.#committed = [...file.offsets];
    this.#wanted = [...file.offsets];
  }

  /** Offset of the next record to read, by shard. */
  get committed(): readonly number[] {
    return this.#committed;
  }

  /**
   * Opens a consumer, or creates it.
   *
   * @throws {LogError} `LOCKED` where somebody else has it; `CORRUPT_FILE`, `CONFLICT`, `READ_ONLY`, `IO`
   */
  static async open(context: CursorContext, name: string, from: "earliest" | "latest"): Promise<OpenCursor> {
    const { vfs, directory, logId, views } = context;
    const lock = await lockConsumer(context, name);
    try {
      const identity: CursorIdentity = { logId, shards: views.length, name };
      for (const view of views) await view.publication.refresh();
      const file = await CursorFile.open(vfs, directory, identity) ??
        await CursorFile.create(vfs, directory, identity, views.map(({ publication }) => startOf(publication, from)));
      const clamps: ClampEvent[] = [];
      try {
        const ends = views.map(({ id, publication }) => context.isDamaged(id) ? Infinity : publication.end.nextOffset);
        await clampFile(file, name, ends, clamps);
        // What a killed process wrote and did not sync counts as committed from now on.
        if (context.durability === "disk") await file.sync();
      } catch (error) {
        await file.close();
        throw error;
      }
      return new OpenCursor(context, name, lock, file, clamps);
    } catch (error) {
      await lock.release();
      throw asLogError(error, `open the consumer ${name}`);
    }
  }

  /** Writes next offsets; resolves on the log's rung. Commits that come while one is written go together. */
  async commit(entries: readonly CommitEntry[]): Promise<void> {
    if (this.#failure !== undefined) throw this.#poisoned();
    if (this.#isClosed) throw new LogError("CLOSED", `Cannot commit for the consumer ${this.name}: its log is closed`);
    for (const { shard, next } of entries) await this.#check(shard, next);
    // Commits may overtake each other: the furthest one counts.
    for (const { shard, next } of entries) this.#wanted[shard] = Math.max(this.#wanted[shard], next);
    if (this.#writing === undefined && this.#following === undefined) await this.#write();
    else await (this.#following ??= this.#writing!.catch(() => {}).then(() => this.#write()));
  }

  /** What its file holds is not known any more. */
  get isPoisoned(): boolean {
    return this.#failure !== undefined;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await (this.#following ?? this.#writing)?.catch(() => {});
    try {
      try {
        await this.#file.close();
      } finally {
        await this.#lock.release();
      }
    } catch (error) {
      throw asLogError(error, `close the consumer ${this.name}`);
    }
  }

  #write(): Promise<void> {
    this.#following = undefined;
    const task = this.#writeNow();
    this.#writing = task;
    const done = (): void => {
      if (this.#writing === task) this.#writing = undefined;
    };
    task.then(done, done);
    return task;
  }

  async #writeNow(): Promise<void> {
    if (this.#failure !== undefined) throw this.#poisoned();
    const offsets = [...this.#wanted];
    try {
      await this.#file.write(offsets, this.#context.durability);
    } catch (error) {
      // What the file holds is not known any more, and a sync that failed proves nothing when it succeeds later.
      this.#failure = asLogError(error, `commit for the consumer ${this.name}`);
      throw this.#failure;
    }
    this.#committed = offsets;
  }

  async #check(shard: number, next: number): Promise<void> {
    const { publication } = this.#context.views[shard];
    if (next > publication.end.nextOffset) await publication.refresh();
    const { nextOffset } = publication.end;
    if (Number.isSafeInteger(next) && next >= 0 && next <= nextOffset) return;
    throw new LogError(
      "OFFSET_OUT_OF_RANGE",
      `Cannot commit offset ${
        next - 1
      } of shard ${shard} for the consumer ${this.name}: its records end before ${nextOffset}`,
      { shard, range: [0, nextOffset] },
    );
  }

  #poisoned(): LogError {
    const message = `Cannot commit for the consumer ${this.name}: its file could not be written; open the log again`;
    return new LogError("POISONED", message, { file: this.#file.path, cause: this.#failure });
  }
}

/**
 * Moves offsets that stand behind the end back to it, durably and in both copies: what is appended there must be delivered.
 */
export async function clampFile(
  file: CursorFile,
  name: string,
  ends: readonly number[],
  clamps: ClampEvent[],
): Promise<void> {
  const offsets = [...file.offsets];
  for (const [shard, end] of ends.entries()) {
    if (offsets[shard] <= end) continue;
    clamps.push({ consumer: name, shard, from: offsets[shard], to: end });
    offsets[shard] = end;
  }
  await file.write(offsets, "disk", true);
}

/** Takes the lock of a consumer: exactly one process advances it, however it has opened the log. */
export async function lockConsumer(
  { vfs, directory, writeOwner, ownerOf }: Pick<CursorContext, "vfs" | "directory" | "writeOwner" | "ownerOf">,
  name: string,
): Promise<VfsLock> {
  const file = cursorFileName(name);
  const path = `${directory}/${file}.lock`;
  try {
    const lock = await vfs.lock(path, "exclusive");
    await writeOwner(`${file}.owner`);
    return lock;
  } catch (error) {
    if (!(error instanceof VfsError)) throw error;
    if (error.code === "PERMISSION") {
      const message =
        `Cannot open the consumer ${name}: its files in ${directory} cannot be written; grant this program access to them`;
      throw new LogError("READ_ONLY", message, { file: path, cause: error });
    }
    if (error.code !== "BUSY") throw asLogError(error, `open the consumer ${name}`);
    const who = await ownerOf(`${file}.owner`) ?? "another process";
    throw new LogError(
      "LOCKED",
      `Cannot open the consumer ${name}: ${who} has it; close it there, or use another name`,
      {
        file: path,
        cause: error,
      },
    );
  }
}

function startOf(publication: ShardView["publication"], from: "earliest" | "latest"): number {
  return from === "latest" ? publication.end.nextOffset : publication.earliest;
}
