/**
 * Reading beside somebody who drops segments: what is gone is named as such, never as damage.
 *
 * @module
 */
import { LogError } from "../errors.ts";
import { VfsError } from "../vfs.ts";
import type { ShardView } from "./shard_view.ts";

/** A segment may be dropped between each look and the next step; a writer that drops so fast keeps nothing worth reading. */
export const MAX_LOOKS = 16;

/** There is no such offset, or not any more. */
export function outOfRangeError(view: ShardView, offset: number): LogError {
  const { earliest, end } = view.publication;
  return new LogError(
    "OFFSET_OUT_OF_RANGE",
    `Cannot read shard ${view.id} from offset ${offset}: valid offsets are ${earliest} to ${end.nextOffset}`,
    { shard: view.id, range: [earliest, end.nextOffset] },
  );
}

/** True where a file is not there any more. */
export function isGone(error: unknown): boolean {
  return error instanceof VfsError && error.code === "NOT_FOUND";
}

/** Looks through segments, and again where one of them is dropped meanwhile. */
export async function besideDrops<T>(view: ShardView, look: () => Promise<T>): Promise<T> {
  for (let left = MAX_LOOKS;; left--) {
    try {
      return await look();
    } catch (error) {
      if (left === 1 || !isGone(error)) throw error;
      await view.refresh();
    }
  }
}

/** True where what was to be read was dropped from the front of the log, before or while it was read. */
export function isOutOfRange(error: unknown): boolean {
  return error instanceof LogError && error.code === "OFFSET_OUT_OF_RANGE";
}
