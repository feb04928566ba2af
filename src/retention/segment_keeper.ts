/**
 * Drops a shard's oldest segments: those below the log start, and those that retention does not keep.
 *
 * @module
 */
import type { End } from "../anchor/end.ts";
import { asLogError } from "../errors.ts";
import { listBases } from "../recovery/inventory.ts";
import { firstKept } from "../segment/log_start.ts";
import { logPath } from "../segment/names.ts";
import { type Clock, type TimerHandle, type Vfs, VfsError } from "../vfs.ts";
import { beyondLimits, isTooOld, type KeptSegment } from "./choose.ts";
import { removeSegment } from "./remove_segment.ts";
import type { DroppedSegment, RetentionPolicy } from "./retention_options.ts";
import { SegmentFacts } from "./segment_facts.ts";

/** What is asked of the shard. */
export interface KeptShard {
  readonly id: number;
  /** The log start. */
  readonly earliest: number;
  readonly synced: number;
  /** Where published data ends. */
  readonly end: End;
  /** Moves the log start up, durably. */
  moveStart(offset: number): Promise<void>;
  /**
   * What segments in front of `base` say of producers must be kept elsewhere, durably. Answers the end of the offsets that have to be synced
   * for that before they are removed.
   */
  keepProducers(base: number): Promise<number>;
  /** A segment is one no more. */
  dropped(): void;
  /** Files of it were removed. */
  entriesChanged(): void;
}

/** See above. Runs beside the appends, one check at a time; nobody but `trimBefore` waits for it. */
export class SegmentKeeper {
  readonly #vfs: Vfs;
  readonly #clock: Clock;
  readonly #directory: string;
  readonly #shard: KeptShard;
  readonly #policy: RetentionPolicy;
  readonly #facts: SegmentFacts;
  /** Segments that `beforeDrop` has seen and that are not removed yet. */
  readonly #seen = new Set<number>();
  /** Found below the log start at the opening: they counted as gone already. */
  readonly #leftovers = new Set<number>();
  #timer: TimerHandle = undefined;
  #isRunning = false;
  #isWanted = false;
  #isStopped = false;
  /** Something could not be done now, and time may help. */
  #isPostponed = false;
  /** Settles with the removal under way, and never rejects. */
  #removing: Promise<unknown> = Promise.resolve();
  #rolledTo: number;

  constructor(
    vfs: Vfs,
    clock: Clock,
    directory: string,
    logId: Uint8Array,
    shard: KeptShard,
    policy: RetentionPolicy,
  ) {
    this.#vfs = vfs;
    this.#clock = clock;
    this.#directory = directory;
    this.#shard = shard;
    this.#policy = policy;
    this.#facts = new SegmentFacts(vfs, directory, logId, shard.id);
    this.#rolledTo = shard.end.segment;
  }

