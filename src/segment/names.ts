/**
 * File names inside a shard's directory.
 *
 * @module
 */
import type { DirectoryEntry } from "../vfs.ts";

const DIGITS = 20;
const USER_TABLE_NAME = /^users-(\d{20})-(\d{20})\.idx(\.tmp)?$/;

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

/** The offsets that a table of the user index covers, `next` exclusive, by its name; `undefined` where it is none of one. */
export function parseUserTable(name: string): { first: number; next: number; isDraft: boolean } | undefined {
  if (!name.startsWith("users-")) return undefined;
  const match = USER_TABLE_NAME.exec(name);
  if (match === null) return undefined;
  const first = Number(match[1]);
  const next = Number(match[2]);
  if (!Number.isSafeInteger(next) || next <= first || next - first > 0xffff_ffff) return undefined;
  return { first, next, isDraft: match[3] !== undefined };
}

/** The name of a table that covers these offsets, `next` exclusive. */
export function userTableName(first: number, next: number): string {
  return `users-${String(first).padStart(DIGITS, "0")}-${String(next).padStart(DIGITS, "0")}.idx`;
}

/** Base offsets of the segments among the entries, in order. Everything else is somebody else's and left alone. */
export function segmentBases(entries: readonly DirectoryEntry[]): number[] {
  return basesOf(entries, ".log");
}

/** Base offsets of the `.idx` files among the entries, in order. */
export function indexBases(entries: readonly DirectoryEntry[]): number[] {
  return basesOf(entries, ".idx");
}

/** Offsets of the snapshots among the entries, in order, without repetition; with those never finished where that is asked for. */
export function snapshotBases(entries: readonly DirectoryEntry[], unfinished: boolean): number[] {
  const bases = basesOf(entries, ".snapshot");
  if (unfinished) bases.push(...basesOf(entries, ".snapshot.new"));
  if (bases.length < 2) return bases;
  return [...new Set(bases)].sort((a, b) => a - b);
}

function basesOf(entries: readonly DirectoryEntry[], ending: string): number[] {
  const bases: number[] = [];
  for (const entry of entries) {
    const base = entry.kind === "file" ? baseIn(entry.name, ending) : -1;
    if (base >= 0) bases.push(base);
  }
  return bases.length < 2 ? bases : bases.sort((a, b) => a - b);
}

/** The offset that a name of twenty digits and `ending` begins with; -1 where it is no such name, or no offset. */
function baseIn(name: string, ending: string): number {
  if (name.length !== DIGITS + ending.length || !name.endsWith(ending)) return -1;
  let base = 0;
  for (let i = 0; i < DIGITS; i++) {
    const digit = name.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    base = base * 10 + digit;
  }
  return Number.isSafeInteger(base) ? base : -1;
}
