/**
 * What may become of unsynced changes, how often, and how often it did.
 *
 * @module
 */
import type { SeededRandom } from "./random.ts";

/** What becomes of one unsynced write. */
export type CrashChoice = "kept" | "dropped" | "torn" | "sectors" | "blocks" | "zeros" | "garbage" | "stale";

/** A disk writes a sector of this size whole or not at all, by assumption. */
export const SECTOR_BYTES = 512;

/** All choices, in the order in which they are weighed. */
export const CHOICES: readonly CrashChoice[] = [
  "kept",
  "dropped",
  "torn",
  "sectors",
  "blocks",
  "zeros",
  "garbage",
  "stale",
];

/** Weights of a machine whose options give none. */
export const DEFAULT_WEIGHTS: Record<CrashChoice, number> = {
  kept: 4,
  dropped: 3,
  torn: 3,
  sectors: 2,
  blocks: 2,
  zeros: 1,
  garbage: 1,
  stale: 1,
};

/** How often each thing happens at a power loss. */
export interface CrashModel {
  /**
   * Weights of the choices, drawn for each write apart. Without them a file may also keep or lose everything,
   * or keep a plain prefix, which are the states met most.
   */
  readonly weights?: Partial<Record<CrashChoice, number>>;
  /**
   * Probability from 0 to 1 that the size on the disk is older than the data.
   *
   * @default {0.5}
   */
  readonly sizeBehind?: number;
  /**
   * Probability from 0 to 1 that an unsynced directory entry survives.
   *
   * @default all, none or one half, drawn at each crash
   */
  readonly entriesKept?: number;
}

/** Counts of what became of the unsynced changes. */
export interface CrashCounts {
  /** By what became of them. */
  readonly writes: Record<CrashChoice, number>;
  /** In files that were still there. */
  readonly truncates: { kept: number; undone: number };
  /** Creates, removes and renames. */
  readonly entries: { kept: number; dropped: number };
  /** Files whose size on the disk was older than their data. */
  sizesBehind: number;
}

/** Everything a power loss decides with. */
export interface PowerLoss {
  readonly random: SeededRandom;
  readonly model: CrashModel;
  /** Drops the assumption on sectors. */
  readonly strict: boolean;
  readonly counts: CrashCounts;
}

/** A zero for each choice. */
export function noChoices(): Record<CrashChoice, number> {
  return { kept: 0, dropped: 0, torn: 0, sectors: 0, blocks: 0, zeros: 0, garbage: 0, stale: 0 };
}

/** Fresh counts, all zero. */
export function crashCounts(): CrashCounts {
  return {
    writes: noChoices(),
    truncates: { kept: 0, undone: 0 },
    entries: { kept: 0, dropped: 0 },
    sizesBehind: 0,
  };
}
