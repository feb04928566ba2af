/**
 * A consumer of a log on a cluster: a member of the group of that name.
 *
 * @module
 */
import { lostError } from "../../consumers/group.ts";
import { type CheckedGroup, checkGroup } from "../../consumers/group_options.ts";
import type { ClampEvent, Consumer, ConsumerLag, ConsumerOptions } from "../../consumers/types.ts";
import { asLogError, LogError } from "../../errors.ts";
import type { LogRecord } from "../../read/stored_record.ts";
import { type Cluster, ownConnections } from "../log/cluster.ts";
import type { KafkaTopic } from "../wire/cluster.ts";
import { ConsumerLoop } from "./consumer_loop.ts";
import { type GroupCommit, GroupMember } from "./group_member.ts";
import { HeldPartition } from "./held_partition.ts";
import { lagOfGroup } from "./list_consumers.ts";

/** See {@linkcode Consumer}. */
export class ClusterConsumer implements Consumer {
  readonly name: string;
  readonly #cluster: Cluster;
  readonly #options: ConsumerOptions;
  readonly #group: CheckedGroup;
  readonly #topic: KafkaTopic;
  readonly #member: GroupMember;
  readonly #closed = new AbortController();
  readonly #signal: AbortSignal;
  readonly #held = new Map<number, HeldPartition>();
  /** Shards that went away with records that were delivered and not committed, and the offset behind these. */
  readonly #lost = new Map<number, number>();
  #loop: ConsumerLoop | undefined = undefined;
  #closing: Promise<void> | undefined = undefined;
  /** It has left by itself; what comes next waits for that. */
  #leaving: Promise<void> | undefined = undefined;

