/** What a program does with an open log: one function an operation, drawn by weight. */
import { LogError } from "../../src/errors.ts";
import type { Rung } from "../../src/options.ts";
import { BACKPRESSURE, type Shard } from "../../src/shard/shard_types.ts";
import { consume } from "./consuming.ts";
import { produce } from "./producing.ts";
import { type Made, pack } from "./records.ts";
import { follow, openBeside, readByTime, readMerged, readRange, readSelected, readUser } from "./reading.ts";
import type { Simulation, Waiting } from "./simulation.ts";
import { ensure } from "./violation.ts";

type Operation = (sim: Simulation) => Promise<void> | void;

const RUNGS: readonly Rung[] = ["os", "disk"];

function make(sim: Simulation, shard: Shard): Made {
  const now = sim.clock.now();
  if (sim.settings.hostile && sim.random.chance(0.1)) {
    return sim.maker.makeHostile(now, shard.nextOffset + sim.random.below(4), sim.life);
  }
  return sim.maker.make(now);
}

function tryAppend(sim: Simulation): void {
  const shard = sim.anyShard();
  for (let left = 1 + sim.random.below(sim.settings.burst); left > 0; left--) {
    const { input, expected } = make(sim, shard);
    const offset = sim.attempt(() => shard.tryAppend(input), "tryAppend");
    if (offset === undefined) return;
    if (offset === BACKPRESSURE) return sim.tally.add("operation: backpressure");
    sim.models[shard.id].take(offset, expected);
  }
}

function tryAppendBatch(sim: Simulation): void {
  const shard = sim.anyShard();
  const made = Array.from({ length: 1 + sim.random.below(4) }, () => make(sim, shard));
  const blob = pack(made);
  if (blob.length > (sim.settings.options.maxBufferPerShard ?? Infinity)) return;
  const base = sim.attempt(() => shard.tryAppendBatch(blob), "tryAppendBatch");
  if (base === undefined) return;
  if (base === BACKPRESSURE) return sim.tally.add("operation: backpressure");
  made.forEach(({ expected }, i) => sim.models[shard.id].take(base + i, expected));
}

/** Backpressure until there is room again. */
async function writable(sim: Simulation): Promise<void> {
  const shard = sim.anyShard();
  const room = sim.attempt(() => shard.writable(), "writable");
  if (room !== undefined) await sim.result(room, "writable");
}

async function append(sim: Simulation): Promise<void> {
  const { input, expected } = make(sim, sim.shard(0));
  const rung = sim.random.chance(0.5) ? sim.settings.options.durability! : sim.random.pick(RUNGS);
  const options = rung === sim.settings.options.durability ? {} : { durability: rung };
  const promise = sim.log!.append(input, options);
  const waiting: Waiting = sim.waiting = { expected, shard: undefined };
  sim.takeWaiting();
  const acknowledged = (answer: { shard: number; offset: number }): void => {
    const model = sim.models[answer.shard];
    ensure(answer.shard === waiting.shard, () => `append answered shard ${answer.shard}, not ${waiting.shard}`);
    ensure(
      model.history[answer.offset] === expected,
      () => `append answered offset ${answer.offset} of another record`,
    );
    model.acknowledge(answer.offset + 1, rung === "disk" ? answer.offset + 1 : 0);
  };
  // Without a timer nothing but a later flush may answer.
  const isTimed = sim.settings.options.flushIntervalMs !== Infinity;
  if (!isTimed || (waiting.shard !== undefined && sim.random.chance(0.5))) sim.leave(promise, "append", acknowledged);
  else {
    const answer = await sim.result(promise, "append");
    sim.takeWaiting();
    if (answer !== undefined) acknowledged(answer);
  }
  for (let left = 100; waiting.shard === undefined; left--) {
    ensure(left > 0, () => "an append waits for room, but all is flushed");
    const isFlushed = await sim.result(sim.log!.flush("disk").then(() => true), "flush for room");
    sim.takeWaiting();
    if (isFlushed === undefined) break;
  }
  sim.waiting = undefined;
}

async function flush(sim: Simulation): Promise<void> {
  const rung = sim.random.pick(RUNGS);
  const shard = sim.anyShard();
  const model = sim.models[shard.id];
  const taken = model.history.length;
  const flushed = (end: number): void => {
    ensure(
      end >= taken,
      () => `flush("${rung}") of shard ${shard.id} answered ${end}, but ${taken} records were taken before`,
    );
    model.acknowledge(end, rung === "disk" ? end : 0);
  };
  const promise = shard.flush(rung);
  if (sim.random.chance(0.4)) return sim.leave(promise, `flush ${rung}`, flushed);
  const end = await sim.result(promise, `flush ${rung}`);
  if (end !== undefined) flushed(end);
}

