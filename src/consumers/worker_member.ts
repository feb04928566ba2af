/**
 * A member of a group in a worker, seen from there.
 *
 * @module
 */
import { Bell } from "../claims/bell.ts";
import type { Clock, TimerHandle } from "../vfs.ts";
import type { ConsumerHandleContent } from "./handle.ts";
import { connectOnce } from "./connect_once.ts";
import { CONNECTED, goneError, LAPSED, LEFT, LOOK_AGAIN_MS, MemberBlock, OVER } from "./member_block.ts";
import type { CommitEntry, Grant, Membership } from "./membership.ts";

/** See above. */
export class WorkerMember implements Membership {
  readonly #content: ConsumerHandleContent;
  readonly #block: MemberBlock;
  readonly #bell: Bell;
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();
  readonly #grants = new Map<number, Grant>();
  #seen = -1;
  #version = 0;
  #isActive = false;
  #isWatching = false;
  #left = false;
  /** Changes seen when it came back. */
  #back: number | undefined = undefined;
  #heart: TimerHandle = undefined;
  /** Commits go one after the other. */
  #committing: Promise<unknown> = Promise.resolve();

  constructor(content: ConsumerHandleContent, clock: Clock) {
    this.#content = content;
    this.#block = new MemberBlock(content.block);
    this.#bell = new Bell(content.bell);
    this.#clock = clock;
    connectOnce(content.name, this.#block);
    this.#bell.ring();
  }

  get version(): number {
    this.#read();
    return this.#version;
  }

  get grants(): ReadonlyMap<number, Grant> {
    this.#read();
    return this.#grants;
  }

  get committed(): readonly number[] {
    if (!this.#block.isOpened) return [];
    return Array.from({ length: this.#content.shards }, (_, shard) => this.#block.committed(shard));
  }

  get isOver(): boolean {
    return this.#block.state === OVER;
  }

  async join(): Promise<void> {
    this.#live();
    if (!this.#block.isOpened) {
      this.#bell.ring();
      await this.#until(() => this.#block.isOpened || this.isOver);
    }
    const { state } = this.#block;
    if (state === OVER) throw goneError(this.#content.name, state);
    if (state === LEFT) throw this.#block.failure ?? goneError(this.#content.name, state);
    // The log's thread has not granted anything yet where this one has just come back.
    const seen = this.#back;
    this.#back = undefined;
    if (seen !== undefined) await this.#until(() => this.#block.changes !== seen || this.isOver, LOOK_AGAIN_MS);
    this.#read();
  }

  setActive(isActive: boolean): void {
    this.#isActive = isActive;
    this.#block.isActive = isActive;
    this.#live();
    this.#bell.ring();
    this.#clock.clearTimer(this.#heart);
    if (isActive) this.#beat();
    if (!this.#isWatching && isActive) void this.#watch();
  }

  async commit(entries: readonly CommitEntry[]): Promise<void> {
    const task = this.#committing.then(() => this.#commit(entries));
    this.#committing = task.catch(() => {});
    await task;
  }

  release({ shard, id }: Grant): void {
    this.#block.release(shard, id);
    this.#bell.ring();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async leave(): Promise<void> {
    this.#left = true;
    this.#clock.clearTimer(this.#heart);
    await this.#committing;
    if (!this.#block.moveState(CONNECTED, LEFT)) this.#block.moveState(LAPSED, LEFT);
    this.#bell.ring();
  }

  async #commit(entries: readonly CommitEntry[]): Promise<void> {
    this.#live();
    const { state } = this.#block;
    if (state !== CONNECTED) throw goneError(this.#content.name, state);
    const request = this.#block.ask(entries);
    this.#bell.ring();
    await this.#until(() => this.#block.answer === request || this.#block.state !== CONNECTED);
    if (this.#block.answer !== request) {
      // What became of it is not known: at most it is delivered again.
      await this.#until(() => this.#block.answer === request || this.isOver, LOOK_AGAIN_MS);
      if (this.#block.answer !== request) throw goneError(this.#content.name, this.#block.state);
    }
    const { failure } = this.#block;
    this.#read();
    if (failure !== undefined) throw failure;
  }

  /** A sign of life; one that was given up comes back with it. */
  #live(): void {
    this.#block.beat();
    const seen = this.#block.changes;
    if (!this.#block.moveState(LAPSED, CONNECTED)) return;
    this.#back = seen;
    this.#bell.ring();
  }

  #beat(): void {
    this.#live();
    if (this.#left || this.isOver || !this.#isActive) return;
    this.#heart = this.#clock.setTimer(() => this.#beat(), Math.max(1, Math.floor(this.#content.leaseMs / 4)));
  }

  /** Takes over what the log's thread has changed. */
  #read(): void {
    const { changes } = this.#block;
    if (changes === this.#seen) return;
    this.#seen = changes;
    let isChanged = false;
    for (let shard = 0; shard < this.#content.shards; shard++) {
      const words = this.#block.grant(shard);
      const known = this.#grants.get(shard);
      if (words?.id === known?.id && words?.isRevoked === known?.isRevoked) continue;
      isChanged = true;
      if (words === undefined) this.#grants.delete(shard);
      else if (known?.id === words.id) known.isRevoked = words.isRevoked;
      else this.#grants.set(shard, { shard, ...words });
    }
    if (isChanged || this.isOver) this.#version++;
  }

  /** Tells listeners of changes while somebody reads. */
  async #watch(): Promise<void> {
    this.#isWatching = true;
    let told = this.#version;
    while (this.#isActive && !this.#left && !this.isOver) {
      this.#read();
      if (this.#version !== told) {
        told = this.#version;
        for (const listener of [...this.#listeners]) listener();
      }
      await this.#block.waitForChange(this.#seen);
    }
    this.#isWatching = false;
    for (const listener of [...this.#listeners]) listener();
  }

  async #until(check: () => boolean, timeoutMs: number = Infinity): Promise<void> {
    const started = this.#clock.monotonic();
    while (!check() && this.#clock.monotonic() - started < timeoutMs) {
      const seen = this.#block.changes;
      if (check()) return;
      // A wait in shared memory keeps no thread alive, on Node and Bun; a timer does, and is also where nobody notifies.
      const timer = this.#clock.setTimer(() => {}, LOOK_AGAIN_MS + 100);
      await this.#block.waitForChange(seen);
      this.#clock.clearTimer(timer);
      this.#live();
    }
  }
}
