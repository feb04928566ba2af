/**
 * A consumer: delivers the records of the shards that it has, and commits.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import { LogError } from "../errors.ts";
import type { ShardView } from "../read/shard_view.ts";
import type { LogRecord } from "../read/stored_record.ts";
import { lostError } from "./group.ts";
import { HeldShard } from "./held_shard.ts";
import { Iteration } from "./iteration.ts";
import { lagOf } from "./lag.ts";
import type { CommitEntry, Membership } from "./membership.ts";
import type { ClampEvent, ConsumeOptions, Consumer, ConsumerLag } from "./types.ts";

/** What a consumer works on, in the log's thread or a worker. */
export interface ConsumerParts {
  readonly name: string;
  readonly membership: Membership;
  /** By shard; opens the log where that is still to do. */
  readonly views: () => Promise<readonly ShardView[]>;
  readonly codecs: Codecs;
  readonly from: "earliest" | "latest";
  readonly clamps: () => readonly ClampEvent[];
  /** Called once, when it is closed. */
  readonly onClose: () => Promise<void>;
}

/** See above. */
export class GroupConsumer implements Consumer {
  readonly name: string;
  readonly #parts: ConsumerParts;
  readonly #options: ConsumeOptions;
  readonly #held = new Map<number, HeldShard>();
  /** Shards that went away with records that were delivered and not committed, and the offset behind these. */
  readonly #lost = new Map<number, number>();
  #views: readonly ShardView[] | undefined = undefined;
  #iteration: Iteration | undefined = undefined;
  #closing: Promise<void> | undefined = undefined;
  #stopListening: () => void = () => {};

  constructor(parts: ConsumerParts, options: ConsumeOptions) {
    this.#parts = parts;
    this.#options = options;
    this.name = parts.name;
  }

