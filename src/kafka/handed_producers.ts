/**
 * What producers have written to a partition that is handed over: the broker reads it as its own snapshot. A broker that was stopped
 * cleanly does not look into the batches for it.
 *
 * @module
 */
import type { BatchHeader } from "../batch/format.ts";
import { visitBatch } from "../idempotence/producer_rows.ts";
import { ProducerStates } from "../idempotence/producer_states.ts";
import { encodeSnapshot, type SnapshotIdentity } from "../idempotence/snapshot.ts";
import { readNewestSnapshot } from "../idempotence/snapshot_files.ts";
import { writeNew } from "../recovery/whole_file.ts";
import { snapshotPath } from "../segment/names.ts";
import type { Vfs } from "../vfs.ts";

/** See above. */
export class HandedProducers {
  readonly #vfs: Vfs;
  readonly #identity: SnapshotIdentity;
  readonly #states: ProducerStates;
  /** Batches in front of it are known. */
  readonly #from: number;

  private constructor(vfs: Vfs, identity: SnapshotIdentity, states: ProducerStates, from: number) {
    this.#vfs = vfs;
    this.#identity = identity;
    this.#states = states;
    this.#from = from;
  }

  /** Those that the shard's newest snapshot in front of `base`, the end, speaks of. */
  static async load(
    vfs: Vfs,
    directory: string,
    logId: Uint8Array,
    shard: number,
    base: number,
  ): Promise<HandedProducers> {
    const states = new ProducerStates(shard, Infinity);
    const snapshot = await readNewestSnapshot(vfs, directory, { logId, shard }, base);
    for (const { id, ...batch } of snapshot?.entries ?? []) states.note(id, batch, 0, Infinity);
    return new HandedProducers(vfs, { logId, shard, base }, states, snapshot?.base ?? 0);
  }

  /** A batch of the partition. */
  note(header: BatchHeader): void {
    if (header.baseOffset < this.#from) return;
    visitBatch(header, (id, batch) => this.#states.note(id, batch, 0, Infinity));
  }

  /** Writes the broker's snapshot, unless there were no producers. */
  async write(directory: string): Promise<void> {
    if (this.#states.size === 0) return;
    const { base } = this.#identity;
    const bytes = encodeSnapshot(this.#identity, this.#states.before(base, 0));
    await writeNew(this.#vfs, snapshotPath(directory, base), bytes);
  }
}
