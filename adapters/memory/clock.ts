/**
 * A clock that stands still until it is told to advance.
 *
 * @module
 */
import type { Clock, TimerHandle } from "../../src/vfs.ts";

/** Real timers fire at once beyond this delay instead of waiting, so the simulated one refuses it. */
const MAX_DELAY_MS = 2 ** 31 - 1;

interface Timer {
  readonly callback: () => void;
  readonly dueMs: number;
  readonly number: number;
}

/** Simulated time. Nothing happens between two calls of {@linkcode SimulatedClock.advance}. */
export class SimulatedClock implements Clock {
  private elapsedMs = 0;
  private wallOffsetMs: number;
  private timers: Timer[] = [];
  private timersSet = 0;

  /**
   * Makes a clock that stands until `advance`.
   *
   * @param startMs What `now()` begins with, in milliseconds since 1970.
   */
  constructor(startMs: number) {
    this.wallOffsetMs = startMs;
  }

  /** Milliseconds since 1970; see {@linkcode SimulatedClock.jump}. */
  now(): number {
    return this.wallOffsetMs + this.elapsedMs;
  }

  /** Milliseconds since the clock was made. */
  monotonic(): number {
    return this.elapsedMs;
  }

  /**
   * Sets a timer.
   *
   * @throws {RangeError} Where a real timer would fire at once: a delay that is not from 0 to 2^31 - 1 ms.
   */
  setTimer(callback: () => void, delayMs: number): TimerHandle {
    if (!(delayMs >= 0 && delayMs <= MAX_DELAY_MS)) {
      throw new RangeError(`Cannot set a timer: the delay must be from 0 to ${MAX_DELAY_MS} ms, not ${delayMs}`);
    }
    const timer: Timer = { callback, dueMs: this.elapsedMs + delayMs, number: this.timersSet++ };
    this.timers.push(timer);
    return timer;
  }

  /** Takes a timer back. One that has fired is ignored. */
  clearTimer(timer: TimerHandle): void {
    const index = this.timers.indexOf(timer as Timer);
    if (index >= 0) this.timers.splice(index, 1);
  }

  /** Timers that are set and have not fired. */
  get timersPending(): number {
    return this.timers.length;
  }

  /** Milliseconds until the next timer is due; `undefined` without one. */
  get nextTimerMs(): number | undefined {
    const timer = this.earliest();
    return timer === undefined ? undefined : timer.dueMs - this.elapsedMs;
  }

  /**
   * Lets time pass and fires what comes due, earliest first, equal times in the order they were set. Timers
   * that a callback sets fire too when they come due within the same span.
   *
   * @param ms From 0.
   */
  advance(ms: number): void {
    if (!(ms >= 0)) throw new RangeError(`Cannot advance by ${ms} ms: a clock only goes forward (see jump)`);
    const endMs = this.elapsedMs + ms;
    for (let timer = this.earliest(); timer !== undefined && timer.dueMs <= endMs; timer = this.earliest()) {
      this.clearTimer(timer);
      this.elapsedMs = timer.dueMs;
      timer.callback();
    }
    this.elapsedMs = endMs;
  }

  /** Moves the wall clock by `ms`, back or forward. Durations and timers do not notice. */
  jump(ms: number): void {
    this.wallOffsetMs += ms;
  }

  /** Forgets every timer, as the end of a process does. */
  clearTimers(): void {
    this.timers = [];
  }

  private earliest(): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.timers) {
      if (
        first === undefined || timer.dueMs < first.dueMs || (timer.dueMs === first.dueMs && timer.number < first.number)
      ) first = timer;
    }
    return first;
  }
}

/**
 * Makes a clock that stands until `advance`.
 *
 * @param startMs What `now()` begins with, in milliseconds since 1970.
 * @default 1,700,000,000,000, a day in November 2023
 */
export function simulatedClock(startMs: number = 1_700_000_000_000): SimulatedClock {
  return new SimulatedClock(startMs);
}
