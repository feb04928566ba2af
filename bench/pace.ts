/**
 * Calls at a steady rate.
 *
 * @module
 */

import { threadSeconds } from "./processor_time.ts";

/** How long the thread was not free, at the worst of all ticks, in milliseconds. */
export interface Lateness {
  /** By how much a tick came late, whoever was to blame: the tick before, other work of the thread, a call that blocked, other programs. */
  readonly longest: number;
  /** Processor time of the thread from one tick to the next: what other programs do is not in it, and neither is a call that blocks. */
  readonly longestOnProcessor: number;
}

/**
 * Asks `onDue` at every tick for as many calls as are due by now; late ones are made up for, never left out.
 *
 * @param perSecond Calls a second.
 * @param count Calls altogether.
 * @param tickMs Milliseconds between ticks, from 1.
 * @param onDue Does calls `from` up to `to`, exclusive.
 */
export async function pace(
  perSecond: number,
  count: number,
  tickMs: number,
  onDue: (from: number, to: number) => void,
): Promise<Lateness> {
  const started = performance.now();
  let done = 0;
  let longest = 0;
  let longestOnProcessor = 0;
  let expected = started;
  let processorBefore = threadSeconds();
  while (done < count) {
    const now = performance.now();
    longest = Math.max(longest, now - expected);
    const due = Math.min(count, Math.floor((now - started) / 1000 * perSecond) + 1);
    if (due > done) onDue(done, due);
    done = Math.max(done, due);
    // The work of a tick holds the thread like anything else: it is part of how late the next one is.
    expected = now + tickMs;
    await new Promise((resolve) => setTimeout(resolve, tickMs));
    const processor = threadSeconds();
    longestOnProcessor = Math.max(longestOnProcessor, (processor - processorBefore) * 1000);
    processorBefore = processor;
  }
  return { longest, longestOnProcessor };
}
