/**
 * Time and randomness of the machine, the same on every runtime.
 *
 * @module
 */
import type { Clock, Random } from "../src/vfs.ts";

/** Timers count in 32 bits; a longer delay would fire at once. */
const LONGEST_DELAY_MS = 2 ** 31 - 1;

/** Asking for the time costs 25–30 ns, a third of an append: so many answers in one synchronous run are the same one. */
const SAME_TIME_CALLS = 32;

let time = 0;
let callsLeft = 0;
let isTurnWatched = false;
const endTurn = (): void => {
  callsLeft = 0;
  isTurnWatched = false;
};

/** Milliseconds since 1970. Looks anew in every turn of the event loop, and every few calls within one. */
function now(): number {
  if (callsLeft-- > 0) return time;
  time = Date.now();
  callsLeft = SAME_TIME_CALLS;
  if (!isTurnWatched) {
    isTurnWatched = true;
    queueMicrotask(endTurn);
  }
  return time;
}

/** The process may end before this timer fires. Deno's timers are numbers. */
function unreferenced(timer: unknown): unknown {
  const { Deno } = globalThis as unknown as { Deno?: { unrefTimer(id: number): void } };
  if (typeof timer === "number") Deno?.unrefTimer(timer);
  else (timer as { unref?(): void }).unref?.();
  return timer;
}

/** The machine's clock. */
export const systemClock: Clock = {
  now,
  monotonic: () => performance.now(),
  setTimer: (callback, delayMs, idle) => {
    const timer = setTimeout(callback, Math.min(delayMs, LONGEST_DELAY_MS));
    return idle ? unreferenced(timer) : timer;
  },
  clearTimer: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
};

/** Random bytes of the system, at most 65,536 a call. */
export const systemRandom: Random = (into) => {
  // The source takes no shared memory.
  into.set(crypto.getRandomValues(new Uint8Array(into.length)));
};