  get position(): ReadonlyMap<number, number> {
    return new Map([...this.#held].map(([shard, held]) => [shard, held.position]));
  }

  get committed(): ReadonlyMap<number, number> {
    return new Map(this.#parts.membership.committed.entries());
  }

  get report(): readonly ClampEvent[] {
    return this.#parts.clamps();
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<LogRecord> {
    this.#assertOpen();
    if (this.#iteration?.isRunning) {
      throw new TypeError(
        `Cannot iterate the consumer ${this.name}: a loop over it is running; end that one, or make another member with log.consumer()`,
      );
    }
    const { membership, codecs, from } = this.#parts;
    this.#iteration = new Iteration({
      name: this.name,
      membership,
      options: this.#options,
      held: { codecs, from, onCorrupt: this.#options.onCorrupt, onGap: this.#options.onGap },
      begin: () => this.#begin(),
      reconcile: () => this.#reconcile(),
      commit: (entries) => this.#commit(entries),
    });
    return this.#iteration;
  }

  async commit(place?: { readonly shard: number; readonly offset: number }): Promise<void> {
    this.#assertOpen();
    if (place !== undefined) checkPlace(place);
    // Taken now: what is delivered while this waits is not meant.
    const outstanding = place === undefined ? this.#outstanding() : undefined;
    await this.#join();
    this.#reconcile();
    const lost = place === undefined ? this.#takeLost() : [];
    const entries = outstanding ?? [this.#entryOf(place!)];
    try {
      if (entries.length > 0) await this.#commit(entries);
    } catch (error) {
      if (lost.length === 0 || !(error instanceof LogError && error.code === "CONFLICT")) throw error;
    }
    if (lost.length > 0) throw lostError(this.name, lost);
  }

  async lag(): Promise<ConsumerLag> {
    this.#assertOpen();
    await this.#join();
    return await lagOf(this.#views!, this.#parts.membership.committed);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#parts.membership.setActive(false);
    await this.#iteration?.return();
    this.#stopListening();
    for (const held of this.#held.values()) {
      held.isGone = true;
      await held.rest();
    }
    this.#held.clear();
    await this.#parts.membership.leave();
    await this.#parts.onClose();
  }

  async #join(): Promise<void> {
    this.#views ??= await this.#parts.views();
    const { membership } = this.#parts;
    await membership.join();
    this.#stopListening();
    this.#stopListening = membership.onChange(() => this.#reconcile());
  }

  /** A new loop begins behind what is committed. */
  async #begin(): Promise<void> {
    this.#assertOpen();
    const { membership } = this.#parts;
    membership.setActive(true);
    await this.#join();
    this.#lost.clear();
    this.#reconcile();
    const { committed } = membership;
    for (const [shard, held] of this.#held) await held.rewind(committed[shard]);
  }

  /** Makes what is held agree with what the group has granted, and gives back what is asked for. */
  #reconcile(): readonly HeldShard[] {
    const { membership } = this.#parts;
    if (this.#views === undefined) return [];
    for (const [shard, held] of this.#held) {
      const { grant } = held;
      if (membership.grants.get(shard) !== grant) this.#drop(held);
      else if (grant.isRevoked && !held.isOutstanding) {
        this.#drop(held);
        membership.release(grant);
      }
    }
    for (const [shard, grant] of membership.grants) {
      if (this.#held.has(shard)) continue;
      if (grant.isRevoked) membership.release(grant);
      else this.#held.set(shard, new HeldShard(grant, this.#views[shard]));
    }
    return [...this.#held.values()];
  }

  #drop(held: HeldShard): void {
    held.isGone = true;
    if (held.isOutstanding) this.#lost.set(held.view.id, held.position);
    this.#held.delete(held.view.id);
    void held.rest();
  }

  /** Shards with records that were delivered here and are delivered again elsewhere; told once. */
  #takeLost(): number[] {
    const lost = [...this.#lost].filter(([shard, to]) => !((this.#held.get(shard)?.position ?? -1) >= to));
    this.#lost.clear();
    return lost.map(([shard]) => shard);
  }

  #outstanding(): CommitEntry[] {
    const entries: CommitEntry[] = [];
    const { committed } = this.#parts.membership;
    for (const [shard, { grant, position }] of this.#held) {
      if (position > committed[shard]) entries.push({ shard, grant: grant.id, next: position });
    }
    return entries;
  }

  #entryOf({ shard, offset }: { readonly shard: number; readonly offset: number }): CommitEntry {
    if (shard >= this.#views!.length) {
      throw new RangeError(`Cannot commit: this log has shards 0 to ${this.#views!.length - 1}, not ${shard}`);
    }
    const grant = this.#parts.membership.grants.get(shard);
    const held = this.#held.get(shard);
    // A shard that was lost and is here again begins anew: what was delivered before that is not committed under the new grant.
    const isDelivered = held !== undefined && offset >= held.grant.from && offset < held.position;
    const isLost = !isDelivered && offset < (this.#lost.get(shard) ?? 0);
    if (grant === undefined || isLost) throw lostError(this.name, [shard]);
    return { shard, grant: grant.id, next: offset + 1 };
  }

  async #commit(entries: readonly CommitEntry[]): Promise<void> {
    try {
      await this.#parts.membership.commit(entries);
    } finally {
      const { committed } = this.#parts.membership;
      for (const { shard, grant, next } of entries) {
        const held = this.#held.get(shard);
        // What did not become valid is still to be committed.
        if (held?.grant.id === grant && committed[shard] >= next) held.settled = Math.max(held.settled, next);
      }
      this.#reconcile();
    }
  }

  #assertOpen(): void {
    if (this.#closing === undefined && !this.#parts.membership.isOver) return;
    const what = this.#closing === undefined ? "its log is closed" : "it is closed";
    throw new LogError("CLOSED", `Cannot use the consumer ${this.name}: ${what}; make a new one with log.consumer()`);
  }
}

function checkPlace({ shard, offset }: { readonly shard: number; readonly offset: number }): void {
  for (const [what, value] of [["shard", shard], ["offset", offset]] as const) {
    if (Number.isSafeInteger(value) && value >= 0) continue;
    throw new TypeError(`Cannot commit: ${what} must be a whole number from 0, not ${String(value)}`);
  }
}
