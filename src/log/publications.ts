/**
 * Where the end of published data comes from: the shard that writes in this program, or the anchor that another program
 * writes.
 *
 * @module
 */
import {
  type Anchor,
  ANCHOR_NAME,
  anchorIdentity,
  type InstanceIds,
  readAnchor,
  sameInstance,
} from "../anchor/anchor.ts";
import type { End } from "../anchor/end.ts";
import { readSlotFile } from "../anchor/slot_file.ts";
import { readState, STATE_NAME, stateIdentity } from "../anchor/state.ts";
import { isMissing } from "../if_there.ts";
import type { Publication } from "../shard/publication.ts";
import type { ShardWriter } from "../shard/shard_writer.ts";
import type { Clock, TimerHandle, Vfs } from "../vfs.ts";

/** How often a follower looks at the anchor of a writer in another process. */
const POLL_MS = 10;
/** Of so many looks one is at the state, too. */
const POLLS_A_STATE = 16;

/** The publication of a shard that this program writes. */
export class LocalPublication implements Publication {
  readonly #shard: ShardWriter;

  constructor(shard: ShardWriter) {
    this.#shard = shard;
  }

  get earliest(): number {
    return this.#shard.earliest;
  }

  get end(): End {
    return this.#shard.end;
  }

  get ended(): boolean {
    return this.#shard.state !== "open";
  }

  refresh(): void {}

  onChange(listener: () => void): () => void {
    return this.#shard.onChange(listener);
  }
}

/** The publication of a shard that somebody else writes, or nobody. */
export class AnchorPublication implements Publication {
  earliest: number;
  end: End;
  ended = false;
  fault: unknown = undefined;
  readonly #vfs: Vfs;
  readonly #clock: Clock;
  readonly #directory: string;
  readonly #logId: Uint8Array;
  readonly #shard: number;
  readonly #instance: InstanceIds;
  /** An anchor with a higher generation was written since the opening: by a writer that runs on this machine now. */
  readonly #generation: number;
  readonly #listeners = new Set<() => void>();
  #timer: TimerHandle = undefined;
  #polling = false;
  #polls = 0;

  constructor(
    vfs: Vfs,
    clock: Clock,
    directory: string,
    logId: Uint8Array,
    shard: number,
    instance: InstanceIds,
    generation: number,
    earliest: number,
    end: End,
  ) {
    this.#vfs = vfs;
    this.#clock = clock;
    this.#directory = directory;
    this.#logId = logId;
    this.#shard = shard;
    this.#instance = instance;
    this.#generation = generation;
    this.earliest = earliest;
    this.end = end;
  }

  /** Reads state and anchor. Damaged or half-written ones change nothing: the next look finds good ones. */
  async refresh(): Promise<void> {
    if (this.ended) return;
    const logStart = await this.#readLogStart();
    await this.#refreshEnd();
    // What lies in front of a log start was published before it.
    if (logStart > this.earliest && logStart <= this.end.nextOffset) this.earliest = logStart;
  }

  async #readLogStart(): Promise<number> {
    this.fault = undefined;
    try {
      const path = `${this.#directory}/${STATE_NAME}`;
      const slot = await readSlotFile(this.#vfs, path, stateIdentity(this.#logId, this.#shard));
      return slot === undefined ? 0 : readState(slot).logStart;
    } catch (error) {
      if (!isMissing(error)) this.fault = error;
      return 0;
    }
  }

  async #refreshEnd(): Promise<void> {
    let anchor: Anchor | undefined;
    try {
      const slot = await readSlotFile(
        this.#vfs,
        `${this.#directory}/${ANCHOR_NAME}`,
        anchorIdentity(this.#logId, this.#shard),
      );
      anchor = slot === undefined ? undefined : readAnchor(slot);
    } catch {
      return;
    }
    if (anchor === undefined) return;
    // An anchor of another boot may speak of data that a power loss took.
    if (anchor.generation <= this.#generation && !sameInstance(anchor.instance, this.#instance)) return;
    if (anchor.written.nextOffset > this.end.nextOffset) this.end = anchor.written;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    if (!this.#polling) this.#schedule();
    return () => this.#listeners.delete(listener);
  }

  /** The log is closed: followers end. */
  close(): void {
    this.ended = true;
    if (this.#polling) this.#clock.clearTimer(this.#timer);
    for (const listener of [...this.#listeners]) listener();
    this.#listeners.clear();
  }

  #schedule(): void {
    this.#polling = true;
    this.#timer = this.#clock.setTimer(() => void this.#poll(), POLL_MS);
  }

  async #poll(): Promise<void> {
    const before = this.end.nextOffset;
    // A log start moves seldom.
    await (this.#polls++ % POLLS_A_STATE === 0 ? this.refresh() : this.#refreshEnd());
    this.#polling = false;
    if (this.ended) return;
    if (this.end.nextOffset !== before) { for (const listener of [...this.#listeners]) listener(); }
    if (this.#listeners.size > 0) this.#schedule();
  }
}
