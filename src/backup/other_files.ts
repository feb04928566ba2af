/**
 * Which files a backup takes along beside manifest, segments, anchor and state.
 *
 * @module
 */
import type { Vfs } from "../vfs.ts";
import type { Copier } from "./copier.ts";

/**
 * Of this run, or of no use in another place: locks, who holds them, what a crash left half written, what recovery set aside. Segments,
 * indexes, anchor, state and manifest are written by a backup itself.
 */
const LEFT_OUT =
  /^(bimip(\.copy)?\.json|lock(\..*)?|.*\.(lock|tmp|new|owner|log|idx)|anchor|state|repair|rebuild-.*|quarantine-.*|\..*|lost\+found|unfinished-backup)$/;

/** True for a file that goes along: cursors of consumers and everything else that holds facts. */
export function isTakenAlong(name: string): boolean {
  return !LEFT_OUT.test(name);
}

/** Copies the other files of a directory. They come first: what they say then never lies behind the end of the copy. */
export async function copyOtherFiles(vfs: Vfs, copier: Copier, from: string, to: string): Promise<void> {
  for (const { name, kind } of await vfs.list(from)) {
    if (kind === "file" && isTakenAlong(name)) await copier.copy(`${from}/${name}`, `${to}/${name}`);
  }
}
