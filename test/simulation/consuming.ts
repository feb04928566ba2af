/** A consumer beside the writer: what it skips, what it gets again, and what it is told after a power loss. */
import type { CrashKind } from "../../adapters/memory.ts";
import { LogError } from "../../src/errors.ts";
import type { Consumer } from "../../src/consumers/types.ts";
import type { GapEvent } from "../../src/read/shard_batches.ts";
import type { Simulation } from "./simulation.ts";
import { ensure } from "./violation.ts";

/** What is known of the stored offset of a shard. Offsets are of the next record to read. */
export class Consumed {
  /** Nothing beyond it was delivered, so nothing beyond it may ever be stored. */
  delivered = 0;
  /** At least so much is stored, if the process ends. */
  os = 0;
  /** At least so much is stored, if the power goes. */
  disk = 0;
  /** The consumer is there for good. Until then it begins at the log start whenever it is asked for. */
  isStored = false;
  /** How the life before this one ended. */
  crash: CrashKind | undefined = undefined;

  /** The log was opened and ends there: what was stored beyond it must not hide what gets these offsets now. */
  recover(end: number, crash: CrashKind | undefined): void {
    this.crash = crash;
    this.delivered = Math.min(this.delivered, end);
    this.disk = Math.min(this.disk, end);
    this.os = crash === "power" ? this.disk : Math.min(this.os, end);
  }
}

/** Where a loop stands. */
class Run {
  readonly #sim: Simulation;
  readonly #next = new Map<number, number>();
  /** What was committed when it began: a commit that is under way then may come too late for it. */
  readonly #committed: readonly number[];

  constructor(sim: Simulation) {
    this.#sim = sim;
    this.#committed = sim.models.map(({ consumed }) => consumed.os);
  }

  /** What is known of a shard. */
  #consumed(shard: number): Consumed {
    const { consumed } = this.#sim.models[shard];
    if (!consumed.isStored) consumed.delivered = Math.max(consumed.delivered, this.#sim.shard(shard).earliest);
    return consumed;
  }

  /** A record came: nothing may lie between it and what came before it, in this loop or an earlier one. */
  deliver(shard: number, offset: number): void {
    const consumed = this.#consumed(shard);
    const due = this.#next.get(shard);
    ensure(due === undefined || offset === due, () => `a consumer got ${offset} of shard ${shard}, ${due} was next`);
    ensure(
      offset <= consumed.delivered,
      () => `a consumer got ${offset} of shard ${shard}, but ${consumed.delivered} was never delivered`,
    );
    ensure(
      due !== undefined || offset >= this.#committed[shard],
      () => `a consumer got ${offset} of shard ${shard}, but ${this.#committed[shard]} was committed`,
    );
    this.pass(shard, offset + 1);
  }

  /** Retention has dropped what came next. */
  skip({ shard, from, to }: GapEvent): void {
    const { earliest } = this.#sim.shard(shard);
    const consumed = this.#consumed(shard);
    ensure(
      to < earliest,
      () => `a consumer was told that ${from} to ${to} of shard ${shard} are gone, it begins at ${earliest}`,
    );
    ensure(
      from <= consumed.delivered && from >= Math.min(this.#committed[shard], this.#next.get(shard) ?? Infinity),
      () => `a consumer was told that ${from} of shard ${shard} is gone, ${consumed.delivered} was next`,
    );
    this.#sim.tally.add("consumer: told what was dropped");
    this.pass(shard, to + 1);
  }

  pass(shard: number, next: number): void {
    const { consumed } = this.#sim.models[shard];
    this.#next.set(shard, next);
    consumed.delivered = Math.max(consumed.delivered, next);
  }
}

/** Consumes some records, and commits. */
export async function consume(sim: Simulation): Promise<void> {
  const isNew = sim.consumer === undefined;
  const run = new Run(sim);
  const skip = (gap: GapEvent): void => run.skip(gap);
  sim.onConsumerGap = skip;
  const consumer = sim.consumer ??= sim.log!.consumer("c", { follow: false, onGap: (gap) => sim.onConsumerGap(gap) });
  const count = 1 + sim.random.below(12);
  const loop = async (): Promise<boolean> => {
    let left = count;
    for await (const record of consumer) {
      run.deliver(record.shard, record.offset);
      sim.models[record.shard].check(record);
      sim.tally.add("consumer: delivered");
      if (--left === 0) break;
    }
    return true;
  };
  const isDone = await sim.result(loop(), "consume");
  if (isNew && consumer.committed.size > 0) checkStored(sim, consumer);
  if (isDone === undefined || sim.random.chance(0.2)) return;
  const places = new Map(consumer.position);
  const rung = sim.settings.options.durability!;
  const commit = consumer.commit().then(() => true, (error: unknown) => {
    // A shard whose log start passed the place, or a log that is closed: nothing was said to be stored.
    if (error instanceof LogError && error.code === "CLOSED") return undefined;
    throw error;
  });
  const stored = (isStored: boolean | undefined): void => {
    if (isStored === undefined) return;
    sim.tally.add("consumer: committed");
    for (const [shard, next] of places) {
      const { consumed } = sim.models[shard];
      consumed.os = Math.max(consumed.os, next);
      if (rung === "disk") consumed.disk = Math.max(consumed.disk, next);
    }
  };
  if (sim.random.chance(0.3)) return sim.leave(commit, "commit", stored);
  stored(await sim.result(commit, "commit"));
}

/** What an opening found stored, and what it says of offsets that a power loss has freed. */
function checkStored(sim: Simulation, { committed, report }: Consumer): void {
  for (const [shard, next] of committed) {
    const { consumed } = sim.models[shard];
    if (!consumed.isStored) consumed.delivered = Math.max(consumed.delivered, sim.shard(shard).earliest);
    consumed.isStored = true;
    ensure(
      next <= consumed.delivered,
      () => `${next} of shard ${shard} is stored for a consumer, but only ${consumed.delivered} was delivered`,
    );
    ensure(
      next >= consumed.os,
      () => `${next} of shard ${shard} is stored for a consumer, ${consumed.os} was acknowledged`,
    );
  }
  for (const { shard, from, to } of report) {
    const { crash } = sim.models[shard].consumed;
    const mayLose = crash === "power" || sim.settings.vfs.unknownInstance === true;
    ensure(mayLose, () => `a consumer of shard ${shard} was set back from ${from} to ${to} without a power loss`);
    ensure(from > to && to <= sim.shard(shard).nextOffset, () => `a consumer was set from ${from} to ${to}`);
    sim.tally.add("consumer: set back to the end");
  }
}
