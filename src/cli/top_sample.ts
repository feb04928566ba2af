/**
 * Looks at a log that another program writes: what its anchors say, and how large its files are.
 *
 * @module
 */
import { ANCHOR_NAME, anchorIdentity, readAnchor } from "../anchor/anchor.ts";
import { readSlotFile } from "../anchor/slot_file.ts";
import { readState, STATE_NAME, stateIdentity } from "../anchor/state.ts";
import { sizeIfThere } from "../if_there.ts";
import { type Manifest, shardDirectory } from "../log/manifest.ts";
import { listBases } from "../recovery/inventory.ts";
import { logPath } from "../segment/names.ts";
import type { Vfs } from "../vfs.ts";

/** One shard at one moment. */
export interface ShardSample {
  readonly shard: number;
  readonly earliest: number;
  /** Exclusive ends. */
  readonly written: number;
  readonly synced: number;
  readonly segments: number;
  /** Of its `.log` files up to the published end. */
  readonly bytes: number;
}

/** A log at one moment. */
export interface Sample {
  /** On a clock that never goes back. */
  readonly atMs: number;
  readonly shards: readonly ShardSample[];
}

/** Samples one log again and again. */
export class Sampler {
  readonly #vfs: Vfs;
  readonly #directory: string;
  readonly #manifest: Manifest;
  /** Sizes of finished segments by path: they never change. */
  readonly #sizes = new Map<string, number>();

  constructor(vfs: Vfs, directory: string, manifest: Manifest) {
    this.#vfs = vfs;
    this.#directory = directory;
    this.#manifest = manifest;
  }

  async sample(): Promise<Sample> {
    const shards: ShardSample[] = [];
    for (let shard = 0; shard < this.#manifest.shards; shard++) shards.push(await this.#shard(shard));
    return { atMs: performance.now(), shards };
  }

  async #shard(shard: number): Promise<ShardSample> {
    const { topic, id } = this.#manifest;
    const directory = shardDirectory(this.#directory, topic, shard);
    const stateSlot = await readSlotFile(this.#vfs, `${directory}/${STATE_NAME}`, stateIdentity(id, shard));
    const anchorSlot = await readSlotFile(this.#vfs, `${directory}/${ANCHOR_NAME}`, anchorIdentity(id, shard));
    const state = stateSlot && readState(stateSlot);
    const anchor = anchorSlot && readAnchor(anchorSlot);
    const end = state?.clean ?? anchor?.written;
    const bases = (await listBases(this.#vfs, directory)).filter((base) => base <= (end?.segment ?? 0));
    let bytes = end?.position ?? 0;
    for (const base of bases) if (base !== end?.segment) bytes += await this.#size(logPath(directory, base));
    return {
      shard,
      earliest: Math.max(state?.logStart ?? 0, bases[0] ?? 0),
      written: end?.nextOffset ?? 0,
      synced: state?.clean?.nextOffset ?? anchor?.synced.nextOffset ?? 0,
      segments: bases.length,
      bytes,
    };
  }

  /** Of a segment that retention drops meanwhile, none. */
  async #size(path: string): Promise<number> {
    const known = this.#sizes.get(path);
    if (known !== undefined) return known;
    const bytes = await sizeIfThere(this.#vfs, path);
    if (bytes !== undefined) this.#sizes.set(path, bytes);
    return bytes ?? 0;
  }
}
