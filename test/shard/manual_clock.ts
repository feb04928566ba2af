import type { Clock, TimerHandle } from "../../src/vfs.ts";

/** A clock that a test moves on. It has no timers. */
export class ManualClock implements Clock {
  ms = 1;

  now(): number {
    return this.ms;
  }

  monotonic(): number {
    return this.ms;
  }

  setTimer(): TimerHandle {
    throw new Error("this clock has no timers");
  }

  clearTimer(): void {}
}
