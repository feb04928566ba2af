/**
 * What consumers need to know of their log.
 *
 * @module
 */
import { clampCursors } from "../consumers/clamp.ts";
import type { CursorContext } from "../consumers/open_cursor.ts";
import type { ClampEvent } from "../consumers/types.ts";
import type { Vfs } from "../vfs.ts";
import type { OpenedShard } from "./opened_shard.ts";
import { readOwner, writeOwner } from "./owner.ts";

/** The note beside a consumer's lock. */
export function consumerOwners(vfs: Vfs, directory: string): Pick<CursorContext, "writeOwner" | "ownerOf"> {
  return {
    writeOwner: (name) => writeOwner(vfs, directory, name),
    ownerOf: async (name) => {
      const owner = await readOwner(vfs, directory, name);
      return owner === undefined ? undefined : `process ${owner.pid} (${owner.runtime})`;
    },
  };
}

/** Before anything is appended: no consumer may stand behind the end of a shard. */
export async function clampConsumers(
  vfs: Vfs,
  directory: string,
  logId: Uint8Array,
  opened: readonly OpenedShard[],
): Promise<readonly ClampEvent[]> {
  const ends = opened.map(({ report, view }) =>
    // Nobody knows where a damaged shard ends, and nothing is appended to it.
    report.verdict === "corrupt" ? Infinity : view.publication.end.nextOffset
  );
  return await clampCursors({ vfs, directory, logId, ...consumerOwners(vfs, directory) }, ends);
}
