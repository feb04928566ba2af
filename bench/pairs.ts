/**
 * Runs both sides of a figure in turn and keeps the ratios pair by pair: a machine whose speed drifts cannot favour one side.
 *
 * @module
 */
import type { Figure, PairFigure, Readings, Setting, Value, ValueFigure } from "./figure.ts";

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

/** A value over all runs. */
export interface MeasuredValue extends Value {
  readonly spread: Spread;
}

/** What two sides came to. */
export interface Comparison {
  readonly pairs: readonly Pair[];
  readonly messagesPerSecond: Spread;
  readonly floorPerSecond: Spread;
  /** Our speed divided by the floor's, of each pair. */
  readonly ratio: Spread;
}

/** What a figure came to on one runtime. */
export interface Outcome {
  readonly figure: string;
  readonly runtime: string;
  readonly messages: number;
  /** Absent where the figure has no other side. */
  readonly comparison?: Comparison;
  readonly values: readonly MeasuredValue[];
}

export function spreadOf(numbers: readonly number[]): Spread {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >>> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { low: sorted[0], median, high: sorted[sorted.length - 1] };
}

/** The number below which a part of them lies, such as 0.99. */
export function quantile(numbers: readonly number[], part: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
}

/** How often a figure runs. */
export interface Runs {
  /** Runs that count, from 1. */
  readonly count: number;
  /** Runs before them that do not, from 0. */
  readonly warmUps: number;
}

export async function runFigure(figure: Figure, setting: Setting, runs: Runs, runtime: string): Promise<Outcome> {
  const { comparison, readings } = "prepare" in figure
    ? await runPairs(figure, setting, runs)
    : { comparison: undefined, readings: await runValues(figure, setting, runs) };
  return {
    figure: figure.name,
    runtime,
    messages: setting.messages,
    comparison,
    values: (figure.values ?? []).map((value) => ({ ...value, spread: spreadOf(named(value, readings)) })),
  };
}

function named({ name }: Value, readings: readonly Readings[]): number[] {
  return readings.map((reading) => {
    // NaN would pass for a number in every comparison that follows.
    if (!Number.isFinite(reading[name])) throw new Error(`the run gave no number for "${name}"`);
    return reading[name];
  });
}

/** The side that goes first alternates. */
async function runPairs(
  figure: PairFigure,
  setting: Setting,
  { count, warmUps }: Runs,
): Promise<{ comparison: Comparison; readings: Readings[] }> {
  const sides = await figure.prepare(setting);
  const pairs: Pair[] = [];
  const readings: Readings[] = [];
  try {
    for (let i = -warmUps; i < count; i++) {
      let ours: number;
      let floor: number;
      if (i % 2 === 0) {
        ours = await sides.ours.run();
        floor = await sides.floor.run();
      } else {
        floor = await sides.floor.run();
        ours = await sides.ours.run();
      }
      const reading = await sides.readings?.();
      if (i < 0) continue;
      pairs.push({ ours, floor });
      if (reading !== undefined) readings.push(reading);
    }
  } finally {
    await sides.close();
  }
  const comparison = {
    pairs,
    messagesPerSecond: spreadOf(pairs.map((pair) => setting.messages / pair.ours)),
    floorPerSecond: spreadOf(pairs.map((pair) => setting.messages / pair.floor)),
    ratio: spreadOf(pairs.map((pair) => pair.floor / pair.ours)),
  };
  return { comparison, readings };
}

async function runValues(figure: ValueFigure, setting: Setting, { count, warmUps }: Runs): Promise<Readings[]> {
  const measurement = await figure.measure(setting);
  const readings: Readings[] = [];
  try {
    for (let i = -warmUps; i < count; i++) {
      const reading = await measurement.run();
      if (i >= 0) readings.push(reading);
    }
  } finally {
    await measurement.close();
  }
  return readings;
}
