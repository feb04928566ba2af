/**
 * The note that a repair leaves before it changes the first file: with it every step can be done again, without it nothing
 * has happened yet.
 *
 * @module
 */
import type { State } from "../anchor/state.ts";
import { crc32c } from "../batch/crc32c.ts";
import { hex32 } from "../batch/format.ts";
import { LogError } from "../errors.ts";
import { openIfThere } from "../if_there.ts";
import type { Vfs } from "../vfs.ts";
import { replaceWhole } from "./whole_file.ts";

/** Name of the note in a shard's directory. While it is there the shard is read-only. */
export const INTENT_NAME = "repair";
const TEMPORARY_NAME = "repair.part";
const MAX_BYTES: number = 16 * 1024 * 1024;

/** What is going to be done, as names in the shard's directory. */
export interface RepairIntent {
  /** Files that get another name, in this order. */
  readonly moves: readonly (readonly [from: string, to: string])[];
  /** Segments whose new file lies ready; `aside` is where the old one goes, null where there is none. */
  readonly rebuilt: readonly { readonly base: number; readonly aside: string | null }[];
  /** Where a segment's tail is cut off; it was copied aside before. */
  readonly cut: { readonly base: number; readonly position: number } | null;
  /** Segments whose `.idx` is made again. */
  readonly indexes: readonly number[];
  /** What the state says from now on, beside where the log ends; null: state and anchor stay as they are. */
  readonly facts: Omit<State, "clean"> | null;
}

/** Name of a segment's new file while it lies ready. */
export function rebuiltPath(directory: string, base: number): string {
  return `${directory}/rebuild-${base}`;
}

/** Base offsets of the new files among the names of a shard's directory. */
export function rebuiltBases(names: readonly string[]): number[] {
  return names.map((name) => /^rebuild-(\d+)$/.exec(name)?.[1]).filter((digits) => digits !== undefined).map(Number);
}

/** Writes the note; it is there whole, and durable, or not at all. */
export async function writeIntent(vfs: Vfs, directory: string, intent: RepairIntent): Promise<void> {
  const text = JSON.stringify(intent);
  const bytes = new TextEncoder().encode(`${hex32(crc32c(new TextEncoder().encode(text)))} ${text}\n`);
  await replaceWhole(vfs, `${directory}/${INTENT_NAME}`, `${directory}/${TEMPORARY_NAME}`, bytes);
  await vfs.syncDirectory(directory);
}

/**
 * Reads the note; `undefined` where there is none.
 *
 * @throws {LogError} `CORRUPT_FILE` where it is damaged.
 */
export async function readIntent(vfs: Vfs, directory: string): Promise<RepairIntent | undefined> {
  const path = `${directory}/${INTENT_NAME}`;
  const file = await openIfThere(vfs, path, "read");
  if (file === undefined) return undefined;
  let text: string;
  try {
    const bytes = new Uint8Array(Math.min(await file.size(), MAX_BYTES));
    text = new TextDecoder().decode(bytes.subarray(0, await file.read(bytes, 0)));
  } finally {
    await file.close();
  }
  const match = /^([0-9a-f]{8}) (.*)\n$/.exec(text);
  if (match === null || hex32(crc32c(new TextEncoder().encode(match[2]))) !== match[1]) {
    throw new LogError("CORRUPT_FILE", `Cannot go on with the repair that ${path} speaks of: the note is damaged`, {
      file: path,
    });
  }
  return JSON.parse(match[2]) as RepairIntent;
}

/** Everything is done. */
export async function removeIntent(vfs: Vfs, directory: string): Promise<void> {
  await vfs.remove(`${directory}/${INTENT_NAME}`);
  await vfs.syncDirectory(directory);
}
