/**
 * Whether a shard's appends pass a watch of keys, on this thread and from others.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import type { ClaimQueue } from "./claim_queue.ts";
import { WatchedKeys } from "./watched_keys.ts";

/** See above. */
export class KeyWatch {
  /** There while somebody asks for keys. */
  active: WatchedKeys | undefined = undefined;
  #queue: ClaimQueue | undefined = undefined;

  /** From now on everything passes the answer, until nobody has asked it for a long time. */
  start(codecs: Codecs): WatchedKeys {
    return this.active ?? this.#set(new WatchedKeys(codecs, () => this.#set(undefined)));
  }

  /** What other threads append comes through this queue. */
  follow(queue: ClaimQueue): void {
    queue.watch = this.active;
    this.#queue = queue;
  }

  #set<T extends WatchedKeys | undefined>(watch: T): T {
    this.active = watch;
    if (this.#queue !== undefined) this.#queue.watch = watch;
    return watch;
  }
}
