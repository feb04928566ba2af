/**
 * Callers of `log.append` that wait for room in a shard, in the order they came.
 *
 * @module
 */
import type { RecordInput } from "../batch/record_input.ts";
import { BACKPRESSURE, type Shard } from "../shard/shard_types.ts";

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
    const before = this.#last ?? Promise.resolve();
    const task = before.then(() => this.#takeWhenThereIsRoom(record, signal));
    const settled = task.then(() => undefined, () => undefined);
    this.#last = settled;
    void settled.then(() => {
      if (this.#last === settled) this.#last = undefined;
    });
    return signal === undefined ? task : untilAborted(task, signal);
  }

  async #takeWhenThereIsRoom(record: RecordInput, signal: AbortSignal | undefined): Promise<number> {
    for (;;) {
      signal?.throwIfAborted();
      const offset = this.#shard.tryAppend(record);
      if (offset !== BACKPRESSURE) return offset;
      await this.#shard.writable(signal === undefined ? {} : { signal });
    }
  }
}

/** The task, or the signal's reason as soon as it is given: also while others are still in front. */
function untilAborted<T>(task: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    task.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
