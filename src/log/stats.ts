/**
 * What a log counts about itself, as plain data.
 *
 * @module
 */
import { Histogram, type Latency } from "../telemetry/histogram.ts";
import type { LastError, ShardTelemetry } from "../telemetry/shard_telemetry.ts";
import type { ReadOnlyShard } from "../shard/read_only_shard.ts";
import type { ShardState } from "../shard/shard_types.ts";
import { ShardWriter } from "../shard/shard_writer.ts";

/** Counts since the log was opened, of one shard or of all of them. All 0 where it is open for reading only, but `segments`. */
export interface StatsCounts {
  /** Offsets handed out. */
  readonly messages: number;
  /** Of those, written. */
  readonly messagesWritten: number;
  /** Bytes of batches that were taken: those written and those that wait in memory. */
  readonly bytesTaken: number;
  /** Bytes of batches written and published. */
  readonly bytesWritten: number;
  /** Of the bytes handed to the file system, those past the page cache. */
  readonly bytesDirect: number;
  /** And those through the page cache. */
  readonly bytesCached: number;
  /** Bytes written in this opening that no sync has covered yet. */
  readonly bytesUnsynced: number;
  /** Bytes in memory that are not written yet. */
  readonly bytesBuffered: number;
  /** Times that something taken was asked to be written: by a timer, the stride, the bytes, or the program. */
  readonly flushes: number;
  /** Acknowledged writes. */
  readonly commits: number;
  /** Syncs of a `.log`, those beside the writes included. */
  readonly syncs: number;
  /** Batches written. */
  readonly batches: number;
  /** Bytes in a written batch, on average; 0 without one. */
  readonly batchBytes: number;
  /** Records in a written batch, on average; 0 without one. */
  readonly batchRecords: number;
  /** From the beginning of a write to its acknowledgement on rung `os`. */
  readonly flushLatency: Latency;
  /** How long syncs took. */
  readonly syncLatency: Latency;
  /** How often `tryAppend` answered `BACKPRESSURE`. */
  readonly refusals: number;
  /** How often somebody waited for room (`writable()`, and `append` by itself). */
  readonly waits: number;
  /** For how long together, in milliseconds. A wait counts once it is over. */
  readonly waitMs: number;
  /** Segments there are. */
  readonly segments: number;
  /** How often a new segment began. */
  readonly rolls: number;
}

/** Counts of one shard. */
export interface ShardStats extends StatsCounts {
  /** Its number. */
  readonly shard: number;
  /** What it can do at the moment. */
  readonly state: ShardState;
  /** The first offset that can be read. */
  readonly earliest: number;
  /** Exclusive end of the offsets handed out. */
  readonly nextOffset: number;
  /** Exclusive end of what the operating system has. */
  readonly written: number;
  /** Exclusive end of what is synced. */
  readonly synced: number;
  /** How the last write went; absent before the first one. */
  readonly writeMode?: "direct" | "cached";
  /** Why the shard takes no records any more; absent where nothing failed. */
  readonly lastError?: LastError;
}

/** How far a consumer is behind, in one shard. */
export interface ConsumerStats {
  /** Its name. */
  readonly consumer: string;
  /** Number of the shard. */
  readonly shard: number;
  /** The next offset it will read. */
  readonly committed: number;
  /** Records between that and the end. */
  readonly lag: number;
}

/** What a log counts about itself. */
export interface LogStats {
  /** As given to `openLog`. */
  readonly directory: string;
  /** Kafka topic name. */
  readonly topic: string;
  /** How long the log has been open, in milliseconds. */
  readonly openMs: number;
  /** What all shards together may hold in memory, in bytes; 0 where it is open for reading only. */
  readonly maxBufferBytes: number;
  /** All shards together. */
  readonly total: StatsCounts;
  /** By shard. */
  readonly shards: readonly ShardStats[];
  /** By consumer and shard: those that were used in this program. Of a log opened with `readOnly` the ends are those looked at last. */
  readonly consumers: readonly ConsumerStats[];
}

/** Where `consumers` comes from: whoever has some adds a source. */
export class ConsumerSources {
  readonly #sources = new Set<() => readonly ConsumerStats[]>();