async function flushAll(sim: Simulation): Promise<void> {
  const rung = sim.random.pick(RUNGS);
  const taken = sim.models.map((model) => model.history.length);
  const flushed = (): void => {
    for (const model of sim.models) model.acknowledge(taken[model.id], rung === "disk" ? taken[model.id] : 0);
  };
  const promise = sim.log!.flush(rung).then(() => true);
  if (sim.random.chance(0.4)) return sim.leave(promise, `flush all ${rung}`, flushed);
  if (await sim.result(promise, `flush all ${rung}`)) flushed();
}

function acknowledged(sim: Simulation): void {
  const shard = sim.anyShard();
  if (shard.nextOffset === 0) return;
  const rung = sim.random.pick(RUNGS);
  const offset = sim.random.below(shard.nextOffset);
  sim.leave(shard.acknowledged(offset, rung), `acknowledged ${rung}`, () => {
    sim.models[shard.id].acknowledge(offset + 1, rung === "disk" ? offset + 1 : 0);
  });
}

/** Drops the oldest records of a shard, at times all of them. */
async function trim(sim: Simulation): Promise<void> {
  const shard = sim.anyShard();
  const model = sim.models[shard.id];
  const held = shard.nextOffset - shard.earliest;
  const offset = shard.earliest + sim.random.below((sim.random.chance(0.2) ? held : held >> 1) + 1);
  model.asked = Math.max(model.asked, offset);
  const trimmed = (start: number | undefined): void => {
    if (start === undefined) return;
    ensure(start >= offset, () => `shard ${shard.id} was trimmed before ${offset} and begins at ${start}`);
    // Meanwhile it may have gone further.
    model.begins(Math.max(start, model.start));
    model.acknowledge(start, start);
  };
  const promise = shard.trimBefore(offset).catch((error: unknown) => {
    // Nobody waits for a trim at close: it is done, or it is not.
    if (error instanceof LogError && error.code === "CLOSED") return undefined;
    throw error;
  });
  if (sim.random.chance(0.4)) return sim.leave(promise, "trim", trimmed);
  trimmed(await sim.result(promise, "trim"));
}

function advance(sim: Simulation): void {
  if (sim.random.chance(0.1)) sim.clock.jump(sim.random.below(10_000) - 5000);
  sim.clock.advance(1 + sim.random.below(40));
}

const OPERATIONS: readonly (readonly [weight: number, name: string, run: Operation])[] = [
  [30, "tryAppend", tryAppend],
  [8, "tryAppendBatch", tryAppendBatch],
  [7, "produce", produce],
  [3, "consume", consume],
  [10, "append", append],
  [9, "flush", flush],
  [4, "flushAll", flushAll],
  [4, "acknowledged", acknowledged],
  [3, "trim", trim],
  [9, "advance", advance],
  [6, "yield", (sim) => sim.yield(1 + sim.random.below(60))],
  [2, "writable", writable],
  [5, "readRange", readRange],
  [1, "readMerged", readMerged],
  [1, "readSelected", readSelected],
  [1, "readUser", readUser],
  [1, "readByTime", readByTime],
  [1, "follow", follow],
  [1, "openBeside", openBeside],
];
/** They compare more than a disk that does not keep its word can promise. */
const HONEST_ONLY: readonly string[] = [
  "produce",
  "consume",
  "readMerged",
  "readSelected",
  "readUser",
  "readByTime",
  "follow",
  "openBeside",
];
/** What each is counted by. */
const OPERATION_ROWS: ReadonlyMap<string, string> = new Map(OPERATIONS.map(([, name]) => [name, `operation: ${name}`]));
const WEIGHT = OPERATIONS.reduce((sum, [weight]) => sum + weight, 0);

/** Does one operation. */
export async function operate(sim: Simulation): Promise<void> {
  let rest = sim.random.below(WEIGHT);
  await run(sim, OPERATIONS.find(([weight]) => (rest -= weight) < 0)!);
}

/** Does one more operation, each kind as likely as the others, and lets the machine stop in its first steps. */
export async function operateAndCrash(sim: Simulation): Promise<void> {
  if (sim.vfs.stopped) return;
  const operation = sim.random.pick(OPERATIONS);
  sim.crashAt(sim.vfs.operations + 1 + sim.random.below(8));
  await run(sim, operation);
  if (!sim.vfs.stopped) await sim.yield(30);
}

async function run(sim: Simulation, [, name, operation]: (typeof OPERATIONS)[number]): Promise<void> {
  sim.enter(name);
  sim.operations++;
  sim.tally.add(OPERATION_ROWS.get(name)!);
  sim.trace?.(`${sim.operations} ${name}`);
  if (!sim.isDishonest || !HONEST_ONLY.includes(name)) await operation(sim);
  if (sim.random.chance(0.5)) await sim.yield(sim.random.below(20));
  sim.observe();
}
