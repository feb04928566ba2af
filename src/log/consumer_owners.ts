/**
 * Who has a consumer open: the note beside its lock.
 *
 * @module
 */
import type { CursorContext } from "../consumers/open_cursor.ts";
import type { Vfs } from "../vfs.ts";
import { readOwner, writeOwner } from "./owner.ts";

export function consumerOwners(vfs: Vfs, directory: string): Pick<CursorContext, "writeOwner" | "ownerOf"> {
  return {
    writeOwner: (name) => writeOwner(vfs, directory, name),
    ownerOf: async (name) => {
      const owner = await readOwner(vfs, directory, name);
      return owner === undefined ? undefined : `process ${owner.pid} (${owner.runtime})`;
    },
  };
}
