/**
 * Callers of `log.append` that wait for room in a shard, in the order they came.
 *
 * @module
 */
import type { RecordInput } from "../batch/record_input.ts";
import { BACKPRESSURE, type Shard } from "../shard/shard_types.ts";
import { untilAborted } from "../aborting.ts";

/** Tries what needs room, once it is the caller's turn; nobody overtakes one who waits. */
export class TurnQueue {
  readonly #shard: Pick<Shard, "writable">;
  #last: Promise<unknown> | undefined = undefined;

  constructor(shard: Pick<Shard, "writable">) {
    this.#shard = shard;
  }

  /** True while somebody waits for a turn. */
  get isWaiting(): boolean {
    return this.#last !== undefined;
  }

  /** What the attempt takes from the caller, at once where there is room and nobody waits; without room it answers `BACKPRESSURE`. */
  run<T>(attempt: () => T | typeof BACKPRESSURE, signal: AbortSignal | undefined): T | Promise<T> {
    if (this.#last === undefined) {
      const taken = attempt();
      if (taken !== BACKPRESSURE) return taken;
    }
    const before = this.#last ?? Promise.resolve();
    const task = before.then(() => this.#takeWhenThereIsRoom(attempt, signal));
    const settled = task.then(() => undefined, () => undefined);
    this.#last = settled;
    void settled.then(() => {
      if (this.#last === settled) this.#last = undefined;
    });
    return untilAborted(task, signal);
  }

  async #takeWhenThereIsRoom<T>(
    attempt: () => T | typeof BACKPRESSURE,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    for (;;) {
      signal?.throwIfAborted();
      const taken = attempt();
      if (taken !== BACKPRESSURE) return taken;
      await this.#shard.writable(signal === undefined ? {} : { signal });
    }
  }
}

/** Hands records to a shard. */
export class AppendQueue extends TurnQueue {
  readonly #records: Pick<Shard, "tryAppend">;

  constructor(shard: Shard) {
    super(shard);
    this.#records = shard;
  }

  /** The record's offset, at once where there is room and nobody waits. */
  take(record: RecordInput, signal: AbortSignal | undefined): number | Promise<number> {
    // The commonest way makes no function for each record.
    if (!this.isWaiting) {
      const offset = this.#records.tryAppend(record);
      if (offset !== BACKPRESSURE) return offset;
    }
    return this.run(() => this.#records.tryAppend(record), signal);
  }
}
