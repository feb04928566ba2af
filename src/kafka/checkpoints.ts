/**
 * The small text files that a broker keeps beside and in its partitions.
 *
 * @module
 */
import { LogError } from "../errors.ts";
import { openIfThere } from "../if_there.ts";
import { replaceWhole } from "../recovery/whole_file.ts";
import type { Vfs } from "../vfs.ts";

/** In the root of `log.dirs`: a recovery may begin here. */
export const RECOVERY_POINTS = "recovery-point-offset-checkpoint";
/** In the root of `log.dirs`: where a partition's readable records begin. */
export const LOG_STARTS = "log-start-offset-checkpoint";
/** In a partition: where each leader's epoch began. */
export const LEADER_EPOCHS = "leader-epoch-checkpoint";
/** In the root of `log.dirs` while no broker uses it and the last one was stopped in order. */
export const CLEAN_SHUTDOWN = ".kafka_cleanshutdown";
/** In a partition: the id of its topic. */
export const PARTITION_METADATA = "partition.metadata";

/** A larger one would be of tens of thousands of partitions. */
const MAX_BYTES = 16 * 1024 * 1024;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A text file; `undefined` where there is none. */
export async function readText(vfs: Vfs, path: string): Promise<string | undefined> {
  const file = await openIfThere(vfs, path, "read");
  if (file === undefined) return undefined;
  try {
    const size = await file.size();
    if (size > MAX_BYTES) {
      throw new LogError("CORRUPT_FILE", `Cannot read ${path}: it has ${size} bytes`, { file: path });
    }
    const bytes = new Uint8Array(size);
    return decoder.decode(bytes.subarray(0, await file.read(bytes, 0)));
  } finally {
    await file.close();
  }
}

/** Replaces a text file; durable once its directory is synced. */
export function writeText(vfs: Vfs, path: string, text: string): Promise<void> {
  return replaceWhole(vfs, path, `${path}.bimip-tmp`, encoder.encode(text));
}

/** Offsets by `topic partition`, of a checkpoint in the root of `log.dirs`. */
export async function readOffsets(vfs: Vfs, path: string): Promise<Map<string, number>> {
  const offsets = new Map<string, number>();
  const text = await readText(vfs, path);
  if (text === undefined) return offsets;
  const lines = text.trimEnd().split("\n");
  const entries = lines.slice(2).map((line) => /^(\S+ \d+) (\d+)$/.exec(line));
  if (lines[0] !== "0" || Number(lines[1]) !== entries.length || entries.includes(null)) {
    throw new LogError("CORRUPT_FILE", `Cannot read ${path}: it is no checkpoint file of Kafka's version 0`, {
      file: path,
    });
  }
  for (const entry of entries) offsets.set(entry![1], Number(entry![2]));
  return offsets;
}

/** Writes such a checkpoint. */
export function writeOffsets(vfs: Vfs, path: string, offsets: ReadonlyMap<string, number>): Promise<void> {
  const lines = [...offsets].map(([partition, offset]) => `${partition} ${offset}\n`);
  return writeText(vfs, path, `0\n${lines.length}\n${lines.join("")}`);
}

/** Writes the epochs of a partition whose leader had only epoch 0. */
export function writeLeaderEpoch(vfs: Vfs, path: string, from: number): Promise<void> {
  return writeText(vfs, path, `0\n1\n0 ${from}\n`);
}
