/**
 * A shard that a member has, and how far it has come in it.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import { LogError } from "../errors.ts";
import type { GapEvent } from "../read/shard_batches.ts";
import { ShardCursor } from "../read/shard_cursor.ts";
import type { ShardView } from "../read/shard_view.ts";
import type { Grant } from "./membership.ts";

/** How a shard is read. */
export interface HeldOptions {
  readonly codecs: Codecs;
  readonly onCorrupt: "stop" | "skip" | undefined;
  readonly onGap: ((gap: GapEvent) => void) | undefined;
  /** Where to go on where records were dropped. */
  readonly from: "earliest" | "latest";
}

/** See above. */
export class HeldShard {
  readonly grant: Grant;
  readonly view: ShardView;
  /** Offset of the next record to deliver. */
  position: number;
  /** In front of it nothing is delivered and not committed. */
  settled: number;
  /** It was taken away, or given back. */
  isGone = false;
  /** Under what the loop has come back from; for `autoCommit`. */
  #cursor: ShardCursor | undefined = undefined;
  #isStepping = false;

  constructor(grant: Grant, view: ShardView) {
    this.grant = grant;
    this.view = view;
    this.position = grant.from;
    this.settled = grant.from;
  }

  /** Records were delivered that are not committed. */
  get isOutstanding(): boolean {
    return this.position > this.settled;
  }

  /** Something is published that was not delivered. */
  get hasMore(): boolean {
    return !this.grant.isRevoked && this.position < this.view.publication.end.nextOffset;
  }

  /** The cursor, where its next record is in memory; it stands on it then. */
  nextInMemory(): ShardCursor | undefined {
    const cursor = this.#cursor;
    if (cursor === undefined || this.isGone || this.grant.isRevoked || !cursor.nextInMemory()) return undefined;
    this.position = cursor.nextOffset;
    return cursor;
  }

  /** Steps to the next record; `undefined` where nothing more is published now, or somebody else is to have the shard. */
  async next(options: HeldOptions): Promise<ShardCursor | undefined> {
    this.#isStepping = true;
    try {
      return await this.#next(options);
    } finally {
      this.#isStepping = false;
      if (this.isGone) await this.rest();
    }
  }

  /** Begins again behind what is committed. */
  async rewind(committed: number): Promise<void> {
    await this.rest();
    this.position = this.settled = committed;
  }

  /** Frees the file until the next step. */
  async rest(): Promise<void> {
    if (this.#isStepping) return;
    const cursor = this.#cursor;
    this.#cursor = undefined;
    await cursor?.close();
  }

  async #next(options: HeldOptions): Promise<ShardCursor | undefined> {
    for (;;) {
      const { publication } = this.view;
      if (this.position < publication.earliest) await this.#dropped(options);
      const { onCorrupt, onGap, codecs } = options;
      const gap = onCorrupt === "skip" ? onGap ?? (() => {}) : undefined;
      const cursor = this.#cursor ??= new ShardCursor(this.view, { from: this.position, codecs, onGap: gap });
      let found: boolean;
      try {
        found = await cursor.next();
      } catch (error) {
        this.#cursor = undefined;
        await cursor.close();
        // Retention may have dropped what was being read.
        await publication.refresh();
        const isDropped = error instanceof LogError && error.code === "OFFSET_OUT_OF_RANGE";
        if (isDropped && this.position < publication.earliest) continue;
        throw error;
      }
      if (this.isGone || this.grant.isRevoked) {
        // What it stands on is nobody's any more.
        this.#cursor = undefined;
        await cursor.close();
        return undefined;
      }
      if (found) {
        this.position = cursor.nextOffset;
        return cursor;
      }
      this.#pass(cursor.nextOffset);
      return undefined;
    }
  }

  /** Goes on behind offsets without a record. */
  #pass(to: number): void {
    if (!this.isOutstanding) this.settled = Math.max(this.settled, to);
    this.position = Math.max(this.position, to);
  }

  async #dropped({ from, onGap }: HeldOptions): Promise<void> {
    const { view, position } = this;
    const { earliest, end } = view.publication;
    const to = from === "latest" ? end.nextOffset : earliest;
    const error = new LogError(
      "OFFSET_OUT_OF_RANGE",
      `Cannot deliver shard ${view.id} from offset ${position}: what stood in front of ${earliest} was dropped; pass onGap to be told and ` +
        "go on, or say anew where the consumer goes on: bimiplog consumers DIR --reset NAME",
      { shard: view.id, range: [earliest, end.nextOffset] },
    );
    if (onGap === undefined) throw error;
    await this.rest();
    const cursor = this.#cursor;
    this.#cursor = undefined;
    await cursor?.close();
    this.#pass(to);
    onGap({ shard: view.id, from: position, to: to - 1, error });
  }
}
