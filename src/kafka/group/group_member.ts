/**
 * A member of a consumer group: joins, keeps its partitions, commits in the name of its generation, leaves.
 *
 * @module
 */
import { lostError } from "../../consumers/group.ts";
import type { CheckedGroup } from "../../consumers/group_options.ts";
import type { ClampEvent } from "../../consumers/types.ts";
import { ask, type Cluster, patienceFor } from "../log/cluster.ts";
import type { KafkaTopic } from "../wire/cluster.ts";
import {
  type GroupPlace,
  requestCommit,
  requestCommitted,
  requestHeartbeat,
  requestJoin,
  requestLeave,
  requestSync,
} from "../wire/group_requests.ts";
import { REBALANCING, UNKNOWN_MEMBER } from "../wire/kafka_error.ts";
import { pause } from "../wire/patience.ts";
import { requestMetadata, requestOffsets } from "../wire/requests.ts";
import {
  BALANCED,
  dealOut,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  RANGE,
} from "./assignors.ts";
import { Coordinator, isGroupError } from "./coordinator.ts";

/** Brokers take no shorter session by default, and hold a member that went away without a word for gone after it. */
const SESSION_MS = 6000;
const HEARTBEAT_MS = 1000;
const LEAVING_MS = 2000;
/** Nobody, for a broker. */
const NOBODY = "";

/** A partition that a member has. While it stays with the member over generations it is the same. */
export interface HeldGrant {
  readonly shard: number;
  /** First offset to deliver. */
  readonly from: number;
}

/** A part of a commit. */
export interface GroupCommit {
  readonly grant: HeldGrant;
  /** Offset of the next record to read. */
  readonly next: number;
}

/** See above. */
export class GroupMember {
  readonly name: string;
  /** Next offsets by shard, as the group has stored them when it was asked last. */
  committed: number[] = [];
  readonly clamps: ClampEvent[] = [];
  /** Another generation is being made, or there is one without this member. */
  needsJoin = true;
  #grants: ReadonlyMap<number, HeldGrant> = new Map();
  readonly #cluster: Cluster;
  readonly #topic: KafkaTopic;
  readonly #options: CheckedGroup;
  readonly #signal: AbortSignal;
  readonly #onChange: () => void;
  readonly #coordinator: Coordinator;
  #member = NOBODY;
  #generation = -1;
  #joining: Promise<void> | undefined = undefined;
  #timer: ReturnType<typeof setTimeout> | undefined = undefined;

  /** @param onChange Called when it has to join again, or has lost what it had. */
  constructor(
    cluster: Cluster,
    topic: KafkaTopic,
    name: string,
    options: CheckedGroup,
    signal: AbortSignal,
    onChange: () => void,
  ) {
    this.name = name;
    this.#cluster = cluster;
    this.#topic = topic;
    this.#options = options;
    this.#signal = signal;
    this.#onChange = onChange;
    this.#coordinator = new Coordinator(topic, name);
  }

  /** By shard. Another map after each change. */
  get grants(): ReadonlyMap<number, HeldGrant> {
    return this.#grants;
  }

