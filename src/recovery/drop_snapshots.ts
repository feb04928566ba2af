/**
 * What producers had written is known from the batches: a snapshot behind a repaired place may speak of batches that are void now.
 *
 * @module
 */
import { snapshotBases, snapshotPath } from "../segment/names.ts";
import type { Vfs } from "../vfs.ts";
import type { RepairIntent } from "./rebuild_intent.ts";
import { removeIfThere } from "./whole_file.ts";

/** Removes the snapshots behind the first place that a repair changes. Durable once the directory is synced. */
export async function dropSnapshots(vfs: Vfs, directory: string, intent: RepairIntent): Promise<void> {
  const { moves, rebuilt, cut } = intent;
  const changed = rebuilt.map(({ base }) => base);
  if (cut !== null) changed.push(cut.base);
  // Which offsets a file had that is renamed, its name does not say.
  const movesLog = moves.some(([from]) => from.endsWith(".log"));
  const first = movesLog ? 0 : Math.min(...changed);
  for (const base of snapshotBases(await vfs.list(directory), false)) {
    if (base > first) await removeIfThere(vfs, snapshotPath(directory, base));
  }
}
