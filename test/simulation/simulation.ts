/** One schedule under way: the machine, the log on it, and what is known of it. */
import { setImmediate } from "node:timers";
import {
  type CrashKind,
  type FaultKind,
  type MemoryVfs,
  memoryVfs,
  type SeededRandom,
  type SimulatedClock,
  simulatedClock,
} from "../../adapters/memory.ts";
import { noCodecs } from "../../src/batch/codecs.ts";
import type { Consumer } from "../../src/consumers/types.ts";
import { LogError } from "../../src/errors.ts";
import type { EmbeddedLog } from "../../src/log/log.ts";
import { openWith } from "../../src/log/open.ts";
import type { Engine, OpenOptions } from "../../src/options.ts";
import type { GapEvent } from "../../src/read/shard_batches.ts";
import type { ReadOptions } from "../../src/read/read_options.ts";
import type { LogRecord } from "../../src/read/stored_record.ts";
import type { Shard } from "../../src/shard/shard_types.ts";
import { ShardModel } from "./model.ts";
import { type Expected, RecordMaker } from "./records.ts";
import { stageOf } from "./phases.ts";
import type { Settings } from "./settings.ts";
import type { Tally } from "./tally.ts";
import { describeError, Violation } from "./violation.ts";

/** Where the log lies. */
export const DIRECTORY = "/data/chat";

/** What became of a promise: its value, or why it was rejected. */
export type Settled<T> = { readonly value: T } | { readonly error: unknown };

/** No single call needs so many file operations. */
const MAX_OPERATIONS = 100_000;

/** What waits for it goes on one microtask later. */
const NEXT_TURN: Promise<void> = Promise.resolve();

/** What can strike, as counted. */
export const FAULT_KINDS: readonly FaultKind[] = [
  "errorBefore",
  "errorAfter",
  "shortWrite",
  "delay",
  "lostWrite",
  "misdirectedWrite",
  "lostSync",
  "lyingSync",
  "flippedBit",
];

function noFaults(): Record<FaultKind, number> {
  return Object.fromEntries(FAULT_KINDS.map((kind) => [kind, 0])) as Record<FaultKind, number>;
}

/** Codes of a disk that says it failed. */
const FAILURES: readonly string[] = ["IO", "DISK_FULL", "POISONED", "LOCKED"];
/** Codes of data that is not what it was. */
const DAMAGE: readonly string[] = ["DATA_LOSS", "CORRUPT_BATCH", "CORRUPT_FILE", "NOT_A_LOG"];
/** Where both manifests and a shard's directory are gone, the rest looks like a smaller log. */
const LYING_DAMAGE: readonly string[] = [...DAMAGE, "CONFLICT"];

/** Something that reads while others write, and is over when the log is. */
export interface Companion {
  /** The writer's process is over, or the log was closed. */
  end(closed: boolean): Promise<void>;
}

/** A record that was handed to the log, and the shard that has taken it. */
export interface Waiting {
  readonly expected: Expected;
  shard: number | undefined;
}