  /** Joins, or joins the next generation; at once where there is nothing to join. */
  join(): Promise<void> {
    if (!this.needsJoin && this.#joining === undefined) return Promise.resolve();
    this.#joining ??= this.#join().finally(() => this.#joining = undefined);
    return this.#joining;
  }

  /**
   * Commits for partitions that it has.
   *
   * @throws {LogError} `CONFLICT` where another member has one by now: the rest is committed.
   */
  async commit(entries: readonly GroupCommit[]): Promise<void> {
    for (;;) {
      const valid = entries.filter(({ grant }) => this.#grants.get(grant.shard) === grant);
      const offsets = new Map<number, number>();
      for (const { grant: { shard }, next } of valid) {
        if (next > this.committed[shard]) offsets.set(shard, Math.max(next, offsets.get(shard) ?? 0));
      }
      try {
        if (offsets.size > 0) await this.#store(offsets);
      } catch (error) {
        if (!isGroupError(error)) throw error;
        this.#leftBehind(error.number);
        // A new generation is being made: what is still here then can be committed in it.
        if (error.number === REBALANCING) await this.join();
        continue;
      }
      if (valid.length === entries.length) return;
      throw lostError(this.name, entries.filter((entry) => !valid.includes(entry)).map(({ grant }) => grant.shard));
    }
  }

  /** Leaves, so that others need not wait. A coordinator that is away finds out by itself. */
  async leave(): Promise<void> {
    clearTimeout(this.#timer);
    // A member that is on its way into the group has no name yet.
    if (this.#joining !== undefined) await Promise.race([this.#joining.catch(() => {}), pause(LEAVING_MS)]);
    clearTimeout(this.#timer);
    const member = this.#member;
    const isIn = member !== NOBODY;
    this.#grants = new Map();
    this.#member = NOBODY;
    this.needsJoin = true;
    if (!isIn) return;
    const over = new AbortController();
    // Others would wait for it as long as a session is: a connection that was closed meanwhile is not the end of it.
    const leaving = this.#coordinator.ask(
      patienceFor(this.#cluster, over.signal),
      (broker) => requestLeave(broker, { group: this.name, member }),
    );
    await Promise.race([leaving, pause(LEAVING_MS, over.signal)].map((one) => one.catch(() => {})));
    over.abort();
  }

  get #sessionMs(): number {
    return Math.max(SESSION_MS, this.#options.leaseMs);
  }

  get #place(): GroupPlace {
    return { group: this.name, generation: this.#generation, member: this.#member };
  }

  async #store(offsets: ReadonlyMap<number, number>): Promise<void> {
    const { topic } = this.#topic;
    const patience = patienceFor(this.#cluster, this.#signal);
    await this.#coordinator.ask(patience, (broker) => requestCommit(broker, this.#place, topic, offsets));
    for (const [shard, next] of offsets) this.committed[shard] = next;
    this.#tell();
  }

  async #join(): Promise<void> {
    clearTimeout(this.#timer);
    const before = { generation: this.#generation, grants: this.#grants, member: this.#member };
    const patience = patienceFor(this.#cluster, this.#signal);
    for (;;) {
      try {
        this.needsJoin = false;
        const shards = await this.#enter();
        const isNext = this.#member === before.member && this.#generation === before.generation + 1;
        this.#grants = await this.#grantsFor(shards, isNext ? before.grants : new Map());
        break;
      } catch (error) {
        this.needsJoin = true;
        if (!isGroupError(error)) this.#coordinator.forget();
        else if (error.number === UNKNOWN_MEMBER) this.#member = NOBODY;
        await patience.wait(error);
      }
    }
    this.#tell();
    this.#arm();
  }

  /** For the log's stats. */
  #tell(): void {
    const own = [...this.#grants.keys()].map((shard) => [shard, this.committed[shard]] as const);
    this.#cluster.lags.has(this, this.name, new Map(own));
  }

  /** Joins and gets what it is dealt. */
  async #enter(): Promise<number[]> {
    const { accepts } = this.#options;
    const { topic } = this.#topic;
    const sessionMs = this.#sessionMs;
    const owned = [...this.#grants.keys()];
    const metadata = encodeSubscription({ topics: [topic], accepts: accepts && [...accepts], owned });
    // Only members of this log understand which shards are wanted.
    const names = accepts === undefined ? [BALANCED, RANGE] : [BALANCED];
    const protocols = names.map((name) => ({ name, metadata }));
    const broker = await this.#coordinator.connect();
    const limits = { sessionMs, rebalanceMs: sessionMs };
    const joined = await requestJoin(broker, { group: this.name, member: this.#member }, limits, protocols);
    this.#member = joined.member;
    this.#generation = joined.generation;
    const assignments = new Map<string, Uint8Array>();
    if (joined.leader === joined.member) {
      const subscribers = joined.members.map(({ id, metadata }) => ({ id, ...decodeSubscription(metadata) }));
      const counts = new Map<string, number>();
      for (const name of new Set(subscribers.flatMap(({ topics }) => topics))) {
        const { error, leaders } = await requestMetadata(await this.#topic.anyBroker(), name);
        // A broker that has just started may not know the own topic yet: without it nobody would get any of its shards.
        if (name === topic) counts.set(name, Math.max(leaders.length, this.#cluster.partitions));
        else if (error === 0) counts.set(name, leaders.length);
      }
      for (const [id, dealt] of dealOut(joined.protocol, subscribers, counts)) {
        assignments.set(id, encodeAssignment(dealt));
      }
    }
    const assignment = await requestSync(broker, this.#place, assignments, sessionMs);
    return decodeAssignment(assignment, topic).filter((shard) => shard >= 0 && shard < this.#cluster.partitions);
  }

  /** Finds where each partition goes on, and stores it where that is new. */
  async #grantsFor(
    shards: readonly number[],
    kept: ReadonlyMap<number, HeldGrant>,
  ): Promise<Map<number, HeldGrant>> {
    const { topic } = this.#topic;
    const { partitions } = this.#cluster;
    const broker = await this.#coordinator.connect();
    this.committed = await requestCommitted(broker, this.name, topic, partitions);
    const placed = new Map<number, number>();
    const grants = new Map<number, HeldGrant>();
    for (const shard of shards) {
      const known = kept.get(shard);
      const from = known === undefined ? await this.#startOf(shard) : this.committed[shard];
      if (from !== this.committed[shard]) placed.set(shard, from);
      grants.set(shard, known ?? { shard, from });
    }
    if (placed.size > 0) await this.#store(placed);
    return grants;
  }

  async #startOf(shard: number): Promise<number> {
    const place = { topic: this.#topic.topic, partition: shard };
    const patience = patienceFor(this.#cluster, this.#signal);
    const { earliest, end } = await ask(this.#topic, shard, patience, (leader) => requestOffsets(leader, place));
    const committed = this.committed[shard];
    if (committed < 0) return this.#options.from === "latest" ? end : earliest;
    if (committed <= end) return committed;
    this.clamps.push({ consumer: this.name, shard, from: committed, to: end });
    return end;
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#signal.aborted || this.#member === NOBODY) return;
    this.#timer = setTimeout(() => void this.#beat(), HEARTBEAT_MS);
  }

  async #beat(): Promise<void> {
    if (this.#joining !== undefined) return;
    const place = this.#place;
    try {
      // A broker that hangs must not cost the session: another one coordinates soon.
      await requestHeartbeat(await this.#coordinator.connect(), place, Math.round(this.#sessionMs * 2 / 3));
    } catch (error) {
      if (!isGroupError(error)) this.#coordinator.forget();
      else if (place.generation === this.#generation && this.#joining === undefined) this.#leftBehind(error.number);
    }
    if (this.#joining === undefined) this.#arm();
  }

  /** The group goes on: to the next generation, or it has gone on without this member. */
  #leftBehind(number: number): void {
    if (number !== REBALANCING) this.#grants = new Map();
    if (number === UNKNOWN_MEMBER) this.#member = NOBODY;
    this.needsJoin = true;
    this.#onChange();
  }
}
