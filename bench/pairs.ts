/**
 * Runs both sides of a figure in turn and keeps the ratios pair by pair: a machine whose speed drifts cannot favour one side.
 *
 * @module
 */
import type { Figure, Setting } from "./figure.ts";

/** One pair of runs, in seconds. */
export interface Pair {
  readonly ours: number;
  readonly floor: number;
}

/** Smallest, middle and largest of some numbers. */
export interface Spread {
  readonly low: number;
  readonly median: number;
  readonly high: number;
}

/** What a figure came to on one runtime. */
export interface Outcome {
  readonly figure: string;
  readonly runtime: string;
  readonly messages: number;
  readonly pairs: readonly Pair[];
  readonly messagesPerSecond: Spread;
  readonly floorPerSecond: Spread;
  /** Our speed divided by the floor's, of each pair. */
  readonly ratio: Spread;
}

export function spreadOf(numbers: readonly number[]): Spread {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >>> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { low: sorted[0], median, high: sorted[sorted.length - 1] };
}

/** Runs a figure: one pair to warm up, then so many that count. The side that goes first alternates. */
export async function runPairs(figure: Figure, setting: Setting, count: number, runtime: string): Promise<Outcome> {
  const sides = await figure.prepare(setting);
  const pairs: Pair[] = [];
  try {
    for (let i = -1; i < count; i++) {
      let ours: number;
      let floor: number;
      if (i % 2 === 0) {
        ours = await sides.ours.run();
        floor = await sides.floor.run();
      } else {
        floor = await sides.floor.run();
        ours = await sides.ours.run();
      }
      if (i >= 0) pairs.push({ ours, floor });
    }
  } finally {
    await sides.close();
  }
  return {
    figure: figure.name,
    runtime,
    messages: setting.messages,
    pairs,
    messagesPerSecond: spreadOf(pairs.map((pair) => setting.messages / pair.ours)),
    floorPerSecond: spreadOf(pairs.map((pair) => setting.messages / pair.floor)),
    ratio: spreadOf(pairs.map((pair) => pair.floor / pair.ours)),
  };
}
