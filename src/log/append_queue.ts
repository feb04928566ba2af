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
    const before = this.#last ?? Promise.resolve();
    const task = before.then(() => this.#takeWhenThereIsRoom(record, signal));
    const settled = task.then(() => undefined, () => undefined);
    this.#last = settled;
    void settled.then(() => {
      if (this.#last === settled) this.#last = undefined;
    });
    return untilAborted(task, signal);
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
