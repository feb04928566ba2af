/**
 * Brings back what a shard knew of its producers: the newest snapshot, and what was written behind it.
 *
 * @module
 */
import type { End } from "../anchor/end.ts";
import { isMissing, sizeIfThere } from "../if_there.ts";
import { listBases } from "../recovery/inventory.ts";
import { logPath } from "../segment/names.ts";
import type { Vfs } from "../vfs.ts";
import { visitProduced } from "./producer_rows.ts";
import { ProducerStates } from "./producer_states.ts";
import { encodeSnapshot } from "./snapshot.ts";
import { readNewestSnapshot, writeSnapshot } from "./snapshot_files.ts";

/** How often loading begins anew because a segment was dropped under it. */
const MAX_DROPS = 16;

/** What loading needs to know of a shard. */
export interface LoadTask {
  readonly vfs: Vfs;
  readonly directory: string;
  readonly logId: Uint8Array;
  readonly shard: number;
  /** Where the shard's data ended when it was opened: no batch with a producer came since. */
  readonly end: End;
  readonly expiryMs: number;
}

/** What was found. */
export interface LoadedStates {
  readonly states: ProducerStates;
  /** The log goes back to its beginning, or to a snapshot: whoever is not known has not written. */
  readonly isComplete: boolean;
  /** Offset of the newest snapshot, which is intact. */
  readonly snapshot: number;
}

/**
 * Reads the newest snapshot, and the rows of the segments behind it. Where the last segment has no snapshot it gets one: the next
 * opening reads that segment only, and whatever is dropped in front of it is remembered.
 *
 * @throws {LogError} `CORRUPT_BATCH`; a failed file operation as `VfsError`.
 */
export async function loadStates(task: LoadTask, nowMs: number): Promise<LoadedStates> {
  for (let left = MAX_DROPS;; left--) {
    try {
      return await loadOnce(task, nowMs);
    } catch (error) {
      // Retention has dropped a segment at this moment.
      if (left === 1 || !isMissing(error)) throw error;
    }
  }
}

async function loadOnce(task: LoadTask, nowMs: number): Promise<LoadedStates> {
  const { vfs, directory, logId, shard, end, expiryMs } = task;
  const states = new ProducerStates(shard, expiryMs);
  const snapshot = await readNewestSnapshot(vfs, directory, { logId, shard }, end.nextOffset);
  for (const { id, ...batch } of snapshot?.entries ?? []) states.note(id, batch, nowMs, end.nextOffset);
  const bases = (await listBases(vfs, directory)).filter((base) => base <= end.segment);
  // Where segments between the snapshot and the first one are gone, their batches are not known.
  const first = bases[0] ?? 0;
  const isComplete = first === 0 || (snapshot !== undefined && snapshot.base >= first);
  for (const base of bases) {
    // A snapshot of the middle of a segment is Kafka's: what it speaks of is passed over batch by batch.
    const next = bases.find((other) => other > base) ?? Infinity;
    if (snapshot !== undefined && next <= snapshot.base) continue;
    if (base === end.segment && (snapshot?.base ?? -1) < base) await writeFor(task, states, nowMs);
    const limit = base === end.segment ? end.position : await sizeIfThere(vfs, logPath(directory, base)) ?? 0;
    await visitProduced(vfs, directory, { logId, shard, base }, limit, (id, batch) => {
      if (snapshot === undefined || batch.baseOffset >= snapshot.base) states.note(id, batch, nowMs, end.nextOffset);
    });
  }
  if (!bases.includes(end.segment) && (snapshot?.base ?? -1) < end.segment) await writeFor(task, states, nowMs);
  return { states, isComplete, snapshot: Math.max(snapshot?.base ?? 0, end.segment) };
}

/** The snapshot in front of the last segment. Having none costs time only. */
async function writeFor(
  { vfs, directory, logId, shard, end }: LoadTask,
  states: ProducerStates,
  nowMs: number,
): Promise<void> {
  const base = end.segment;
  await writeSnapshot(vfs, directory, base, encodeSnapshot({ logId, shard, base }, states.before(base, nowMs)));
}
