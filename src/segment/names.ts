/**
 * File names inside a shard's directory.
 *
 * @module
 */
import type { DirectoryEntry } from "../vfs.ts";

const DIGITS = 20;
const LOG_NAME = /^(\d{20})\.log$/;
const INDEX_NAME = /^(\d{20})\.idx$/;
const SNAPSHOT_NAME = /^(\d{20})\.snapshot$/;
const UNFINISHED_SNAPSHOT_NAME = /^(\d{20})\.snapshot\.new$/;

/** Name of the `.log` of the segment that starts at `base`. */
export function segmentName(base: number): string {
  return `${String(base).padStart(DIGITS, "0")}.log`;
}

/** Path of the `.log` of the segment that starts at `base`. */
export function logPath(directory: string, base: number): string {
  return `${directory}/${segmentName(base)}`;
}

/** Path of its `.idx`. */
export function indexPath(directory: string, base: number): string {
  return `${directory}/${String(base).padStart(DIGITS, "0")}.idx`;
}

/** Path of the snapshot of what producers wrote in front of `base`, as Kafka names it. */
export function snapshotPath(directory: string, base: number): string {
  return `${directory}/${String(base).padStart(DIGITS, "0")}.snapshot`;
}

/** Name for bytes set aside; no program takes it for a segment. `attempt` counts from 0 until the name is free. */
export function quarantinePath(directory: string, base: number, position: number, attempt: number): string {
  return `${directory}/quarantine-${base}-${position}-${attempt}`;
}

/** Base offsets of the segments among the entries, in order. Everything else is somebody else's and left alone. */
export function segmentBases(entries: readonly DirectoryEntry[]): number[] {
  return basesOf(entries, LOG_NAME);
}

/** Base offsets of the `.idx` files among the entries, in order. */
export function indexBases(entries: readonly DirectoryEntry[]): number[] {
  return basesOf(entries, INDEX_NAME);
}

/** Offsets of the snapshots among the entries, in order, without repetition; with those never finished where that is asked for. */
export function snapshotBases(entries: readonly DirectoryEntry[], unfinished: boolean): number[] {
  const bases = basesOf(entries, SNAPSHOT_NAME);
  if (unfinished) bases.push(...basesOf(entries, UNFINISHED_SNAPSHOT_NAME));
  return [...new Set(bases)].sort((a, b) => a - b);
}

function basesOf(entries: readonly DirectoryEntry[], name: RegExp): number[] {
  const bases: number[] = [];
  for (const entry of entries) {
    const digits = entry.kind === "file" ? name.exec(entry.name)?.[1] : undefined;
    if (digits === undefined) continue;
    const base = Number(digits);
    if (Number.isSafeInteger(base)) bases.push(base);
  }
  return bases.sort((a, b) => a - b);
}
