/** Appends to a log in every way it offers, and says what was acknowledged. */
import type { SeededRandom } from "../../../adapters/memory/random.ts";
import { BACKPRESSURE, BatchBuilder, type Log, LogError, type Rung, type Shard } from "../../../mod.ts";
import { valueAt } from "../payload.ts";
import { say } from "./say.ts";

/** An acknowledgement to come; a promise of its own could not be handed on without waiting for it. */
interface Pending {
  readonly told: Promise<void>;
}

/** A batch of that size always finds room. */
const MAX_BLOB_BYTES = 150_000;

/** Acknowledgements that may be awaited at a time. */
const MAX_OPEN = 40;

/** One life's appends. */
export class Appender {
  readonly #log: Log;
  readonly #life: number;
  readonly #random: SeededRandom;
  readonly #durability: Rung;
  /** Next offset of each shard when the life began: the sequence counts from there. */
  readonly #bases: readonly number[];
  readonly #open = new Set<Promise<void>>();

  constructor(log: Log, life: number, random: SeededRandom, durability: Rung) {
    this.#log = log;
    this.#life = life;
    this.#random = random;
    this.#durability = durability;
    this.#bases = log.shards.map((shard) => shard.nextOffset);
  }

  /**
   * Appends something somewhere; waits for its acknowledgement, or lets it come later.
   *
   * @param disk How likely it asks for `disk`, from 0 to 1.
   */
  async step(disk: number): Promise<void> {
    const random = this.#random;
    const rung: Rung = this.#durability === "disk" || random.chance(disk) ? "disk" : "os";
    const key = `user ${random.below(50)}`;
    const shard = this.#log.shardFor(key);
    const way = random.below(10);
    if (shard.state !== "open") return;
    try {
      const { told } = way < 4
        ? await this.#append(shard, key, rung)
        : way < 8
        ? await this.#tryAppend(shard, key, rung)
        : way === 8
        ? await this.#tryAppendBatch(shard, key, rung)
        : this.#told(shard, rung, shard.flush(rung));
      this.#open.add(told);
      void told.then(() => this.#open.delete(told));
      if (random.chance(0.4)) await told;
      while (this.#open.size >= MAX_OPEN) await Promise.race(this.#open);
    } catch (error) {
      // A shard that gave up while there was no room; onError has told.
      if (!(error instanceof LogError)) throw error;
    }
  }

  /** Waits until every acknowledgement came or was refused. */
  async settled(): Promise<void> {
    await Promise.all(this.#open);
  }

  async #append(shard: Shard, key: string, durability: Rung): Promise<Pending> {
    const expected = shard.nextOffset;
    const appended = this.#log.append({ key, value: this.#value(shard, expected) }, { durability });
    const pending = this.#told(
      shard,
      durability,
      appended.then(({ shard: id, offset }) => {
        if (id !== shard.id || offset !== expected) say(`wrong append went to ${offset} of ${id}, not to ${expected}`);
        return offset + 1;
      }),
    );
    // It waits for room: the next value must not be made before this one has its offset.
    if (shard.nextOffset === expected) await pending.told;
    return pending;
  }

  async #tryAppend(shard: Shard, key: string, rung: Rung): Promise<Pending> {
    const count = 1 + this.#random.below(this.#random.pick([3, 60]));
    let last = -1;
    for (let i = 0; i < count; i++) {
      const value = this.#value(shard, shard.nextOffset);
      const expected = shard.nextOffset;
      let offset = shard.tryAppend({ key, value, headers: i % 5 === 0 ? { i: String(i) } : {} });
      while (offset === BACKPRESSURE) {
        await shard.writable();
        offset = shard.tryAppend({ key, value });
      }
      if (offset !== expected) say(`wrong tryAppend answered ${offset}, not ${expected}`);
      last = offset;
    }
    return this.#told(shard, rung, shard.acknowledged(last, rung).then(() => last + 1));
  }

  async #tryAppendBatch(shard: Shard, key: string, rung: Rung): Promise<Pending> {
    const expected = shard.nextOffset;
    const builder = new BatchBuilder({ maxBytes: MAX_BLOB_BYTES });
    const wanted = 1 + this.#random.below(20);
    while (builder.count < wanted) {
      if (!builder.add({ key, value: this.#value(shard, expected + builder.count) })) break;
    }
    const { count } = builder;
    const blob = builder.finish();
    let base = shard.tryAppendBatch(blob);
    while (base === BACKPRESSURE) {
      await shard.writable();
      base = shard.tryAppendBatch(blob);
    }
    if (base !== expected) say(`wrong tryAppendBatch answered ${base}, not ${expected}`);
    const end = expected + count;
    return this.#told(shard, rung, shard.acknowledged(end - 1, rung).then(() => end));
  }

  #value(shard: Shard, offset: number): Uint8Array {
    return valueAt(this.#life, shard.id, offset - this.#bases[shard.id]);
  }

  /** Says that everything before an offset is acknowledged, in the turn in which it becomes known. */
  #told(shard: Shard, rung: Rung, end: Promise<number>): Pending {
    const told = end.then(
      (reached) => say(`ack ${shard.id} ${reached} ${rung}`),
      (error: unknown) => {
        if (error instanceof LogError) say(`lost ${shard.id} ${error.code}`);
        else say(`wrong ${String(error)}`);
      },
    );
    return { told };
  }
}
