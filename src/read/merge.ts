/**
 * The records of several shards as one sequence: the next one is always that of the shard whose next record comes first.
 *
 * @module
 */
import type { LogError } from "../errors.ts";
import type { MaybePromise } from "../vfs.ts";
import type { RecordSource } from "./record_source.ts";
import type { GapEvent } from "./shard_batches.ts";

/** So often a merging follower looks again at the shards that had nothing more, in records. */
const REJOIN_STEPS = 64;

/** How a {@linkcode Merge} goes. */
export interface MergeOptions {
  /** In descending instead of ascending (timestamp, shard) order. */
  readonly reverse: boolean;
  /** Shards that had nothing more are asked again. */
  readonly follow: boolean;
}

/**
 * Merges passes over shards by (timestamp, shard). Records of one shard keep the order of their offsets, whatever their timestamps
 * say.
 *
 * Where a reader stops at damage, the damage has the place of the first readable record behind it: all that comes before that one
 * was handed out. Damage with nothing readable behind it comes after everything that the other shards had when it was found.
 */
export class Merge<S extends RecordSource> {
  readonly #sources: readonly S[];
  readonly #options: MergeOptions;
  /** Those that stand on a record, the next one to hand out last. */
  readonly #standing: S[] = [];
  /** Steps since those that had nothing more were asked again. */
  #steps = 0;
  /** By shard, the first damage that its pass went over, as long as its turn has not come. */
  readonly #damage = new Map<number, LogError>();
  /** Where each shard ended when damage was found with nothing behind it. */
  #ends: Map<number, number> | undefined = undefined;

  /** @param makeSources Is given what to call at damage where the reader stops there. */
  constructor(makeSources: (onDamage: (gap: GapEvent) => void) => readonly S[], options: MergeOptions) {
    this.#options = options;
    this.#sources = makeSources(({ shard, error }) => {
      if (!this.#damage.has(shard)) this.#damage.set(shard, error);
    });
  }

  /**
   * The pass with the next record; it stands on it until the next call. `undefined` where there is none now.
   *
   * @throws {LogError} `CORRUPT_BATCH` where the turn of damage has come.
   */
  async next(): Promise<S | undefined> {
    const standing = this.#standing;
    if (standing.length === 0) {
      for (const source of this.#sources) await this.#step(source);
    } else {
      await this.#step(standing.pop()!);
      if (this.#options.follow && standing.length < this.#sources.length && ++this.#steps % REJOIN_STEPS === 0) {
        await this.#rejoin();
      }
    }
    const next = standing.at(-1);
    if (this.#damage.size > 0) this.#checkDamage(next);
    return next;
  }

  async #step(source: S): Promise<void> {
    const step: MaybePromise<boolean> = source.next();
    if (step instanceof Promise ? await step : step) this.#insert(source);
    else if (this.#damage.has(source.view.id)) this.#ends ??= this.#publishedEnds();
  }

  /** A shard that had nothing more may have something now; a busy one must not keep it waiting. */
  async #rejoin(): Promise<void> {
    for (const source of this.#sources) {
      if (source.hasMore() && !this.#standing.includes(source)) await this.#step(source);
    }
  }

  #insert(source: S): void {
    const standing = this.#standing;
    let at = standing.length;
    while (at > 0 && this.#comesBefore(standing[at - 1], source)) at--;
    standing.splice(at, 0, source);
  }

  #comesBefore(a: S, b: S): boolean {
    const difference = a.decoder.timestamp - b.decoder.timestamp || a.view.id - b.view.id;
    return this.#options.reverse ? difference > 0 : difference < 0;
  }

  #checkDamage(next: S | undefined): void {
    const [first] = this.#damage.values();
    if (next === undefined) throw first;
    const own = this.#damage.get(next.view.id);
    if (own !== undefined) throw own;
    if (!this.#options.reverse && next.decoder.offset >= (this.#ends?.get(next.view.id) ?? Infinity)) throw first;
  }

  #publishedEnds(): Map<number, number> {
    return new Map(this.#sources.map(({ view }) => [view.id, view.publication.end.nextOffset]));
  }
}
