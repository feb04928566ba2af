/**
 * A consumer in the thread of its log: its file, its members, who has which shard.
 *
 * @module
 */
import { LogError } from "../errors.ts";
import type { Clock, TimerHandle } from "../vfs.ts";
import { assign } from "./assignment.ts";
import type { CommitEntry, Grant } from "./membership.ts";
import type { OpenCursor } from "./open_cursor.ts";

/** A member, wherever it runs. */
export interface GroupMember {
  readonly accepts: ReadonlySet<number> | undefined;
  readonly leaseMs: number;
  isActive: boolean;
  /** Its shards. Written by the group. */
  readonly grants: Map<number, Grant>;
  /** The grants have changed. */
  notify(): void;
  /** Committed offsets of these shards have changed. */
  onCommitted(shards: readonly number[]): void;
}

/** Grants shards to members, and takes them back. */
export class Group {
  readonly name: string;
  readonly #cursor: OpenCursor;
  readonly #clock: Clock;
  readonly #members = new Set<GroupMember>();
  readonly #owners: (GroupMember | undefined)[];
  /** When shards that were asked back are taken, by shard. */
  readonly #deadlines = new Map<number, number>();
  #timer: TimerHandle = undefined;
  #timerAt = Infinity;
  #lastGrant = 0;
  #isStopped = false;

  constructor(name: string, cursor: OpenCursor, clock: Clock) {
    this.name = name;
    this.#cursor = cursor;
    this.#clock = clock;
    this.#owners = cursor.committed.map(() => undefined);
  }

  get committed(): readonly number[] {
    return this.#cursor.committed;
  }

  join(member: GroupMember): void {
    this.#members.add(member);
    this.#rebalance();
  }

  /** Its shards go to others at once. */
  leave(member: GroupMember): void {
    if (!this.#members.delete(member)) return;
    for (const shard of member.grants.keys()) this.#take(shard);
    member.notify();
    this.#rebalance();
  }

  setActive(member: GroupMember, isActive: boolean): void {
    if (member.isActive === isActive) return;
    member.isActive = isActive;
    if (this.#members.has(member)) this.#rebalance();
  }

  /** A member gives a shard back. */
  release(member: GroupMember, shard: number, grant: number): void {
    if (member.grants.get(shard)?.id !== grant) return;
    this.#take(shard);
    member.notify();
    this.#rebalance();
  }

  /**
   * Commits for a member.
   *
   * @throws {LogError} `CONFLICT` where it has a shard no more: the rest is committed.
   */
  async commit(member: GroupMember, entries: readonly CommitEntry[]): Promise<void> {
    const valid = entries.filter(({ shard, grant }) => member.grants.get(shard)?.id === grant);
    if (valid.length > 0) {
      await this.#cursor.commit(valid);
      const shards = valid.map(({ shard }) => shard);
      for (const other of this.#members) other.onCommitted(shards);
    }
    if (valid.length < entries.length) {
      const lost = entries.filter((entry) => !valid.includes(entry)).map(({ shard }) => shard);
      throw lostError(this.name, lost);
    }
  }

  /** The log is closed. */
  stop(): void {
    this.#isStopped = true;
    this.#clock.clearTimer(this.#timer);
    this.#deadlines.clear();
    this.#timerAt = Infinity;
  }

  #rebalance(): void {
    if (this.#isStopped) return;
    const target = assign(this.#owners, [...this.#members]);
    const changed = new Set<GroupMember>();
    for (const [shard, member] of target.entries()) {
      const owner = this.#owners[shard];
      const grant = owner?.grants.get(shard);
      if (owner === undefined) {
        if (member === undefined) continue;
        this.#owners[shard] = member;
        const from = this.#cursor.committed[shard];
        member.grants.set(shard, { shard, id: ++this.#lastGrant, from, isRevoked: false });
        changed.add(member);
      } else if (grant !== undefined && grant.isRevoked !== (owner !== member && member !== undefined)) {
        grant.isRevoked = !grant.isRevoked;
        if (grant.isRevoked) this.#deadlines.set(shard, this.#clock.monotonic() + owner.leaseMs);
        else this.#deadlines.delete(shard);
        changed.add(owner);
      }
    }
    this.#arm();
    for (const member of changed) member.notify();
  }

  /** Takes a shard from whoever has it. */
  #take(shard: number): void {
    this.#owners[shard]?.grants.delete(shard);
    this.#owners[shard] = undefined;
    this.#deadlines.delete(shard);
  }

  #arm(): void {
    const at = Math.min(Infinity, ...this.#deadlines.values());
    if (at === this.#timerAt) return;
    this.#clock.clearTimer(this.#timer);
    this.#timerAt = at;
    if (at === Infinity) return;
    this.#timer = this.#clock.setTimer(() => this.#expire(), Math.max(0, Math.ceil(at - this.#clock.monotonic())));
  }

  #expire(): void {
    this.#timerAt = Infinity;
    const now = this.#clock.monotonic();
    const losers = new Set<GroupMember>();
    for (const [shard, deadline] of [...this.#deadlines]) {
      if (deadline > now) continue;
      losers.add(this.#owners[shard]!);
      this.#take(shard);
    }
    for (const member of losers) member.notify();
    this.#rebalance();
  }
}

/** What a member is told whose shards went to others before it committed. */
export function lostError(name: string, shards: readonly number[]): LogError {
  const which = shards.length === 1 ? `shard ${shards[0]}` : `shards ${shards.join(", ")}`;
  return new LogError(
    "CONFLICT",
    `Cannot commit what the consumer ${name} delivered here of ${which}: another member has it by now, and these records are ` +
      "delivered again there; go on with the loop, and commit within leaseMs",
    { shard: shards[0] },
  );
}
