/**
 * The members in workers, seen from the log's thread.
 *
 * @module
 */
import { Bell } from "../claims/bell.ts";
import type { Clock, TimerHandle } from "../vfs.ts";
import type { GroupMember } from "./group.ts";
import { CONSUMER_HANDLE_VERSION, type ConsumerHandle, type ConsumerHandleContent } from "./handle.ts";
import type { Lease } from "./local_member.ts";
import { CONNECTED, LAPSED, LEFT, MemberBlock, OVER } from "./member_block.ts";
import type { Grant } from "./membership.ts";
import type { CursorContext } from "./open_cursor.ts";

/** Looked at so often in a row while the bell rings; then everything else gets its turn. */
const MAX_LOOKS = 8;
/** Members without a sign of life that may still come back. */
const MAX_LAPSED = 64;

interface RemoteOptions {
  readonly from: "earliest" | "latest";
  readonly accepts: ReadonlySet<number> | undefined;
  readonly leaseMs: number;
}

/** One member. */
class RemoteMember implements GroupMember {
  readonly accepts: ReadonlySet<number> | undefined;
  readonly leaseMs: number;
  readonly grants: Map<number, Grant> = new Map<number, Grant>();
  readonly block: MemberBlock;
  readonly open: () => Promise<Lease>;
  readonly #shards: number;
  isActive = false;
  /** It is a member of the group. */
  isJoined = false;
  lease: Lease | undefined = undefined;
  opening: Promise<void> | undefined = undefined;
  answered = 0;
  isAnswering = false;
  beats = 0;
  lastSeen = 0;

  constructor(options: RemoteOptions, shards: number, open: () => Promise<Lease>) {
    this.accepts = options.accepts;
    this.leaseMs = options.leaseMs;
    this.#shards = shards;
    this.block = MemberBlock.create(shards);
    this.open = open;
  }

  notify(): void {
    for (let shard = 0; shard < this.#shards; shard++) this.block.setGrant(shard, this.grants.get(shard));
    this.block.changed();
  }

  onCommitted(shards: readonly number[]): void {
    for (const shard of shards) this.block.setCommitted(shard, this.lease!.group.committed[shard]);
  }
}

/** See above. */
export class RemoteMembers {
  readonly #context: CursorContext;
  readonly #clock: Clock;
  readonly #bell = new Bell();
  readonly #members = new Set<RemoteMember>();
  #isListening = false;
  #isStopped = false;
  #timer: TimerHandle = undefined;
  #timerAt = Infinity;

  constructor(context: CursorContext, clock: Clock) {
    this.#context = context;
    this.#clock = clock;
  }

  /** Makes a member for a worker. */
  create(name: string, options: RemoteOptions, open: () => Promise<Lease>): ConsumerHandle {
    const shards = this.#context.views.length;
    const member = new RemoteMember(options, shards, open);
    this.#members.add(member);
    if (!this.#isListening) void this.#listen();
    const content: ConsumerHandleContent = {
      name,
      directory: this.#context.directory,
      shards,
      from: options.from,
      leaseMs: options.leaseMs,
      block: member.block.buffer,
      bell: this.#bell.buffer,
    };
    return { kind: "bimiplog-consumer", version: CONSUMER_HANDLE_VERSION, content };
  }

  /** The log is closed. */
  stop(): void {
    this.#isStopped = true;
    this.#clock.clearTimer(this.#timer);
    for (const { block } of this.#members) {
      block.setState(OVER);
      block.changed();
    }
    this.#bell.ring();
  }

  async #listen(): Promise<void> {
    this.#isListening = true;
    for (let looks = 1; !this.#isStopped; looks++) {
      const seen = this.#bell.rings;
      for (const member of this.#members) this.#look(member);
      this.#arm();
      const waiting = this.#bell.wait(seen);
      if (waiting !== undefined) {
        await waiting;
        looks = 0;
      } else if (looks % MAX_LOOKS === 0) await new Promise<void>((resolve) => this.#clock.setTimer(resolve, 0));
    }
  }

  /** Does what a worker wants. */
  #look(member: RemoteMember): void {
    const { block } = member;
    const { state } = block;
    if (state === LEFT) {
      this.#members.delete(member);
      void this.#leave(member, true);
      return;
    }
    if (state !== CONNECTED) return;
    if (member.lease === undefined) {
      member.opening ??= this.#open(member);
      return;
    }
    const { group } = member.lease;
    if (!member.isJoined) {
      member.isJoined = true;
      member.isActive = block.isActive;
      member.lastSeen = this.#clock.monotonic();
      group.join(member);
    } else if (member.isActive !== block.isActive) group.setActive(member, block.isActive);
    // A commit stands in front of giving the shard back, so that the next one begins behind it.
    if (block.request !== member.answered && !member.isAnswering) void this.#answer(member);
    if (member.isAnswering) return;
    for (const [shard, { id }] of [...member.grants]) {
      if (block.released(shard) === id) group.release(member, shard, id);
    }
  }

  async #open(member: RemoteMember): Promise<void> {
    try {
      member.lease = await member.open();
      member.onCommitted(this.#context.views.map(({ id }) => id));
      member.lastSeen = this.#clock.monotonic();
      this.#look(member);
      member.block.opened(undefined);
      this.#arm();
    } catch (error) {
      member.block.opened(error as Error);
      member.block.moveState(CONNECTED, LEFT);
      this.#members.delete(member);
    }
  }

  async #answer(member: RemoteMember): Promise<void> {
    const { block } = member;
    const { request } = block;
    member.isAnswering = true;
    let failure: Error | undefined;
    try {
      await member.lease!.group.commit(member, block.wanted(this.#context.views.length));
    } catch (error) {
      failure = error as Error;
    }
    member.answered = request;
    member.isAnswering = false;
    block.reply(request, failure);
    this.#look(member);
  }

  async #leave(member: RemoteMember, isForGood: boolean): Promise<void> {
    await member.opening;
    const { lease } = member;
    if (lease === undefined) return;
    member.isJoined = false;
    lease.group.leave(member);
    if (!isForGood) return;
    member.lease = undefined;
    await lease.release().catch(() => {});
  }

  /** While workers are connected, somebody looks whether they live. */
  #arm(): void {
    let delay = Infinity;
    for (const member of this.#members) {
      if (member.isJoined) delay = Math.min(delay, member.leaseMs / 4);
    }
    const at = this.#clock.monotonic() + delay;
    // Whoever rings the bell all the time must not put it off.
    if (this.#isStopped || delay === Infinity || at >= this.#timerAt) return;
    this.#clock.clearTimer(this.#timer);
    this.#timerAt = at;
    this.#timer = this.#clock.setTimer(() => this.#expire(), Math.ceil(delay));
  }

  #expire(): void {
    this.#timerAt = Infinity;
    const now = this.#clock.monotonic();
    for (const member of this.#members) {
      if (!member.isJoined) continue;
      const { beats } = member.block;
      if (beats !== member.beats) {
        member.beats = beats;
        member.lastSeen = now;
      } else if (now - member.lastSeen >= member.leaseMs && member.block.moveState(CONNECTED, LAPSED)) {
        member.isActive = false;
        void this.#leave(member, false);
      }
    }
    this.#forget();
    this.#arm();
  }

  /** Those that will hardly come back give their place up. */
  #forget(): void {
    const lapsed = [...this.#members].filter(({ block }) => block.state === LAPSED);
    for (const member of lapsed.slice(0, Math.max(0, lapsed.length - MAX_LAPSED))) {
      if (member.block.moveState(LAPSED, LEFT)) this.#look(member);
    }
  }
}
