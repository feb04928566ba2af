/**
 * Finds the partitions that an import takes.
 *
 * @module
 */
import { LogError } from "../errors.ts";
import { isTopic } from "../log/manifest.ts";
import { segmentBases } from "../segment/names.ts";
import type { Vfs } from "../vfs.ts";
import { LOG_STARTS, readOffsets } from "./checkpoints.ts";
import { entriesOf } from "./handover_target.ts";

/** One partition of a broker. */
export interface SourcePartition {
  readonly directory: string;
  /** Base offsets of its segments, in order. */
  readonly bases: readonly number[];
  /** Records in front of it were deleted; 0 where nobody says so. */
  readonly logStart: number;
}

/** What an import takes. */
export interface ImportSource {
  readonly topic: string;
  /** By number of the shard that each becomes. */
  readonly partitions: readonly SourcePartition[];
}

const PARTITION = /^(.+)-(0|[1-9]\d{0,4})$/;

/**
 * Looks into `directory`: a partition's own, or one that holds several.
 *
 * @throws {LogError} `NOT_A_LOG`, `CONFLICT`
 */
export async function findSource(
  vfs: Vfs,
  directory: string,
  topic: string | undefined,
  shard: number | undefined,
): Promise<ImportSource> {
  const entries = await entriesOf(vfs, directory);
  if (entries === undefined) throw refusal("NOT_A_LOG", directory, "there is no such directory; check the path");
  const bases = segmentBases(entries);
  if (bases.length > 0) return await onePartition(vfs, directory, bases, topic, shard);
  const topics = new Map<string, number[]>();
  for (const { name, kind } of entries) {
    const [, itsTopic, digits] = (kind === "directory" ? PARTITION.exec(name) : null) ?? [];
    if (itsTopic === undefined || !isTopic(itsTopic)) continue;
    topics.set(itsTopic, [...topics.get(itsTopic) ?? [], Number(digits)]);
  }
  const names = [...topics.keys()].filter((name) => !name.startsWith("__"));
  if (topic === undefined && names.length !== 1) {
    throw names.length === 0
      ? refusal("NOT_A_LOG", directory, "it holds no .log file and no directory TOPIC-NUMBER; name a broker's log.dirs")
      : refusal("CONFLICT", directory, `it holds several topics (${names.slice(0, 5).join(", ")}); name one`);
  }
  const chosen = topic ?? names[0];
  const numbers = (topics.get(chosen) ?? []).sort((a, b) => a - b);
  if (numbers.length === 0) throw refusal("NOT_A_LOG", directory, `there is no partition of ${chosen} in it`);
  if (shard !== undefined && !numbers.includes(shard)) {
    throw refusal("NOT_A_LOG", directory, `there is no ${chosen}-${shard} in it`);
  }
  const missing = numbers.findIndex((number, i) => number !== i);
  if (shard === undefined && missing >= 0) {
    throw refusal(
      "CONFLICT",
      directory,
      `${chosen}-${missing} is missing; bring all partitions together (brokers share them), or name one partition`,
    );
  }
  const partitions: SourcePartition[] = [];
  for (const number of shard === undefined ? numbers : [shard]) {
    partitions.push(await partitionAt(vfs, `${directory}/${chosen}-${number}`, directory, `${chosen} ${number}`));
  }
  return { topic: chosen, partitions };
}

async function onePartition(
  vfs: Vfs,
  directory: string,
  bases: number[],
  topic: string | undefined,
  shard: number | undefined,
): Promise<ImportSource> {
  const slash = directory.lastIndexOf("/");
  const [, itsTopic, number] = PARTITION.exec(directory.slice(slash + 1)) ?? [];
  const name = topic ?? itsTopic;
  if (name === undefined || !isTopic(name)) {
    throw refusal("CONFLICT", directory, "its name is not TOPIC-NUMBER; name the topic");
  }
  if (shard !== undefined && number !== undefined && shard !== Number(number)) {
    throw refusal("CONFLICT", directory, `it is partition ${number}, not ${shard}`);
  }
  const parent = slash < 0 ? "." : slash === 0 ? "/" : directory.slice(0, slash);
  const logStart = (await readOffsets(vfs, `${parent}/${LOG_STARTS}`)).get(`${itsTopic} ${number}`) ?? 0;
  return { topic: name, partitions: [{ directory, bases, logStart }] };
}

async function partitionAt(vfs: Vfs, directory: string, parent: string, line: string): Promise<SourcePartition> {
  const bases = segmentBases(await vfs.list(directory));
  return { directory, bases, logStart: (await readOffsets(vfs, `${parent}/${LOG_STARTS}`)).get(line) ?? 0 };
}

function refusal(code: "NOT_A_LOG" | "CONFLICT", directory: string, why: string): LogError {
  return new LogError(code, `Cannot import ${directory}: ${why}`, { file: directory });
}
