/**
 * Time that passes only where a test says so, or where nothing else can go on.
 *
 * @module
 */
import { type SimulatedClock, simulatedClock } from "../../adapters/memory.ts";
import type { Clock, TimerHandle } from "../vfs.ts";

/** So many microtasks without a file operation mean that everybody waits for time. */
const QUIET_TURNS = 50;
/** After so many timers that ended no wait, more of them will not either: whoever waits then waits for ever. */
const MAX_TIMERS = 1000;

/** Options of {@linkcode steppedClock}. */
export interface SteppedClockOptions {
  /** What `now()` begins with, in milliseconds since 1970. @default {1_700_000_000_000} */
  startMs?: number;
  /**
   * Lets time pass by itself, up to the next timer, while a call of a log waits and nothing but a timer can end the
   * wait. Without it only `advance` moves time: an `append` that waits for the flush timer stays pending until then.
   *
   * @default {true}
   */
  auto?: boolean;
}

/** A clock without real time. Several logs may share one. */
export interface SteppedClock extends Clock {
  /** See {@linkcode SteppedClockOptions.auto}. */
  readonly auto: boolean;
  /**
   * Lets time pass and fires what comes due, in order. Resolves once all that this set going has come to rest.
   *
   * @param ms From 0.
   * @throws {RangeError} where `ms` is not a number from 0.
   */
  advance(ms: number): Promise<void>;
  /**
   * Moves the wall clock, as an administrator or a time server does. Durations and timers do not notice.
   *
   * @param ms Back where it is negative.
   */
  jump(ms: number): void;
}

/** What a machine has under way. */
export interface Activity {
  readonly operations: number;
  readonly inFlight: number;
}

/** The one implementation of {@linkcode SteppedClock}. */
export class StepClock implements SteppedClock {
  readonly auto: boolean;
  readonly #time: SimulatedClock;
  readonly #watched = new Set<() => Activity>();
  /** Calls that wait, and how often one began or ended. */
  #waiting = 0;
  #changes = 0;
  /** Calls of `advance` under way: time is theirs. */
  #advancing = 0;
  #timersInVain = 0;
  #running = false;

  constructor({ startMs, auto = true }: SteppedClockOptions) {
    this.#time = simulatedClock(startMs);
    this.auto = auto;
  }

  now(): number {
    return this.#time.now();
  }

  monotonic(): number {
    return this.#time.monotonic();
  }

  setTimer(callback: () => void, delayMs: number): TimerHandle {
    const timer = this.#time.setTimer(callback, delayMs);
    this.#start();
    return timer;
  }

  clearTimer(timer: TimerHandle): void {
    this.#time.clearTimer(timer);
  }

  jump(ms: number): void {
    this.#time.jump(ms);
  }

  async advance(ms: number): Promise<void> {
    if (!(ms >= 0 && ms < Infinity)) {
      throw new RangeError(`Cannot advance by ${ms} ms: it must be a number from 0; jump() moves the wall clock back`);
    }
    const time = this.#time;
    const endMs = time.monotonic() + ms;
    this.#advancing++;
    try {
      for (;;) {
        // What was begun before gets its turn before time passes.
        await this.#quiet();
        const nextMs = time.nextTimerMs;
        if (nextMs === undefined || time.monotonic() + nextMs > endMs) break;
        time.advance(nextMs);
      }
      time.advance(Math.max(0, endMs - time.monotonic()));
    } finally {
      this.#advancing--;
    }
  }

  /** Time does not pass while the machine works. Answers what ends that. */
  watch(activity: () => Activity): () => void {
    this.#watched.add(activity);
    return () => this.#watched.delete(activity);
  }

  /** A call begins to wait. */
  begin(): void {
    this.#waiting++;
    this.#changed();
    this.#start();
  }

  /** It waits no more. */
  end(): void {
    this.#waiting--;
    this.#changed();
  }

  #changed(): void {
    this.#changes++;
    this.#timersInVain = 0;
  }

  #start(): void {
    if (!this.auto || this.#running || this.#waiting === 0) return;
    this.#running = true;
    void this.#run();
  }

  async #run(): Promise<void> {
    try {
      while (this.#waiting > 0) {
        await this.#quiet();
        if (this.#waiting === 0 || this.#advancing > 0) continue;
        const nextMs = this.#time.nextTimerMs;
        if (nextMs === undefined || ++this.#timersInVain > MAX_TIMERS) break;
        this.#time.advance(nextMs);
      }
    } finally {
      this.#running = false;
    }
  }

  async #quiet(): Promise<void> {
    let seen = -1;
    for (let quiet = 0; quiet < QUIET_TURNS; quiet++) {
      await undefined;
      let now = this.#changes;
      let inFlight = 0;
      for (const activity of this.#watched) {
        const { operations, inFlight: more } = activity();
        now += operations;
        inFlight += more;
      }
      if (inFlight > 0 || now !== seen) quiet = 0;
      seen = now;
    }
  }
}

/**
 * Makes a clock for {@linkcode openMemoryLog}, where the default does not fit or several logs share one.
 *
 * @param options See {@linkcode SteppedClockOptions}.
 *
 * @example
 * ```ts
 * import { openMemoryLog, steppedClock } from "@bimip/log/testing";
 *
 * const clock = steppedClock({ auto: false });
 * const log = await openMemoryLog({ clock, flushIntervalMs: 20 });
 * const append = log.append({ value: "hi" });
 * await clock.advance(19);
 * console.log(log.shard(0).written); // 0
 * await clock.advance(1);
 * console.log((await append).offset); // 0
 * await log.close();
 * ```
 */
export function steppedClock(options: SteppedClockOptions = {}): SteppedClock {
  return new StepClock(options);
}
