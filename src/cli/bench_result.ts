/**
 * Figures of a measurement.
 *
 * @module
 */

/** One round: the same bytes through the log and as raw writes. */
export interface Round {
  readonly messages: number;
  /** Of the `.log`. */
  readonly bytes: number;
  readonly logSeconds: number;
  readonly floorSeconds: number;
}

/** A figure over all rounds. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** What one runtime reached. */
export interface BenchResult {
  /** Name and version, such as `node 26.10.0`. */
  readonly runtime: string;
  readonly rounds: number;
  readonly messagesPerSecond: Spread;
  /** Of the `.log`; a megabyte is 10^6 bytes. */
  readonly megabytesPerSecond: Spread;
  readonly floorMegabytesPerSecond: Spread;
  /** Of each round: throughput of the log divided by that of the raw writes beside it. */
  readonly ratioToFloor: Spread;
}

/** Medians and extremes. The first of several rounds warms up and does not count. */
export function summarise(runtime: string, all: readonly Round[]): BenchResult {
  const rounds = all.length > 1 ? all.slice(1) : all;
  return {
    runtime,
    rounds: rounds.length,
    messagesPerSecond: spread(rounds.map(({ messages, logSeconds }) => messages / logSeconds)),
    megabytesPerSecond: spread(rounds.map(({ bytes, logSeconds }) => bytes / logSeconds / 1e6)),
    floorMegabytesPerSecond: spread(rounds.map(({ bytes, floorSeconds }) => bytes / floorSeconds / 1e6)),
    ratioToFloor: spread(rounds.map(({ logSeconds, floorSeconds }) => floorSeconds / logSeconds)),
  };
}

function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, low: sorted[0], high: sorted[sorted.length - 1] };
}
