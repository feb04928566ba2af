/**
 * Calls at a steady rate.
 *
 * @module
 */

/**
 * Asks `onDue` at every tick for as many calls as are due by now; late ones are made up for, never left out.
 *
 * @param perSecond Calls a second.
 * @param count Calls altogether.
 * @param tickMs Milliseconds between ticks, from 1.
 * @param onDue Does calls `from` up to `to`, exclusive.
 * @returns The longest time by which a tick was late, in milliseconds: so long something else held the thread.
 */
export async function pace(
  perSecond: number,
  count: number,
  tickMs: number,
  onDue: (from: number, to: number) => void,
): Promise<number> {
  const started = performance.now();
  let done = 0;
  let longest = 0;
  let expected = started;
  while (done < count) {
    const now = performance.now();
    longest = Math.max(longest, now - expected);
    const due = Math.min(count, Math.floor((now - started) / 1000 * perSecond) + 1);
    if (due > done) onDue(done, due);
    done = Math.max(done, due);
    // The work of a tick holds the thread like anything else: it is part of how late the next one is.
    expected = now + tickMs;
    await new Promise((resolve) => setTimeout(resolve, tickMs));
  }
  return longest;
}
