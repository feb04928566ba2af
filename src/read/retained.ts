/**
 * Reading beside somebody who drops segments: what is gone is named as such, never as damage.
 *
 * @module
 */
import { LogError } from "../errors.ts";
import { isMissing } from "../if_there.ts";
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

/** Looks through segments, and again where one of them is dropped meanwhile, or the log start passes what was looked for. */
export async function besideDrops<T>(view: ShardView, look: () => Promise<T>): Promise<T> {
  for (let left = MAX_LOOKS;; left--) {
    try {
      return await look();
    } catch (error) {
      if (left === 1 || !(isMissing(error) || isDropped(error))) throw error;
      await view.refresh();
    }
  }
}

/** True where an offset is below the log start by now. */
export function isDropped(error: unknown): boolean {
  return error instanceof LogError && error.code === "OFFSET_OUT_OF_RANGE";
}
