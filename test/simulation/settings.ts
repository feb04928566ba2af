/** What a seed decides about a schedule before it begins. */
import {
  type CrashModel,
  type Fault,
  type MemoryOptions,
  type SeededFaults,
  type SeededRandom,
  seededRandom,
} from "../../adapters/memory.ts";
import type { OpenOptions } from "../../src/options.ts";
import type { RetentionOptions } from "../../src/retention/retention_options.ts";

/**
 * What goes wrong. `crashes`: the process ends, the power goes. `errors`: reads, writes and syncs fail too, and say so.
 * `weak`: a power loss also spoils synced bytes in sectors that are being rewritten. `lying`: syncs and writes that never
 * took place, writes to another place, flipped bits; none of it is reported.
 */
export type Profile = "crashes" | "errors" | "weak" | "lying";

/** One schedule's frame. */
export interface Settings {
  readonly seed: number;
  readonly profile: Profile;
  readonly shards: number;
  readonly options: OpenOptions;
  readonly vfs: MemoryOptions;
  /** Most records appended in a row. */
  readonly burst: number;
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

const LYING_SYNC: readonly Fault[] = [{ kind: "lyingSync" }];
const LIES: readonly Fault[] = [
  { kind: "lyingSync" },
  { kind: "lyingSync" },
  { kind: "lostSync" },
  { kind: "lostWrite" },
  { kind: "misdirectedWrite", byBytes: 512 },
  { kind: "misdirectedWrite", byBytes: -100 },
  { kind: "flippedBit" },
];
/** Each record is written by itself, and the next one does not wait for it. */
const HASTY: OpenOptions = { flushBytes: 100, stride: 1, flushIntervalMs: 0, durability: "os" };

/** Small enough for tables of users to be written, merged and read again within a schedule. */
const INDEXED: OpenOptions = { userStride: 3, userTableBytes: 4096, indexLagBytes: 4096 };
/** Writes are large enough for whole pages, and go past the page cache. */
const DIRECT: OpenOptions = { directIo: true, stride: 64, flushBytes: 9000, batchBytes: 3000 };

/** Sectors that hold acknowledged records are rewritten all the time. */
const SAFE: OpenOptions = { flushBytes: 100, stride: 1, durability: "disk" };

/** On a weak disk more comes out than old or new. */
const SPOILING: NonNullable<CrashModel["weights"]> = {
  kept: 1,
  dropped: 1,
  torn: 3,
  sectors: 1,
  blocks: 1,
  zeros: 3,
  garbage: 3,
  stale: 3,
};

/** Own chance for the schedule: apart from that of the simulated machine, which has the plain seed. */
export function randomOf(seed: number): SeededRandom {
  return seededRandom(seed + 2 ** 40);
}

/** Draws a frame. */
export function drawSettings(seed: number, random: SeededRandom): Settings {
  const draw = random.below(20);
  const profile: Profile = draw < 4 ? "errors" : draw < 8 ? "weak" : draw < 10 ? "lying" : "crashes";
  const shards = random.chance(0.9) ? 2 : 3;
  const invariant = random.chance(0.012) && (profile === "crashes" || profile === "errors");
  const unknownInstance = random.chance(0.16);
  const options = drawOptions(shards, random);
  const isCompared = invariant && options.retention === undefined;
  // Several writes in flight when the process ends: the only way in which a machine that cannot be told from another loses data.
  const isHasty = unknownInstance && random.chance(0.7);
  const isDirect = !isHasty && profile !== "weak" && random.chance(0.1);
  return {
    seed,
    profile,
    shards,
    options: {
      ...(isDirect
        ? { ...options, ...DIRECT, segmentBytes: 16_384 + random.below(32_768) }
        : { ...options, ...(isHasty ? HASTY : profile === "weak" ? SAFE : {}) }),
      // By the seed, not by chance: schedules of old seeds stay as they were.
      ...(seed % 3 === 0 ? INDEXED : { userStride: 0 }),
    },
    vfs: {
      seed,
      async: isHasty ? 1 : random.chance(0.25) ? random.pick([0.3, 1]) : false,
      unknownInstance,
      ...(profile === "weak" ? { crash: { weights: SPOILING } } : {}),
      ...(isCompared ? { history: /anchor$/ } : {}),
      strict: profile === "weak",
      ...(profile === "errors" || profile === "lying" ? { faults: drawFaults(profile, random) } : {}),
    },
    burst: isDirect ? 30 : random.pick([4, 8, 12]),
    operations: random.chance(0.97) ? 30 : 60,
    // Where header and index are gone as well, nobody can tell a value that is the next batch from that batch.
    hostile: random.chance(0.12) && (profile === "crashes" || profile === "errors"),
    // Where the log drops something at every opening, two openings do not find the same.
    invariant: isCompared,
  };
}

function drawFaults(profile: "errors" | "lying", random: SeededRandom): SeededFaults {
  if (profile === "errors") return { probability: random.pick([0.004, 0.012]), faults: ERRORS };
  if (random.chance(0.5)) return { probability: 0.5, faults: LYING_SYNC };
  return { probability: random.pick([0.02, 0.08]), faults: LIES };
}

function drawOptions(shards: number, random: SeededRandom): OpenOptions {
  const tight = random.chance(0.15);
  const limited = random.chance(0.2);
  return {
    shards,
    durability: random.pick(["os", "os", "disk"]),
    flushIntervalMs: random.pick([20, 20, 5, 0, Infinity]),
    stride: random.pick([1, 2, 5, 64]),
    flushBytes: random.pick([100, 200, 600, 2000]),
    batchBytes: 200 + random.below(300),
    segmentBytes: 1024 + random.below(random.pick([1024, 8192, 16_384])),
    ...(limited ? { retention: drawRetention(random) } : {}),
    ...(tight ? { maxBufferPerShard: 8192, maxBufferBytes: random.pick([8192, 16_384]) } : {}),
  };
}

function drawRetention(random: SeededRandom): RetentionOptions {
  return {
    ...(random.chance(0.6) ? { maxBytes: 1 + random.below(6000) } : { maxRecords: 1 + random.below(60) }),
    ...(random.chance(0.3) ? { maxAgeMs: 1 + random.below(500) } : {}),
    checkIntervalMs: 10 + random.below(100),
  };
}