  constructor(cluster: Cluster, name: string, options: ConsumerOptions) {
    this.#group = checkGroup(name, options, cluster.partitions);
    this.name = name;
    this.#cluster = cluster;
    this.#options = options;
    this.#signal = AbortSignal.any([cluster.closed, this.#closed.signal]);
    this.#topic = ownConnections(cluster);
    this.#member = new GroupMember(cluster, this.#topic, name, this.#group, this.#signal, () => this.#changed());
    cluster.closed.addEventListener("abort", this.#onLogClosed, { once: true });
  }

  get position(): ReadonlyMap<number, number> {
    return new Map([...this.#held].map(([shard, { position }]) => [shard, position]));
  }

  get committed(): ReadonlyMap<number, number> {
    return new Map(this.#member.committed.map((next, shard) => [shard, Math.max(0, next)]));
  }

  get report(): readonly ClampEvent[] {
    return [...this.#member.clamps];
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<LogRecord> {
    this.#assertOpen();
    if (this.#loop?.isRunning) {
      throw new TypeError(
        `Cannot iterate the consumer ${this.name}: a loop over it is running; end that one, or make another member with log.consumer()`,
      );
    }
    this.#loop = new ConsumerLoop({
      options: this.#options,
      isOver: () => this.#signal.aborted,
      begin: () => this.#begin(),
      join: () => this.#join(),
      needsJoin: () => this.#member.needsJoin,
      held: () => [...this.#held.values()],
      commit: (entries) => this.#commit(entries),
      asError: (error) => this.#asError(error),
    });
    return this.#loop;
  }

  async commit(place?: { readonly shard: number; readonly offset: number }): Promise<void> {
    this.#assertOpen();
    if (place !== undefined) this.#checkPlace(place);
    // Taken now: what is delivered while this waits is not meant.
    const outstanding = place === undefined ? this.#outstanding() : [];
    try {
      // Who is in a generation that is over may still commit in it, until the next one is made.
      if (this.#held.size === 0) await this.#join();
      else this.#reconcile();
      const lost = place === undefined ? this.#takeLost() : [];
      const entries = place === undefined ? outstanding : [await this.#entryOf(place)];
      try {
        if (entries.length > 0) await this.#commit(entries);
      } catch (error) {
        if (lost.length === 0 || !(error instanceof LogError && error.code === "CONFLICT")) throw error;
      }
      if (lost.length > 0) throw lostError(this.name, lost);
    } catch (error) {
      throw this.#asError(error);
    }
  }

  async lag(): Promise<ConsumerLag> {
    this.#assertOpen();
    try {
      // The first use stores where it begins.
      if (this.#member.committed.length === 0) await this.#join();
      return await lagOfGroup(this.#cluster, this.#topic, this.name) ?? { total: 0, shards: [] };
    } catch (error) {
      throw this.#asError(error);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#cluster.closed.removeEventListener("abort", this.#onLogClosed);
    try {
      await this.#loop?.return();
      if (!this.#cluster.closed.aborted) await this.#member.leave();
    } finally {
      this.#closed.abort();
      this.#topic.close();
      this.#held.clear();
    }
  }

  readonly #onLogClosed = (): void => {
    this.#loop?.wake();
    void this.#member.leave().finally(() => this.#topic.close());
  };

  /** Told by the member: somebody joined or left, or it lost what it had. */
  #changed(): void {
    if (this.#loop?.isRunning) return this.#loop.wake();
    // Nobody reads, and nothing is to be committed: others need not wait for this one.
    this.#reconcile();
    if ([...this.#held.values()].some(({ isOutstanding }) => isOutstanding)) return;
    this.#leaving = this.#member.leave().finally(() => this.#leaving = undefined);
    this.#reconcile();
  }

  async #join(): Promise<void> {
    await this.#leaving;
    await this.#member.join();
    this.#reconcile();
  }

  /** A new loop begins behind what is committed. */
  async #begin(): Promise<void> {
    this.#assertOpen();
    await this.#join();
    this.#lost.clear();
    for (const [shard, held] of this.#held) held.rewind(this.#member.committed[shard]);
  }

  /** Makes what is held agree with what the group has dealt. */
  #reconcile(): void {
    const { grants } = this.#member;
    for (const [shard, held] of this.#held) {
      if (grants.get(shard) === held.grant) continue;
      if (held.isOutstanding) this.#lost.set(shard, held.position);
      this.#held.delete(shard);
    }
    const { from } = this.#group;
    const { onCorrupt, onGap } = this.#options;
    const options = { cluster: this.#cluster, topic: this.#topic, signal: this.#signal, from, onCorrupt, onGap };
    for (const [shard, grant] of grants) {
      if (!this.#held.has(shard)) this.#held.set(shard, new HeldPartition(grant, options));
    }
  }

  /** Shards with records that were delivered here and are delivered again elsewhere; told once. */
  #takeLost(): number[] {
    const lost = [...this.#lost].filter(([shard, to]) => !((this.#held.get(shard)?.position ?? -1) >= to));
    this.#lost.clear();
    return lost.map(([shard]) => shard);
  }

  #outstanding(): GroupCommit[] {
    return [...this.#held.values()].filter(({ isOutstanding }) => isOutstanding)
      .map(({ grant, position }) => ({ grant, next: position }));
  }

  #checkPlace({ shard, offset }: { readonly shard: number; readonly offset: number }): void {
    for (const [what, value] of [["shard", shard], ["offset", offset]] as const) {
      if (Number.isSafeInteger(value) && value >= 0) continue;
      throw new TypeError(`Cannot commit: ${what} must be a whole number from 0, not ${String(value)}`);
    }
    const { partitions } = this.#cluster;
    if (shard < partitions) return;
    throw new RangeError(`Cannot commit: this log has shards 0 to ${partitions - 1}, not ${shard}`);
  }

  async #entryOf({ shard, offset }: { readonly shard: number; readonly offset: number }): Promise<GroupCommit> {
    const held = this.#held.get(shard);
    const isDelivered = held !== undefined && offset >= held.grant.from && offset < held.position;
    const isLost = !isDelivered && offset < (this.#lost.get(shard) ?? 0);
    if (held === undefined || isLost) throw lostError(this.name, [shard]);
    // A broker stores whatever it is told.
    const end = isDelivered ? Infinity : (await held.offsets()).end;
    if (offset >= end) {
      throw new LogError(
        "OFFSET_OUT_OF_RANGE",
        `Cannot commit offset ${offset} of shard ${shard}: it ends at ${end}`,
        { shard, range: [held.grant.from, end] },
      );
    }
    return { grant: held.grant, next: offset + 1 };
  }

  async #commit(entries: readonly GroupCommit[]): Promise<void> {
    try {
      await this.#member.commit(entries);
    } finally {
      const { committed } = this.#member;
      for (const { grant, next } of entries) {
        const held = this.#held.get(grant.shard);
        // What did not become valid is still to be committed.
        if (held?.grant === grant && committed[grant.shard] >= next) held.settled = Math.max(held.settled, next);
      }
      this.#reconcile();
    }
  }

  #asError(error: unknown): unknown {
    const { signal } = this.#options;
    if (signal?.aborted && error === signal.reason) return error;
    if (this.#signal.aborted && !(error instanceof TypeError)) return this.#closedError();
    return asLogError(error, `use the consumer ${this.name}`);
  }

  #assertOpen(): void {
    if (this.#closing !== undefined || this.#signal.aborted) throw this.#closedError();
  }

  #closedError(): LogError {
    const what = this.#closing === undefined ? "its log is closed" : "it is closed";
    return new LogError("CLOSED", `Cannot use the consumer ${this.name}: ${what}; make a new one with log.consumer()`);
  }
}
