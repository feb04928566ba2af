/**
 * A shard that can only be read: opened so, or damaged.
 *
 * @module
 */
import type { LogError } from "../errors.ts";
import type { Rung } from "../options.ts";
import type { Publication } from "./publication.ts";
import { closedError, notHandedOutError } from "./refusals.ts";
import type { BACKPRESSURE, Shard, ShardState } from "./shard_types.ts";

/** Refuses every append with the reason it was given. */
export class ReadOnlyShard implements Shard {
  readonly id: number;
  readonly #publication: Publication;
  readonly #synced: number;
  #reason: LogError;
  #closed = false;

  constructor(id: number, publication: Publication, synced: number, reason: LogError) {
    this.id = id;
    this.#publication = publication;
    this.#synced = synced;
    this.#reason = reason;
  }

  get earliest(): number {
    return this.#publication.earliest;
  }

  get nextOffset(): number {
    return this.#publication.end.nextOffset;
  }

  get written(): number {
    return this.#publication.end.nextOffset;
  }

  get synced(): number {
    return Math.min(this.#synced, this.written);
  }

  get state(): ShardState {
    return this.#closed ? "closed" : "readOnly";
  }

  tryAppend(): number | typeof BACKPRESSURE {
    throw this.#reason;
  }

  tryAppendBatch(): number | typeof BACKPRESSURE {
    throw this.#reason;
  }

  writable(): Promise<void> {
    return Promise.reject(this.#reason);
  }

  acknowledged(offset: number, rung: Rung = "os"): Promise<void> {
    if (!(offset >= 0 && offset < this.nextOffset)) {
      return Promise.reject(notHandedOutError(this.id, offset, this.nextOffset));
    }
    const reached = rung === "disk" ? this.synced : this.written;
    return offset < reached ? Promise.resolve() : Promise.reject(this.#reason);
  }

  flush(): Promise<number> {
    return Promise.reject(this.#reason);
  }

  trimBefore(): Promise<number> {
    return Promise.reject(this.#reason);
  }

  close(): void {
    this.#closed = true;
    this.#reason = closedError(this.id);
  }
}
