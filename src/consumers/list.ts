/**
 * The consumers' files in a log's directory.
 *
 * @module
 */
import { LogError } from "../errors.ts";
import type { Vfs } from "../vfs.ts";
import { readCursor, type StoredCursor } from "./cursor_file.ts";
import { cursorFileName, isCursorFile } from "./names.ts";

/** A consumer's file. */
export interface ListedCursor {
  /** Path. */
  readonly file: string;
  readonly cursor: StoredCursor | undefined;
  /** Why there is none. */
  readonly problem: LogError | undefined;
}

/** Reads every consumer's file, by name of the file. */
export async function listCursors(
  { vfs, directory, logId }: { readonly vfs: Vfs; readonly directory: string; readonly logId: Uint8Array },
  shards: number,
): Promise<ListedCursor[]> {
  const found: ListedCursor[] = [];
  for (const entry of await vfs.list(directory)) {
    if (entry.kind !== "file" || !isCursorFile(entry.name)) continue;
    const file = `${directory}/${entry.name}`;
    try {
      const cursor = await readCursor(vfs, file, { logId, shards });
      if (cursor === undefined) continue;
      if (cursorFileName(cursor.name) === entry.name) found.push({ file, cursor, problem: undefined });
      else found.push({ file, cursor: undefined, problem: strayError(file, cursor.name) });
    } catch (error) {
      if (!(error instanceof LogError)) throw error;
      found.push({ file, cursor: undefined, problem: error });
    }
  }
  return found;
}

function strayError(file: string, name: string): LogError {
  return new LogError(
    "CORRUPT_FILE",
    `Cannot read the stored offsets in ${file}: they are those of the consumer ${name}, whose file is ${
      cursorFileName(name)
    }; ` +
      "give the file its name back, or remove it",
    { file, position: 0 },
  );
}
