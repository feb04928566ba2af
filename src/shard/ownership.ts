/**
 * Notices that another writer has taken the shard over.
 *
 * @module
 */
import type { SlotFile } from "../anchor/slot_file.ts";
import type { Clock } from "../vfs.ts";
import { takenOverError } from "./refusals.ts";

/**
 * Who stands still for so long may have lost the log: a lock can get lost (its file removed, a machine suspended), never within
 * an instant. Below it nobody looks, so that a busy writer pays nothing.
 */
const CHECK_MS = 200;

/** A writer's claim to be the only one, looked at again after it stood still. */
export class Ownership {
  readonly #clock: Clock;
  readonly #shard: number;
  /** When this writer was last seen to be the only one. */
  #ownedMs: number;

  constructor(clock: Clock, shard: number) {
    this.#clock = clock;
    this.#shard = shard;
    this.#ownedMs = clock.monotonic();
  }

  /** True where there is no need to look. */
  get isFresh(): boolean {
    return this.#clock.monotonic() - this.#ownedMs < CHECK_MS;
  }

  /** Fails where another writer has written the state, which comes before its first byte. `undefined`: there is no need to look. */
  check(state: SlotFile | undefined): Promise<void> | undefined {
    if (state === undefined || this.isFresh) return undefined;
    const nowMs = this.#clock.monotonic();
    return state.isOwn().then((isOwn) => {
      if (!isOwn) throw takenOverError(this.#shard);
      this.#ownedMs = nowMs;
    });
  }
}
