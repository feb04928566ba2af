/**
 * Time and randomness of the machine, the same on every runtime.
 *
 * @module
 */
import type { Clock, Random } from "../src/vfs.ts";

/** Timers count in 32 bits; a longer delay would fire at once. */
const LONGEST_DELAY_MS = 2 ** 31 - 1;

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimer: (callback, delayMs) => setTimeout(callback, Math.min(delayMs, LONGEST_DELAY_MS)),
  clearTimer: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
};

/** Random bytes of the system, at most 65,536 a call. */
export const systemRandom: Random = (into) => {
  // The source takes no shared memory.
  into.set(crypto.getRandomValues(new Uint8Array(into.length)));
};
