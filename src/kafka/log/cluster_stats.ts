/**
 * What a log on a cluster counts about itself.
 *
 * @module
 */
import { countsOf, type LogStats, ratio, type ShardStats, totalStats } from "../../log/stats.ts";
import type { ConsumerLags } from "../group/consumer_lags.ts";
import type { PartitionWriter } from "./partition_writer.ts";

/** Of which log. */
export interface StatsQuestion {
  readonly directory: string;
  readonly topic: string;
  readonly openedMs: number;
  readonly maxBuffer: number;
  readonly shards: readonly PartitionWriter[];
  readonly lags: ConsumerLags;
}

/** Makes them; what an acknowledgement covers counts as written and synced. */
export function clusterStats({ directory, topic, openedMs, maxBuffer, shards, lags }: StatsQuestion): LogStats {
  const each = shards.map(shardStats);
  return {
    directory,
    topic,
    openMs: performance.now() - openedMs,
    maxBufferBytes: maxBuffer * shards.length,
    total: totalStats(shards, each),
    shards: each,
    consumers: lags.stats(shards.map(({ written }) => written)),
  };
}

function shardStats(writer: PartitionWriter): ShardStats {
  const { id, state, earliest, nextOffset, written, synced, telemetry, taken, sent } = writer;
  return {
    ...{ shard: id, state, earliest, nextOffset, written, synced, messages: taken, messagesWritten: sent },
    ...countsOf(telemetry, writer.bytesBuffered),
    batchBytes: ratio(telemetry.bytesWritten, telemetry.batches),
    batchRecords: ratio(sent, telemetry.batches),
    flushLatency: telemetry.flushLatency.snapshot(),
    syncLatency: telemetry.syncLatency.snapshot(),
    ...(telemetry.lastError === undefined ? {} : { lastError: telemetry.lastError }),
  };
}
