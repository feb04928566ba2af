/**
 * Changing a consumer from outside: saying anew where it goes on, and removing it.
 *
 * @module
 */
import { asLogError, LogError } from "../errors.ts";
import { CursorFile, readCursor } from "./cursor_file.ts";
import type { CursorIdentity } from "./cursor_slots.ts";
import { checkName, cursorFileName } from "./names.ts";
import { type CursorContext, lockConsumer } from "./open_cursor.ts";

/** Where a consumer is to go on. */
export interface ResetOptions {
  readonly to: "earliest" | "latest" | number;
  /** Without: all shards; a number needs one where the log has several. */
  readonly shard: number | undefined;
  /** False: only says what would be done. */
  readonly apply: boolean;
}

/** What a reset changes. */
export interface ResetShard {
  readonly shard: number;
  /** `undefined`: the file is damaged. */
  readonly from: number | undefined;
  readonly to: number;
}

/**
 * Says anew where a consumer goes on. Takes its lock, also where nothing is to be changed.
 *
 * @throws {LogError} `LOCKED`, `OFFSET_OUT_OF_RANGE`; `CONFLICT` where there is no such consumer; `CORRUPT_FILE` where its file is damaged and only
 * one shard is asked for.
 * @throws {RangeError} where there is no such shard, or an offset is given for several.
 */
export async function resetConsumer(
  context: CursorContext,
  name: string,
  { to, shard, apply }: ResetOptions,
): Promise<readonly ResetShard[]> {
  checkName(name);
  const { vfs, directory, logId, views } = context;
  if (shard !== undefined && shard >= views.length) {
    throw new RangeError(`Cannot reset shard ${shard}: this log has shards 0 to ${views.length - 1}`);
  }
  if (typeof to === "number" && shard === undefined && views.length > 1) {
    throw new RangeError("Cannot reset all shards to one offset: name a shard");
  }
  return await locked(context, name, async (path) => {
    const identity: CursorIdentity = { logId, shards: views.length, name };
    let before: readonly number[] | undefined;
    try {
      const stored = await readCursor(vfs, path, identity);
      if (stored === undefined) throw unknownError(name, directory);
      if (stored.name !== name) throw unknownError(name, directory);
      before = stored.offsets;
    } catch (error) {
      // What is said anew for all shards needs nothing of what was there.
      const isDamaged = error instanceof LogError && error.code === "CORRUPT_FILE";
      if (!isDamaged || (shard !== undefined && views.length > 1)) throw error;
    }
    const changes: ResetShard[] = [];
    const offsets = before === undefined ? views.map(() => 0) : [...before];
    for (const { id, publication } of views) {
      if (shard !== undefined && shard !== id) continue;
      await publication.refresh();
      const { earliest, end: { nextOffset } } = publication;
      const target = to === "earliest" ? earliest : to === "latest" ? nextOffset : to;
      if (target < earliest || target > nextOffset) {
        throw new LogError(
          "OFFSET_OUT_OF_RANGE",
          `Cannot reset shard ${id} to ${target}: valid offsets are ${earliest} to ${nextOffset}`,
          { shard: id, range: [earliest, nextOffset] },
        );
      }
      offsets[id] = target;
      changes.push({ shard: id, from: before?.[id], to: target });
    }
    if (!apply) return changes;
    if (before === undefined) await (await CursorFile.create(vfs, directory, identity, offsets)).close();
    else {
      const file = await CursorFile.open(vfs, directory, identity);
      try {
        await file!.write(offsets, "disk", true);
      } finally {
        await file!.close();
      }
    }
    return changes;
  });
}

/**
 * Removes a consumer: its name is new then.
 *
 * @throws {LogError} `LOCKED`; `CONFLICT` where there is no such consumer.
 */
export async function deleteConsumer(context: CursorContext, name: string, apply: boolean): Promise<void> {
  checkName(name);
  const { vfs, directory } = context;
  await locked(context, name, async (path) => {
    if (!(await vfs.list(directory)).some((entry) => `${directory}/${entry.name}` === path)) {
      throw unknownError(name, directory);
    }
    if (!apply) return;
    await vfs.remove(path);
    await vfs.syncDirectory(directory);
  });
}

/** Runs `body` with the path of a consumer's file, while nobody else has it. */
async function locked<T>(context: CursorContext, name: string, body: (path: string) => Promise<T>): Promise<T> {
  const path = `${context.directory}/${cursorFileName(name)}`;
  // A lock on a name that nobody has would leave a file behind.
  const present = (await context.vfs.list(context.directory)).map((entry) => `${context.directory}/${entry.name}`);
  if (!present.includes(path)) throw unknownError(name, context.directory);
  const lock = await lockConsumer(context, name);
  try {
    return await body(path);
  } catch (error) {
    throw asLogError(error, `change the consumer ${name}`);
  } finally {
    await lock.release();
  }
}

function unknownError(name: string, directory: string): LogError {
  return new LogError(
    "CONFLICT",
    `Cannot change the consumer ${name}: there is none of this name in ${directory}; bimiplog consumers lists them`,
  );
}
