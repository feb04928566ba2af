/**
 * A simulated machine with one log on its disk, over all its crashes.
 *
 * @module
 */
import { type CrashKind, MemoryVfs, memoryVfs, type SeededRandom, seededRandom } from "../../adapters/memory.ts";
import type { Codecs } from "../batch/codecs.ts";
import type { Log } from "../log/log_types.ts";
import { openWith } from "../log/open.ts";
import type { OpenOptions } from "../options.ts";
import type { Clock, TimerHandle } from "../vfs.ts";
import { CrashingLog, type LogMachine } from "./crashing_log.ts";
import { Life } from "./life.ts";
import { type MemoryFault, planFault } from "./memory_fault.ts";
import type { MemoryLog, ReopenOptions } from "./memory_log_types.ts";
import type { StepClock } from "./stepped_clock.ts";

const DIRECTORY = "/data/log";

/** A log that is open, or was when the machine crashed. */
interface Running {
  readonly vfs: MemoryVfs;
  readonly timers: LogTimers;
  log: Log | undefined;
}

/** The clock as one log has it: a dead process sets off no timer. */
class LogTimers implements Clock {
  readonly #clock: StepClock;
  readonly #set = new Set<TimerHandle>();

  constructor(clock: StepClock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  /** Nothing here keeps a process alive. */
  setTimer(callback: () => void, delayMs: number): TimerHandle {
    const timer = this.#clock.setTimer(() => {
      this.#set.delete(timer);
      callback();
    }, delayMs);
    this.#set.add(timer);
    return timer;
  }

  clearTimer(timer: TimerHandle): void {
    this.#set.delete(timer);
    this.#clock.clearTimer(timer);
  }

  clear(): void {
    for (const timer of [...this.#set]) this.clearTimer(timer);
  }
}

/** Owns the disk, and knows which logs are open on it. */
export class MemoryMachine implements LogMachine {
  readonly clock: StepClock;
  readonly seed: number;
  vfs: MemoryVfs;
  readonly #options: ReopenOptions;
  readonly #codecs: Codecs;
  readonly #random: SeededRandom;
  readonly #lives = new Map<Life, Running>();
  readonly #crashed = new WeakSet<Life>();
  #unwatch: () => void = () => {};

  constructor(options: ReopenOptions, clock: StepClock, seed: number, codecs: Codecs) {
    // Neither belongs to a later opening.
    const { faults: _, signal: __, ...kept } = options;
    this.#options = kept;
    this.clock = clock;
    this.seed = seed;
    this.#codecs = codecs;
    this.#random = seededRandom(seed);
    // Some calls answer at once and some later, as on a real machine, so that something may be in flight at a crash.
    this.vfs = memoryVfs({ seed, async: 0.5, now: () => clock.now() });
  }

  async open(options: ReopenOptions): Promise<MemoryLog> {
    const { faults = [], ...given } = options;
    const merged: OpenOptions = { ...this.#options, ...given };
    const { vfs } = this;
    const timers = new LogTimers(this.clock);
    const life = new Life(DIRECTORY, this.clock, () => vfs.stopped);
    const { onError } = merged;
    if (onError !== undefined) {
      merged.onError = (error) => {
        if (life.error === undefined) onError(error);
      };
    }
    const running: Running = { vfs, timers, log: undefined };
    this.#lives.set(life, running);
    this.#watch();
    try {
      const engine = { vfs, clock: timers, random: this.#random.fill, codecs: merged.codecs ?? this.#codecs };
      running.log = await life.guard(() => openWith(engine, DIRECTORY, merged));
      for (const fault of faults) this.plan(fault);
      return new CrashingLog(running.log, life, this);
    } catch (error) {
      this.#lives.delete(life);
      throw error;
    }
  }

  operations(life: Life): number {
    return (this.#lives.get(life)?.vfs ?? this.vfs).operations;
  }

  plan(fault: MemoryFault): () => void {
    return planFault(this, fault);
  }

  isCrashed(life: Life): boolean {
    return this.#crashed.has(life);
  }

  async crash(life: Life, kind: CrashKind, seed: number | undefined, options: ReopenOptions): Promise<MemoryLog> {
    if (this.#crashed.has(life)) throw life.error;
    if (kind !== "process" && kind !== "power") {
      throw new TypeError(`Cannot crash: the kind must be process or power, not ${String(kind)}`);
    }
    // A bad seed is refused while the log still lives.
    if (seed !== undefined) seededRandom(seed);
    const dead = [...this.#lives];
    this.#lives.clear();
    for (const [other] of dead) {
      other.end();
      this.#crashed.add(other);
    }
    this.vfs = nextLife(this.vfs, kind, seed);
    this.#watch();
    for (const [, { log, timers }] of dead) {
      // A dead process writes nothing: this only gives its memory back and ends what waits inside.
      await log?.close().catch(() => {});
      timers.clear();
    }
    return await this.open(options);
  }

  /** The clock looks at the machine that is running now, and at that one only. */
  #watch(): void {
    const { vfs } = this;
    this.#unwatch();
    this.#unwatch = this.clock.watch(() => vfs);
  }
}

function nextLife(vfs: MemoryVfs, kind: CrashKind, seed: number | undefined): MemoryVfs {
  if (seed === undefined) return vfs.crash(kind);
  // First what is in flight, which the log's own seed decides; then the disk, by the seed given.
  const reseeded = MemoryVfs.from(vfs.crash("process").snapshot(), { seed });
  return kind === "power" ? reseeded.crash("power") : reseeded;
}
