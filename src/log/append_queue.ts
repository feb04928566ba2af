/**
 * Callers of `log.append` that wait for room in a shard, in the order they came.
 *
 * @module
 */
import type { RecordInput } from "../batch/record_input.ts";
import { BACKPRESSURE, type Shard } from "../shard/shard_types.ts";
import { untilAborted } from "./aborting.ts";

/** Hands records to a shard; nobody overtakes one who waits. */
export class AppendQueue {
  readonly #shard: Shard;
  #last: Promise<unknown> | undefined = undefined;

  constructor(shard: Shard) {
    this.#shard = shard;
  }

  /** The record's offset, at once where there is room and nobody waits. */
  take(record: RecordInput, signal: AbortSignal | undefined): number | Promise<number> {
    if (this.#last === undefined) {
      const offset = this.#shard.tryAppend(record);
      if (offset !== BACKPRESSURE) return offset;
    }
    return this.#wait(() => this.#shard.tryAppend(record), signal);
  }

  /** The same for anything else that takes something from the caller when its turn comes, or answers `BACKPRESSURE`. */
  run(attempt: () => number | typeof BACKPRESSURE, signal: AbortSignal | undefined): number | Promise<number> {
    if (this.#last === undefined) {
      const offset = attempt();
      if (offset !== BACKPRESSURE) return offset;
    }
    return this.#wait(attempt, signal);
  }

  #wait(attempt: () => number | typeof BACKPRESSURE, signal: AbortSignal | undefined): Promise<number> {
    const before = this.#last ?? Promise.resolve();
    const task = before.then(() => this.#takeWhenThereIsRoom(attempt, signal));
    const settled = task.then(() => undefined, () => undefined);
    this.#last = settled;
    void settled.then(() => {
      if (this.#last === settled) this.#last = undefined;
    });
    return untilAborted(task, signal);
  }

  async #takeWhenThereIsRoom(
    attempt: () => number | typeof BACKPRESSURE,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    for (;;) {
      signal?.throwIfAborted();
      const offset = attempt();
      if (offset !== BACKPRESSURE) return offset;
      await this.#shard.writable(signal === undefined ? {} : { signal });
    }
  }
}