/** Everything a schedule works with. */
export class Simulation {
  readonly settings: Settings;
  readonly random: SeededRandom;
  readonly tally: Tally;
  readonly clock: SimulatedClock = simulatedClock();
  readonly maker: RecordMaker;
  models: readonly ShardModel[] = [];
  readonly trace: ((line: string) => void) | undefined;
  vfs: MemoryVfs;
  log: EmbeddedLog | undefined = undefined;
  /** Counts openings: an answer to an earlier one says nothing any more. */
  life = 0;
  /** The worst crash since the log was closed cleanly; `undefined` while it is open, or where there was none. */
  crashed: CrashKind | undefined = undefined;
  /** Calls that were not waited for. */
  pending: Promise<unknown>[] = [];
  companions: Companion[] = [];
  /** The consumer of this life, once there is one. */
  consumer: Consumer | undefined = undefined;
  /** Told what its loop cannot deliver any more. */
  onConsumerGap: (gap: GapEvent) => void = () => {};
  /** A record that may be taken at any moment, of which nobody is told. One at a time. */
  waiting: Waiting | undefined = undefined;
  operations = 0;
  /** Openings that a crash interrupted. */
  recoveriesCrashed = 0;
  #crashAt = Infinity;
  #machines = 0;
  #faults: Record<FaultKind, number> = noFaults();
  /** Whoever waits goes on. */
  #wake: () => void = () => {};
  /** One for all who wait before it comes: hardly any of them has to wait so long. */
  #isTurnAwaited = false;
  readonly #onTurn = (): void => {
    this.#isTurnAwaited = false;
    this.#wake();
  };
  /** What is under way: crashes and faults are counted by it. */
  phase = "creation";

  constructor(settings: Settings, random: SeededRandom, tally: Tally, trace?: (line: string) => void) {
    this.settings = settings;
    this.random = random;
    this.tally = tally;
    this.trace = trace;
    this.maker = new RecordMaker(random);
    this.vfs = this.startOver();
  }

  /** A new machine with an empty disk. What the schedule had on the old one is forgotten. */
  startOver(): MemoryVfs {
    const { settings, trace } = this;
    this.models = Array.from({ length: settings.shards }, (_, id) => new ShardModel(id));
    this.vfs = memoryVfs({ ...settings.vfs, seed: settings.seed + this.#machines++ * 2 ** 41 });
    this.log = undefined;
    this.crashed = undefined;
    this.pending = [];
    this.companions = [];
    this.consumer = undefined;
    this.waiting = undefined;
    this.#faults = noFaults();
    this.crashAt(Infinity);
    if (trace !== undefined) {
      this.vfs.onOperation(({ number, kind, path, target, position, bytes, error }) => {
        const where = kind === "read" || kind === "write"
          ? ` ${position}+${bytes}`
          : kind === "truncate"
          ? ` ${position}`
          : "";
        const to = target === undefined ? "" : ` to ${target}`;
        trace(
          `    ${number} ${kind} ${path}${where}${to}${error === undefined ? "" : ` failed: ${describeError(error)}`}`,
        );
      });
    }
    return this.vfs;
  }

  /** What happens from here on belongs to this phase. */
  enter(phase: string): void {
    if (phase === this.phase) return;
    this.countFaults();
    this.phase = phase;
  }

  /** Counts the faults that struck since the last count. */
  countFaults(): void {
    if (this.settings.profile !== "errors" && this.settings.profile !== "lying") return;
    const stage = stageOf(this.phase);
    const { faults } = this.vfs.report;
    for (const kind of FAULT_KINDS) {
      const struck = faults[kind] - this.#faults[kind];
      if (struck === 0) continue;
      this.#faults[kind] = faults[kind];
      this.tally.add(`fault: ${kind}`, struck);
      this.tally.add(`fault while ${stage}: ${kind}`, struck);
    }
  }

  /** The engine on the machine as it is now. */
  get engine(): Engine {
    return { vfs: this.vfs, clock: this.clock, random: this.random.fill, codecs: noCodecs };
  }

  /** Opens the log on the machine as it is now. */
  open(options: OpenOptions = this.settings.options): Promise<EmbeddedLog> {
    return openWith(this.engine, DIRECTORY, options);
  }

  /** The open log's shard. */
  shard(id: number): Shard {
    return this.log!.shards[id];
  }

  anyShard(): Shard {
    return this.shard(this.random.below(this.settings.shards));
  }

  /** Waits in simulated time: where nothing but a timer can go on, time passes. */
  async settle<T>(promise: Promise<T>): Promise<Settled<T>> {
    let settled: Settled<T> | undefined;
    let wake = (): void => {};
    promise.then((value) => {
      settled = { value };
      wake();
    }, (error: unknown) => {
      settled = { error };
      wake();
    });
    const limit = this.vfs.operations + MAX_OPERATIONS;
    this.vfs.crashAt(Math.min(this.#crashAt, limit));
    for (;;) {
      // Everything in the simulation runs in microtasks: at the next turn of the event loop, whoever still waits, waits for time.
      await new Promise<void>((resolve) => {
        wake = this.#wake = resolve;
        if (!this.#isTurnAwaited) setImmediate(this.#onTurn);
        this.#isTurnAwaited = true;
      });
      if (this.vfs.operations >= limit) throw new Violation(`a call never ends (${this.phase})`);
      if (settled !== undefined) return settled;
      const ms = this.clock.nextTimerMs;
      if (ms === undefined) throw new Violation(`a promise never settles (${this.phase})`);
      this.clock.advance(ms);
    }
  }

  /** The machine stops at its operation of this number. */
  crashAt(operation: number): void {
    this.#crashAt = operation;
    this.vfs.crashAt(operation);
  }

  /** Waits for what must not fail, unless the machine has stopped or fails on purpose: then answers `undefined`. */
  async result<T>(promise: Promise<T>, what: string): Promise<T | undefined> {
    const settled = await this.settle(promise);
    if ("value" in settled) return settled.value;
    this.forgive(settled.error, what);
    return undefined;
  }

  /** Waits for a read. Where what it was to read next is dropped meanwhile, the answer is `undefined`. */
  async read<T>(promise: Promise<T>, what: string): Promise<T | undefined> {
    const starts = this.log!.shards.map((shard) => shard.earliest);
    const settled = await this.settle(promise);
    if ("value" in settled) return settled.value;
    const { error } = settled;
    const isDropped = error instanceof LogError && error.code === "OFFSET_OUT_OF_RANGE" && error.shard !== undefined &&
      this.shard(error.shard).earliest > starts[error.shard];
    if (isDropped) this.tally.add("reading: told what was dropped");
    else this.forgive(error, what);
    return undefined;
  }

  /** Throws where `error` should not have happened. */
  forgive(error: unknown, what: string): void {
    if (error instanceof Violation) throw error;
    if (this.vfs.stopped) return;
    if (this.settings.profile !== "crashes" && error instanceof LogError && this.#isDue(error.code)) {
      this.tally.add(`error: ${error.code}`);
      this.trace?.(`  ${what}: ${describeError(error)}`);
      return;
    }
    throw new Violation(`${what} failed: ${describeError(error)}`);
  }

  /** True where the disk does not keep its word: then data may be gone. */
  get isDishonest(): boolean {
    return this.settings.profile === "weak" || this.settings.profile === "lying";
  }

  /** What a disk that fails may lead to. Where nothing was lost, nobody may say so. */
  #isDue(code: string): boolean {
    const { profile } = this.settings;
    const damage = profile === "lying" ? LYING_DAMAGE : profile === "weak" ? DAMAGE : [];
    return damage.includes(code) || FAILURES.includes(code);
  }

  /** Runs something that answers at once, under the same rules. */
  attempt<T>(action: () => T, what: string): T | undefined {
    try {
      return action();
    } catch (error) {
      this.forgive(error, what);
      return undefined;
    }
  }

  /** The models learn of the record of an append that had to wait for room, if a shard has taken it by now. */
  takeWaiting(): void {
    const { waiting, log } = this;
    if (waiting === undefined || log === undefined) return;
    const shard = log.shards.find(({ id, nextOffset }) => nextOffset > this.models[id].history.length);
    if (shard === undefined) return;
    this.models[shard.id].take(this.models[shard.id].history.length, waiting.expected);
    waiting.shard = shard.id;
    this.waiting = undefined;
  }

  /** Lets `promise` settle on its own; `then` is called unless the log's life has ended by then. */
  leave<T>(promise: Promise<T>, what: string, then: (value: T) => void): void {
    const { life } = this;
    const task = promise.then((value) => {
      if (this.life !== life) return;
      this.takeWaiting();
      then(value);
    }, (error: unknown) => {
      if (this.life === life) this.forgive(error, what);
    });
    // A violation in there is thrown by whoever waits for all that is pending.
    task.catch(() => {});
    this.pending.push(task);
  }

  /** Gives way for some microtasks, so that what is under way gets somewhere. */
  async yield(turns: number): Promise<void> {
    for (let i = 0; i < turns; i++) await NEXT_TURN;
  }

  /** What the shards say of themselves goes into the models. */
  observe(): void {
    if (this.log === undefined) return;
    this.takeWaiting();
    for (const shard of this.log.shards) {
      const model = this.models[shard.id];
      model.acknowledge(shard.written, shard.synced);
      // What is kept is limited: whatever was written may be dropped.
      if (this.settings.options.retention !== undefined) model.asked = model.history.length;
      model.begins(shard.earliest);
    }
  }

  /** Reads to the end. */
  async readAll(log: EmbeddedLog, options: ReadOptions): Promise<LogRecord[]> {
    const records: LogRecord[] = [];
    for await (const record of log.read(options)) records.push(record);
    return records;
  }
}
