/**
 * What a log was whose manifest is lost in both copies: topic and number of shards from the names of its directories, its id
 * from the files in them.
 *
 * @module
 */
import { unfinished } from "../backup/unfinished.ts";
import { toHex } from "../bytes.ts";
import { listBases } from "../recovery/inventory.ts";
import { findOwners } from "../recovery/owners.ts";
import { type DirectoryEntry, type Vfs, VfsError } from "../vfs.ts";
import { isTopic, type Manifest, shardDirectory } from "./manifest.ts";

/** A manifest as the rest of the log has it. */
export interface InferredManifest extends Manifest {
  /** False: no file says what the id was, so none refers to it. */
  readonly hasId: boolean;
}

/** Indexes looked at in one shard: state and anchor say the same, and an index is only asked as well. */
const MAX_INDEXES = 2;
const SHARD_NAME = /^(.+)-(0|[1-9]\d{0,4})$/;
const MAX_SHARDS = 65_536;

/**
 * Infers the manifest of the log in `directory`; `undefined` where there is no log, or where its files contradict each other.
 *
 * @param isKnown A damaged manifest stands there: then directories without any file are this log's, too.
 */
export async function inferManifest(
  vfs: Vfs,
  directory: string,
  isKnown: boolean,
): Promise<InferredManifest | undefined> {
  const shardsByTopic = new Map<string, number[]>();
  const entries = await listDirectory(vfs, directory);
  // What a backup or a restore has not finished is no log.
  if (unfinished(entries) !== undefined) return undefined;
  for (const entry of entries) {
    const [, topic, digits] = (entry.kind === "directory" ? SHARD_NAME.exec(entry.name) : null) ?? [];
    if (topic === undefined || !isTopic(topic) || Number(digits) >= MAX_SHARDS) continue;
    shardsByTopic.set(topic, [...shardsByTopic.get(topic) ?? [], Number(digits)]);
  }
  const found: InferredManifest[] = [];
  for (const [topic, shards] of shardsByTopic) {
    const votes = await collectVotes(vfs, directory, topic, shards);
    const id = majority([...votes.values()].flat());
    if (votes.size === 0 && !isKnown) continue;
    if (votes.size > 0 && id === undefined) return undefined;
    found.push({ topic, shards: countOf(shards, votes), id: id ?? new Uint8Array(16), hasId: id !== undefined });
  }
  // Files that say whose they are count more than empty directories that merely have such a name.
  const certain = found.filter((manifest) => manifest.hasId);
  const candidates = certain.length > 0 ? certain : found;
  return candidates.length === 1 ? candidates[0] : undefined;
}

/** The log ids in the files of each shard, one a file or slot. */
async function collectVotes(
  vfs: Vfs,
  directory: string,
  topic: string,
  shards: readonly number[],
): Promise<Map<number, Uint8Array[]>> {
  const votes = new Map<number, Uint8Array[]>();
  for (const shard of shards) {
    const place = shardDirectory(directory, topic, shard);
    const bases = await listBases(vfs, place);
    const asked = [...new Set([...bases.slice(0, 1), ...bases.slice(1 - MAX_INDEXES)])];
    const owners = await findOwners(vfs, place, asked);
    if (owners.length > 0) votes.set(shard, owners.map((owner) => owner.logId));
  }
  return votes;
}

/** All shards up to the last one with files, and the empty ones behind it without a number left out. */
function countOf(shards: readonly number[], votes: ReadonlyMap<number, unknown>): number {
  let count = Math.max(0, ...[...votes.keys()].map((shard) => shard + 1));
  while (shards.includes(count)) count++;
  return Math.max(1, count);
}

/** The id that more than half of the files have. */
function majority(votes: readonly Uint8Array[]): Uint8Array | undefined {
  const counts = new Map<string, number>();
  for (const vote of votes) counts.set(toHex(vote), (counts.get(toHex(vote)) ?? 0) + 1);
  const id = [...counts].find(([, count]) => count * 2 > votes.length)?.[0];
  return votes.find((vote) => toHex(vote) === id);
}

async function listDirectory(vfs: Vfs, directory: string): Promise<DirectoryEntry[]> {
  try {
    return await vfs.list(directory);
  } catch (error) {
    if (error instanceof VfsError && (error.code === "NOT_FOUND" || error.code === "NOT_A_DIRECTORY")) return [];
    throw error;
  }
}
