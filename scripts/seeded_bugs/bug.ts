/**
 * A seeded bug: a mistake that somebody could make, as an edit of the source.
 *
 * @module
 */
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** One replacement. */
export interface Edit {
  /** Path below the root of the repository. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly text: string;
  readonly replacement: string;
}

/** A mistake that the tests have to find. */
export interface Bug {
  readonly name: string;
  /** What is wrong, in one sentence. */
  readonly what: string;
  readonly edits: readonly Edit[];
}

/** A bug of one edit. */
export function bug(name: string, what: string, file: string, text: string, replacement: string): Bug {
  return { name, what, edits: [{ file, text, replacement }] };
}

/** Why an edit cannot be made in the tree at `root`; `undefined` where it can. */
export function editFault(root: string, { file, text, replacement }: Edit): string | undefined {
  let source: string;
  try {
    source = readFileSync(join(root, file), "utf8");
  } catch (error) {
    return `${file}: ${error instanceof Error ? error.message : String(error)}`;
  }
  const count = source.split(text).length - 1;
  if (count !== 1) return `${file}: the text to replace is there ${count} times: ${JSON.stringify(text)}`;
  return text === replacement ? `${file}: the replacement changes nothing` : undefined;
}

/** Makes the bug's edits in the tree at `root`. */
export function plant(root: string, { edits }: Bug): void {
  for (const edit of edits) {
    const fault = editFault(root, edit);
    if (fault !== undefined) throw new Error(fault);
    const path = join(root, edit.file);
    // A function, because a replacement may hold `$`.
    writeFileSync(path, readFileSync(path, "utf8").replace(edit.text, () => edit.replacement));
  }
}

/** Takes the bug's edits back in the tree at `root`, whose original is at `unchanged`. */
export function unplant(root: string, { edits }: Bug, unchanged: string): void {
  for (const { file } of edits) copyFileSync(join(unchanged, file), join(root, file));
}
