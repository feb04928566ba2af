/**
 * A member of a group in the log's own thread.
 *
 * @module
 */
import type { Group, GroupMember } from "./group.ts";
import type { CommitEntry, Grant, Membership } from "./membership.ts";

/** A group that was opened for somebody. */
export interface Lease {
  readonly group: Group;
  /** Nobody uses it any more: the last one closes it. */
  release(): Promise<void>;
}

/** See above. */
export class LocalMember implements Membership, GroupMember {
  readonly accepts: ReadonlySet<number> | undefined;
  readonly leaseMs: number;
  readonly grants: Map<number, Grant> = new Map<number, Grant>();
  isActive = false;
  isOver = false;
  version = 0;
  readonly #open: () => Promise<Lease>;
  readonly #listeners = new Set<() => void>();
  #joining: Promise<Lease> | undefined = undefined;
  #lease: Lease | undefined = undefined;

  constructor(open: () => Promise<Lease>, accepts: ReadonlySet<number> | undefined, leaseMs: number) {
    this.#open = open;
    this.accepts = accepts;
    this.leaseMs = leaseMs;
  }

  get committed(): readonly number[] {
    return this.#lease?.group.committed ?? [];
  }

  async join(): Promise<void> {
    this.#joining ??= this.#join();
    try {
      await this.#joining;
    } catch (error) {
      // The next use tries again.
      this.#joining = undefined;
      throw error;
    }
  }

  setActive(isActive: boolean): void {
    if (this.#lease === undefined) this.isActive = isActive;
    else this.#lease.group.setActive(this, isActive);
  }

  async commit(entries: readonly CommitEntry[]): Promise<void> {
    await this.#lease!.group.commit(this, entries);
  }

  release({ shard, id }: Grant): void {
    this.#lease?.group.release(this, shard, id);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async leave(): Promise<void> {
    const lease = await this.#joining?.catch(() => undefined);
    if (lease === undefined || this.#lease === undefined) return;
    this.#lease = undefined;
    lease.group.leave(this);
    await lease.release();
  }

  /** The log is closed. */
  end(): void {
    this.isOver = true;
    this.notify();
  }

  notify(): void {
    this.version++;
    for (const listener of [...this.#listeners]) listener();
  }

  onCommitted(): void {}

  async #join(): Promise<Lease> {
    const lease = await this.#open();
    this.#lease = lease;
    lease.group.join(this);
    return lease;
  }
}
