/**
 * Stats as text for Prometheus, in its exposition format 0.0.4.
 *
 * @module
 */
import type { Latency } from "../telemetry/histogram.ts";
import type { LogStats, ShardStats } from "./stats.ts";

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [labels: Labels, value: number];

interface Family {
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly help: string;
  readonly of: (shard: ShardStats) => number;
}

const FAMILIES: readonly Family[] = [
  counter("messages_total", "Offsets handed out.", (shard) => shard.messages),
  counter("written_messages_total", "Offsets written.", (shard) => shard.messagesWritten),
  counter("taken_bytes_total", "Bytes of batches taken.", (shard) => shard.bytesTaken),
  counter("written_bytes_total", "Bytes of batches written and published.", (shard) => shard.bytesWritten),
  counter("direct_bytes_total", "Bytes written past the page cache.", (shard) => shard.bytesDirect),
  counter("cached_bytes_total", "Bytes written through the page cache.", (shard) => shard.bytesCached),
  counter("flushes_total", "Requests to write what was taken.", (shard) => shard.flushes),
  counter("commits_total", "Acknowledged writes.", (shard) => shard.commits),
  counter("syncs_total", "Syncs of a .log file.", (shard) => shard.syncs),
  counter("batches_total", "Batches written.", (shard) => shard.batches),
  counter("backpressure_total", "Appends that were refused because the buffer was full.", (shard) => shard.refusals),
  counter("waits_total", "Waits for room in the buffer.", (shard) => shard.waits),
  counter("wait_seconds_total", "Time that was waited for room in the buffer.", (shard) => shard.waitMs / 1000),
  counter("rolls_total", "New segments begun.", (shard) => shard.rolls),
  gauge("segments", "Segments there are.", (shard) => shard.segments),
  gauge("buffer_bytes", "Bytes in memory that are not written yet.", (shard) => shard.bytesBuffered),
  gauge("unsynced_bytes", "Bytes written that no sync has covered.", (shard) => shard.bytesUnsynced),
  gauge("earliest_offset", "First offset that can be read.", (shard) => shard.earliest),
  gauge("next_offset", "Exclusive end of the offsets handed out.", (shard) => shard.nextOffset),
  gauge("written_offset", "Exclusive end of what the operating system has.", (shard) => shard.written),
  gauge("synced_offset", "Exclusive end of what is synced.", (shard) => shard.synced),
  gauge(
    "poisoned",
    "1 where a write or sync failed and nothing is taken any more.",
    (shard) => shard.state === "poisoned" ? 1 : 0,
  ),
];

/** The part of a {@linkcode ShardStats} that a histogram is made of. */
const HISTOGRAMS: readonly (readonly [name: string, help: string, of: (shard: ShardStats) => Latency])[] = [
  ["flush_duration_seconds", "From the beginning of a write to its acknowledgement.", (shard) => shard.flushLatency],
  ["sync_duration_seconds", "How long syncs took.", (shard) => shard.syncLatency],
];

function counter(name: string, help: string, of: Family["of"]): Family {
  return { name, type: "counter", help, of };
}

function gauge(name: string, help: string, of: Family["of"]): Family {
  return { name, type: "gauge", help, of };
}

/**
 * Stats of one log or several as text for Prometheus (exposition format 0.0.4). Names begin with `bimiplog_`, times are seconds. Each
 * sample has the labels `log` (the directory), `topic` and `shard`.
 *
 * @example
 * ```ts
 * import { openLog, prometheusText } from "@bimip/log";
 *
 * const log = await openLog("./data/prometheus-example");
 * console.log(prometheusText([log.stats()]));
 * await log.close();
 * ```
 */
export function prometheusText(logs: readonly LogStats[]): string {
  let text = "";
  const shards = logs.flatMap((log) => log.shards.map((shard) => ({ shard, labels: shardLabels(log, shard.shard) })));
  for (const { name, type, help, of } of FAMILIES) {
    text += family(name, type, help, shards.map(({ shard, labels }) => [labels, of(shard)]));
  }
  const limits = logs.map((log): Sample => [logLabels(log), log.maxBufferBytes]);
  text += family("buffer_limit_bytes", "gauge", "What all shards together may hold in memory.", limits);
  for (const [name, help, of] of HISTOGRAMS) {
    text += heading(name, "histogram", help);
    for (const { shard, labels } of shards) text += histogram(name, labels, of(shard));
  }
  const consumers = logs.flatMap((log) =>
    log.consumers.map((of) => ({ of, labels: { ...shardLabels(log, of.shard), consumer: of.consumer } }))
  );
  if (consumers.length === 0) return text;
  const lags = consumers.map(({ of, labels }): Sample => [labels, of.lag]);
  const offsets = consumers.map(({ of, labels }): Sample => [labels, of.committed]);
  return text + family("consumer_lag", "gauge", "Records that a consumer has still to read.", lags) +
    family("consumer_committed_offset", "gauge", "The next offset that a consumer reads.", offsets);
}

function logLabels({ directory, topic }: LogStats): Labels {
  return { log: directory, topic };
}

function shardLabels(log: LogStats, shard: number): Labels {
  return { ...logLabels(log), shard: String(shard) };
}

function heading(name: string, type: string, help: string): string {
  return `# HELP bimiplog_${name} ${help}\n# TYPE bimiplog_${name} ${type}\n`;
}

function family(name: string, type: string, help: string, samples: readonly Sample[]): string {
  return heading(name, type, help) + samples.map(([labels, value]) => sample(name, labels, value)).join("");
}

function histogram(name: string, labels: Labels, { buckets, sumMs, count }: Latency): string {
  const rows = buckets.map(({ leMs, count }) =>
    sample(`${name}_bucket`, { ...labels, le: leMs === Infinity ? "+Inf" : seconds(leMs) }, count)
  );
  return rows.join("") + sample(`${name}_sum`, labels, sumMs / 1000) + sample(`${name}_count`, labels, count);
}

/** Bounds have two digits that count: a division must not add others. */
function seconds(ms: number): string {
  return String(Number((ms / 1000).toPrecision(2)));
}

function sample(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`);
  return `bimiplog_${name}{${pairs.join(",")}} ${value}\n`;
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
