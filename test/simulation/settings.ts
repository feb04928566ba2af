/** What a seed decides about a schedule before it begins. */
import { type Fault, type MemoryOptions, type SeededRandom, seededRandom } from "../../adapters/memory.ts";
import type { OpenOptions } from "../../src/options.ts";

/**
 * What goes wrong. `crashes`: the process ends, the power goes. `errors`: reads, writes and syncs fail too, and say so.
 */
export type Profile = "crashes" | "errors";

/** One schedule's frame. */
export interface Settings {
  readonly seed: number;
  readonly profile: Profile;
  readonly shards: number;
  readonly options: OpenOptions;
  readonly vfs: MemoryOptions;
  /** The schedule ends after so many operations, at the end of a life. */
  readonly operations: number;
  /** Some values look like batches. */
  readonly hostile: boolean;
  /** Crash states are opened under other anchors too. */
  readonly invariant: boolean;
}

/** Failures that a disk reports. Each is honest: what it says is true. */
const ERRORS: readonly Fault[] = [
  { kind: "errorBefore" },
  { kind: "errorAfter" },
  { kind: "errorBefore", code: "NO_SPACE" },
  { kind: "shortWrite", bytes: "half" },
  { kind: "shortWrite", bytes: "allButOne" },
  { kind: "shortWrite", bytes: 1, code: "NO_SPACE" },
  { kind: "delay", turns: 12 },
];

/** Own chance for the schedule: apart from that of the simulated machine, which has the plain seed. */
export function randomOf(seed: number): SeededRandom {
  return seededRandom(seed + 2 ** 40);
}

/** Draws a frame. */
export function drawSettings(seed: number, random: SeededRandom): Settings {
  const profile = random.chance(0.25) ? "errors" : "crashes";
  const shards = random.chance(0.75) ? 2 : 3;
  const invariant = random.chance(0.02);
  return {
    seed,
    profile,
    shards,
    options: drawOptions(shards, random),
    vfs: {
      seed,
      async: random.chance(0.3) ? random.pick([0.3, 1]) : false,
      unknownInstance: random.chance(0.1),
      ...(invariant ? { history: /anchor$/ } : {}),
      ...(profile === "errors" ? { faults: { probability: random.pick([0.002, 0.01]), faults: ERRORS } } : {}),
    },
    operations: random.chance(0.95) ? 30 : 60,
    hostile: random.chance(0.1),
    invariant,
  };
}

function drawOptions(shards: number, random: SeededRandom): OpenOptions {
  const tight = random.chance(0.15);
  return {
    shards,
    durability: random.pick(["os", "os", "disk"]),
    flushIntervalMs: random.pick([20, 20, 5, 0, Infinity]),
    stride: random.pick([2, 5, 16, 64]),
    flushBytes: random.pick([200, 600, 2000]),
    batchBytes: 200 + random.below(300),
    segmentBytes: 1024 + random.below(3072),
    ...(tight ? { maxBufferPerShard: 8192, maxBufferBytes: random.pick([8192, 16_384]) } : {}),
  };
}
