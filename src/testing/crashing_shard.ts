/**
 * A shard that ends with its machine.
 *
 * @module
 */
import type { RecordInput } from "../batch/record_input.ts";
import type { Rung, SignalOptions } from "../options.ts";
import type { BACKPRESSURE, Shard, ShardState } from "../shard/shard_types.ts";
import type { Life } from "./life.ts";

/** Passes everything on to the engine's shard while the machine lives. */
export class CrashingShard implements Shard {
  readonly #shard: Shard;
  readonly #life: Life;
  /** The numbers at the crash: what the engine still does then, it does in vain. */
  #last: Pick<Shard, "earliest" | "nextOffset" | "written" | "synced" | "state"> | undefined = undefined;

  constructor(shard: Shard, life: Life) {
    this.#shard = shard;
    this.#life = life;
    life.onEnd(() => {
      const { earliest, nextOffset, written, synced } = shard;
      this.#last = { earliest, nextOffset, written, synced, state: "closed" };
    });
  }

  get id(): number {
    return this.#shard.id;
  }

  get earliest(): number {
    return this.#now.earliest;
  }

  get nextOffset(): number {
    return this.#now.nextOffset;
  }

  get written(): number {
    return this.#now.written;
  }

  get synced(): number {
    return this.#now.synced;
  }

  get state(): ShardState {
    return this.#now.state;
  }

  tryAppend(record: RecordInput): number | typeof BACKPRESSURE {
    this.#life.assertAlive();
    return this.#shard.tryAppend(record);
  }

  tryAppendBatch(batch: Uint8Array): number | typeof BACKPRESSURE {
    this.#life.assertAlive();
    return this.#shard.tryAppendBatch(batch);
  }

  writable(options?: SignalOptions): Promise<void> {
    return this.#life.guard(() => this.#shard.writable(options));
  }

  acknowledged(offset: number, rung?: Rung, options?: SignalOptions): Promise<void> {
    return this.#life.guard(() => this.#shard.acknowledged(offset, rung, options));
  }

  flush(rung?: Rung, options?: SignalOptions): Promise<number> {
    return this.#life.guard(() => this.#shard.flush(rung, options));
  }

  trimBefore(offset: number): Promise<number> {
    return this.#life.guard(() => this.#shard.trimBefore(offset));
  }

  get #now(): Pick<Shard, "earliest" | "nextOffset" | "written" | "synced" | "state"> {
    // Noticing a machine that has stopped is what sets the numbers.
    return this.#life.error === undefined ? this.#shard : this.#last!;
  }
}
