/**
 * Before a log takes records again: no consumer's offset may stand behind the end, or what is appended there would be skipped.
 *
 * @module
 */
import { LogError } from "../errors.ts";
import { CursorFile } from "./cursor_file.ts";
import { listCursors } from "./list.ts";
import { clampFile, type CursorContext, lockConsumer } from "./open_cursor.ts";
import type { ClampEvent } from "./types.ts";

/**
 * Clamps all consumers of a log that is being opened for writing.
 *
 * @param ends Next offset of each shard; `Infinity` where nobody knows, and nothing is appended.
 * @returns What was clamped.
 */
export async function clampCursors(
  context: Pick<CursorContext, "vfs" | "directory" | "logId" | "writeOwner" | "ownerOf">,
  ends: readonly number[],
): Promise<ClampEvent[]> {
  const clamps: ClampEvent[] = [];
  for (const { cursor } of await listCursors(context, ends.length)) {
    // A damaged file is told to whoever wants that consumer.
    if (cursor === undefined || cursor.offsets.every((offset, shard) => offset <= ends[shard])) continue;
    await clamp(context, cursor.name, ends, clamps);
  }
  return clamps;
}

async function clamp(
  context: Parameters<typeof clampCursors>[0],
  name: string,
  ends: readonly number[],
  clamps: ClampEvent[],
): Promise<void> {
  const { vfs, directory, logId } = context;
  let lock;
  try {
    lock = await lockConsumer(context, name);
  } catch (error) {
    // A process that has it open was there before, so no power loss was: what it has committed is there.
    if (error instanceof LogError && error.code === "LOCKED") return;
    throw error;
  }
  try {
    const file = await CursorFile.open(vfs, directory, { logId, shards: ends.length, name });
    try {
      if (file !== undefined) await clampFile(file, name, ends, clamps);
    } finally {
      await file?.close();
    }
  } finally {
    await lock.release();
  }
}