  /** Asks `source` for its consumers whenever stats are made, until the answer is called. */
  add(source: () => readonly ConsumerStats[]): () => void {
    this.#sources.add(source);
    return () => this.#sources.delete(source);
  }

  collect(): ConsumerStats[] {
    return [...this.#sources].flatMap((source) => source());
  }
}

/** A shard with what is counted of it. */
export interface CountedShard {
  readonly shard: ShardWriter | ReadOnlyShard;
  readonly telemetry: ShardTelemetry;
  /** The next offset when the log was opened. */
  readonly openedAt: number;
}

/** The stats of one shard. */
export function shardStats({ shard, telemetry, openedAt }: CountedShard): ShardStats {
  const { state, earliest, nextOffset, written, synced } = shard;
  const isWriter = shard instanceof ShardWriter;
  const bytesBuffered = isWriter ? shard.bufferedBytes : 0;
  const { lastMode, lastError } = telemetry;
  return {
    shard: shard.id,
    state,
    earliest,
    nextOffset,
    written,
    synced,
    messages: isWriter ? nextOffset - openedAt : 0,
    messagesWritten: isWriter ? written - openedAt : 0,
    ...countsOf(telemetry, bytesBuffered),
    batchBytes: ratio(telemetry.bytesWritten, telemetry.batches),
    batchRecords: isWriter ? ratio(written - openedAt, telemetry.batches) : 0,
    flushLatency: telemetry.flushLatency.snapshot(),
    syncLatency: telemetry.syncLatency.snapshot(),
    ...(lastMode === undefined ? {} : { writeMode: lastMode }),
    ...(lastError === undefined ? {} : { lastError }),
  };
}

/** Counts that are sums over shards. */
export type Sums = Omit<
  StatsCounts,
  "messages" | "messagesWritten" | "batchBytes" | "batchRecords" | `${string}Latency`
>;

/** What a shard's telemetry counts. */
export function countsOf(telemetry: ShardTelemetry, bytesBuffered: number): Sums {
  const { bytesWritten, bytesDirect, bytesCached, bytesSynced, flushes, commits, syncs, batches } = telemetry;
  const { refusals, waits, waitMs, segments, rolls } = telemetry;
  return {
    bytesTaken: bytesWritten + bytesBuffered,
    bytesWritten,
    bytesDirect,
    bytesCached,
    bytesUnsynced: bytesWritten - bytesSynced,
    bytesBuffered,
    flushes,
    commits,
    syncs,
    batches,
    refusals,
    waits,
    waitMs,
    segments,
    rolls,
  };
}

/** All shards together. */
export function totalStats(
  counted: readonly Pick<CountedShard, "telemetry">[],
  shards: readonly ShardStats[],
): StatsCounts {
  const sum = (name: keyof Sums | "messages" | "messagesWritten"): number =>
    shards.reduce((total, shard) => total + shard[name], 0);
  const merged = (of: (telemetry: ShardTelemetry) => Histogram): Latency => {
    const all = new Histogram();
    for (const { telemetry } of counted) all.add(of(telemetry));
    return all.snapshot();
  };
  return {
    messages: sum("messages"),
    messagesWritten: sum("messagesWritten"),
    bytesTaken: sum("bytesTaken"),
    bytesWritten: sum("bytesWritten"),
    bytesDirect: sum("bytesDirect"),
    bytesCached: sum("bytesCached"),
    bytesUnsynced: sum("bytesUnsynced"),
    bytesBuffered: sum("bytesBuffered"),
    flushes: sum("flushes"),
    commits: sum("commits"),
    syncs: sum("syncs"),
    batches: sum("batches"),
    batchBytes: ratio(sum("bytesWritten"), sum("batches")),
    batchRecords: ratio(sum("messagesWritten"), sum("batches")),
    flushLatency: merged((telemetry) => telemetry.flushLatency),
    syncLatency: merged((telemetry) => telemetry.syncLatency),
    refusals: sum("refusals"),
    waits: sum("waits"),
    waitMs: sum("waitMs"),
    segments: sum("segments"),
    rolls: sum("rolls"),
  };
}

/** An average; 0 without anything. */
export function ratio(sum: number, count: number): number {
  return count === 0 ? 0 : sum / count;
}
