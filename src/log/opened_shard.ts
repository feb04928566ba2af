/**
 * A shard of an open log, and what opening it found.
 *
 * @module
 */
import type { InstanceIds } from "../anchor/anchor.ts";
import type { ShardView } from "../read/shard_view.ts";
import type { Analysis, Verdict } from "../recovery/analyse.ts";
import type { ReadOnlyShard } from "../shard/read_only_shard.ts";
import type { ShardWriter } from "../shard/shard_writer.ts";
import type { ShardTelemetry } from "../telemetry/shard_telemetry.ts";
import type { UserIndexer } from "../users/user_indexer.ts";
import type { MaybePromise } from "../vfs.ts";
import type { AnchorPublication } from "./publications.ts";

/** What opening found in a shard. */
export interface RecoveryReport {
  /** Number of the shard. */
  readonly shard: number;
  /** `clean`, `torn` (a tail was cut off), `loss` (acknowledged data is gone), `corrupt` (read-only). */
  readonly verdict: Verdict;
  /** Bytes that were cut off. */
  readonly cutBytes: number;
  /** File that holds them; absent where nothing was cut, or only zeros. */
  readonly keptAside?: string;
  /** How long looking, deciding and repairing took. */
  readonly durationMs: number;
}

/** Where a shard lies and to which log it belongs. */
export interface ShardPlace {
  readonly directory: string;
  readonly logId: Uint8Array;
  readonly id: number;
  readonly instance: InstanceIds;
}

/** A shard of an open log. */
export interface OpenedShard {
  readonly shard: ShardWriter | ReadOnlyShard;
  readonly view: ShardView;
  readonly report: RecoveryReport;
  /** Keeps the index of users; where the shard is written, with `userStride` above 0. */
  readonly users?: UserIndexer | undefined;
  /** Ends followers; for a shard that this program does not write. */
  readonly remote: AnchorPublication | undefined;
  readonly telemetry: ShardTelemetry;
  /** Segments below the log start of which there still are files, of a trim that was interrupted. */
  readonly dropped?: readonly number[];
  /** The user's records below the answer are hidden. */
  readonly trimOf: (key: Uint8Array) => MaybePromise<number>;
}

/** The report of an opening. */
export function reportOf(
  shard: number,
  analysis: Analysis,
  keptAside: string | undefined,
  durationMs: number,
): RecoveryReport {
  const { verdict, cutBytes } = analysis;
  return { shard, verdict, cutBytes, durationMs, ...(keptAside === undefined ? {} : { keptAside }) };
}