  /** True where time or size alone may make something due. */
  get #hasLimits(): boolean {
    const { maxBytes, maxAgeMs, maxRecords } = this.#policy;
    return maxBytes < Infinity || maxAgeMs < Infinity || maxRecords < Infinity;
  }

  /**
   * The log was opened.
   *
   * @param dropped Segments below the log start of which there still are files.
   */
  async opened(dropped: readonly number[]): Promise<void> {
    for (const base of dropped) this.#leftovers.add(base);
    if (dropped.length > 0) await this.#clear(dropped);
    if (this.#hasLimits) this.check();
  }

  async #clear(dropped: readonly number[]): Promise<void> {
    try {
      const below = new Set((await this.#list()).below.map((segment) => segment.baseOffset));
      // Of these only the index is left.
      for (const base of dropped) if (!below.has(base)) await this.#remove(await this.#describe(base, base));
    } catch (error) {
      this.#postpone(error, undefined);
    }
    await this.startMoved();
  }

  /** A commit is done: looks whether a segment was finished by it. */
  readonly committed = (): void => {
    const { segment } = this.#shard.end;
    if (segment === this.#rolledTo) return;
    this.#rolledTo = segment;
    if (this.#hasLimits) this.check();
  };

  /** Looks soon for what is to be dropped. */
  check(): void {
    this.#isWanted = true;
    if (this.#isRunning || this.#isStopped) return;
    this.#isRunning = true;
    void this.#run();
  }

  /** The log start has moved: removes what lies below it, or lets `beforeDrop` see it first, for which nobody waits. */
  async startMoved(): Promise<void> {
    if (this.#policy.beforeDrop !== undefined) return this.check();
    try {
      for (const segment of (await this.#list()).below) await this.#remove(segment);
    } catch (error) {
      this.#postpone(error, undefined);
    }
    this.#arm();
  }

  /** Begins nothing more, and waits for the removal under way. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#clock.clearTimer(this.#timer);
    this.#timer = undefined;
    await this.#removing;
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    while (this.#isWanted && !this.#isStopped) {
      this.#isWanted = false;
      this.#isPostponed = false;
      try {
        await this.#step();
      } catch (error) {
        this.#postpone(error, undefined);
      }
    }
    this.#isRunning = false;
    this.#arm();
  }

  #arm(): void {
    if (this.#isStopped || this.#timer !== undefined || this.#isRunning || !this.#isPostponed) return;
    this.#timer = this.#clock.setTimer(
      () => {
        this.#timer = undefined;
        this.check();
      },
      this.#policy.checkIntervalMs,
      true,
    );
  }

  async #step(): Promise<void> {
    const { below, kept } = await this.#list();
    for (const segment of below) {
      if (await this.#isReleased(segment)) await this.#remove(segment);
    }
    if (!this.#hasLimits || this.#isStopped) return;
    const droppable = this.#droppable(kept);
    const { end } = this.#shard;
    const segments: KeptSegment[] = [];
    for (const [i, base] of kept.entries()) {
      const bytes = i < kept.length - 1 ? await this.#facts.bytes(base) : base === end.segment ? end.position : 0;
      segments.push({ base, bytes });
    }
    let count = beyondLimits(segments, end.nextOffset, this.#policy, droppable);
    // One a check, however many are due: a clock that jumped must not empty the log.
    if (count === 0 && droppable > 0 && await this.#isOld(kept[0], kept[1])) count = 1;
    await this.#drop(kept.slice(0, count + 1));
    // What is finished grows old by itself, and what is not durable yet will be.
    if (kept.length > 1 && (this.#policy.maxAgeMs < Infinity || droppable < kept.length - 1)) this.#isPostponed = true;
  }

  /** The shard's segments by the log start of now. */
  async #list(): Promise<{ below: DroppedSegment[]; kept: number[] }> {
    const bases = await listBases(this.#vfs, this.#directory);
    const first = firstKept(bases, this.#shard.earliest);
    const below: DroppedSegment[] = [];
    for (let i = 0; i < first; i++) below.push(await this.#describe(bases[i], bases[i + 1]));
    return { below, kept: bases.slice(first) };
  }

  /**
   * So many of the oldest may go: the log start moves to the next segment, which must be there after a power loss. At most the last
   * finished segment and the current one are not synced.
   */
  #droppable(kept: readonly number[]): number {
    let count = Math.max(0, kept.length - 2);
    while (count < kept.length - 1 && kept[count + 1] <= this.#shard.synced) count++;
    return count;
  }

  async #isOld(base: number, nextOffset: number): Promise<boolean> {
    const { maxAgeMs } = this.#policy;
    if (maxAgeMs === Infinity) return false;
    const maxTimestamp = await this.#facts.maxTimestamp(base, nextOffset);
    return isTooOld(maxTimestamp, await this.#facts.modified(base), this.#clock.now(), maxAgeMs);
  }

  /** Drops the segments in front of the last one of `bases`, as far as they may go: `beforeDrop`, log start, files. */
  async #drop(bases: readonly number[]): Promise<void> {
    const released: DroppedSegment[] = [];
    for (let i = 0; i + 1 < bases.length; i++) {
      const segment = await this.#describe(bases[i], bases[i + 1]);
      if (!await this.#isReleased(segment)) break;
      released.push(segment);
    }
    const last = released[released.length - 1];
    if (last === undefined || this.#isStopped) return;
    if (await this.#shard.keepProducers(last.nextOffset) > this.#shard.synced) {
      // Nobody is made to sync for it: a later check finds that done.
      this.#isPostponed = true;
      return;
    }
    await this.#shard.moveStart(last.nextOffset);
    for (const segment of released) await this.#remove(segment);
  }

  /** Shows a segment to `beforeDrop`. False where it has to stay. */
  async #isReleased(segment: DroppedSegment): Promise<boolean> {
    const { beforeDrop } = this.#policy;
    if (beforeDrop === undefined || this.#seen.has(segment.baseOffset)) return true;
    try {
      await beforeDrop(segment);
      this.#seen.add(segment.baseOffset);
      return true;
    } catch (error) {
      this.#postpone(error, segment);
      return false;
    }
  }

  /** Removes the files of a segment below the log start. Where the system refuses they stay until the next check. */
  async #remove(segment: DroppedSegment): Promise<void> {
    if (this.#isStopped) return;
    const { baseOffset } = segment;
    const removal = removeSegment(this.#vfs, this.#directory, baseOffset, () => {
      if (!this.#leftovers.delete(baseOffset)) this.#shard.dropped();
    });
    this.#removing = removal.catch(() => {});
    try {
      await removal;
      this.#seen.delete(baseOffset);
      this.#facts.forget(baseOffset);
    } catch (error) {
      this.#postpone(error, segment);
    }
    this.#shard.entriesChanged();
  }

  async #describe(base: number, nextOffset: number): Promise<DroppedSegment> {
    const bytes = await this.#facts.bytes(base);
    return { shard: this.#shard.id, baseOffset: base, nextOffset, bytes, path: logPath(this.#directory, base) };
  }

  /** Tells a failure. The next check tries again. */
  #postpone(error: unknown, segment: DroppedSegment | undefined): void {
    this.#isPostponed = true;
    if (this.#isStopped) return;
    const told = error instanceof VfsError ? asLogError(error, `drop a segment of shard ${this.#shard.id}`) : error;
    const { earliest } = this.#shard;
    try {
      this.#policy.onError?.(
        told,
        segment ??
          { shard: this.#shard.id, baseOffset: earliest, nextOffset: earliest, bytes: 0, path: this.#directory },
      );
    } catch {
      // A callback's own failure is not the log's.
    }
  }
}
