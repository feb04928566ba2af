/**
 * Whether a shard's appends pass a watch of keys, on this thread and from others.
 *
 * @module
 */
import type { Codecs } from "../batch/codecs.ts";
import type { ClaimQueue } from "./claim_queue.ts";
import { WatchedKeys } from "./watched_keys.ts";

/** A record was not taken, as it would have got another offset. */
export const MOVED = -1;

/** What is needed of a shard. */
export interface WatchedShard {
  readonly nextOffset: number;
  /** Takes over what other threads have published. */
  collect(): void;
}

/** See above. */
export class KeyWatch {
  /** There while somebody asks for keys. */
  active: WatchedKeys | undefined = undefined;
  readonly #shard: WatchedShard;
  readonly #closeLane: () => void;
  #queue: ClaimQueue | undefined = undefined;

  /** @param closeLane While a watch is active nothing goes past it. */
  constructor(shard: WatchedShard, closeLane: () => void) {
    this.#shard = shard;
    this.#closeLane = closeLane;
  }

  /** From now on everything passes the answer, until nobody has asked it for a long time. */
  start(codecs: Codecs): WatchedKeys {
    this.#closeLane();
    return this.active ?? this.#set(new WatchedKeys(codecs, () => this.#set(undefined)));
  }

  /** Exclusive end of what was appended, all of which has passed the watch; {@linkcode MOVED} where others' records are on their way. */
  seenEnd(): number {
    this.#shard.collect();
    return this.#queue?.seenEnd ?? this.#shard.nextOffset;
  }

  /** What other threads append comes through this queue, too. */
  follow<T extends { readonly queue: ClaimQueue }>(sharing: T): T {
    this.#queue = sharing.queue;
    this.#queue.watch = this.active;
    return sharing;
  }

  #set<T extends WatchedKeys | undefined>(watch: T): T {
    this.active = watch;
    if (this.#queue !== undefined) this.#queue.watch = watch;
    return watch;
  }
}
