/**
 * Metrics of a log for OpenTelemetry: instruments that look at `log.stats()` whenever a reader collects. Nothing runs in between.
 *
 * `node examples/opentelemetry.ts` prints them every second; a program gives its own exporter to the reader.
 */
import type { Attributes, BatchObservableResult, Meter, Observable } from "@opentelemetry/api";
import { ConsoleMetricExporter, MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import process from "node:process";
import { type Log, openLog, type ShardStats } from "../mod.ts";

/** Makes the instruments of a log. Answers what takes them back; call it before the log is forgotten. */
export function observeLog(meter: Meter, log: Log): () => void {
  const rows: [Observable, (shard: ShardStats) => number][] = [
    [meter.createObservableCounter("bimiplog.messages"), (shard) => shard.messages],
    [meter.createObservableCounter("bimiplog.written", { unit: "By" }), (shard) => shard.bytesWritten],
    [meter.createObservableCounter("bimiplog.commits"), (shard) => shard.commits],
    [meter.createObservableCounter("bimiplog.syncs"), (shard) => shard.syncs],
    [meter.createObservableCounter("bimiplog.backpressure"), (shard) => shard.refusals],
    [meter.createObservableGauge("bimiplog.buffer", { unit: "By" }), (shard) => shard.bytesBuffered],
    [meter.createObservableGauge("bimiplog.unsynced", { unit: "By" }), (shard) => shard.bytesUnsynced],
    [meter.createObservableGauge("bimiplog.flush.p99", { unit: "ms" }), (shard) => shard.flushLatency.p99Ms],
    [meter.createObservableGauge("bimiplog.sync.p99", { unit: "ms" }), (shard) => shard.syncLatency.p99Ms],
  ];
  const lag = meter.createObservableGauge("bimiplog.consumer.lag");
  const observe = (result: BatchObservableResult): void => {
    const { topic, shards, consumers } = log.stats();
    for (const shard of shards) {
      const attributes: Attributes = { topic, shard: shard.shard };
      for (const [instrument, of] of rows) result.observe(instrument, of(shard), attributes);
    }
    for (const of of consumers) result.observe(lag, of.lag, { topic, shard: of.shard, consumer: of.consumer });
  };
  const instruments = [...rows.map(([instrument]) => instrument), lag];
  meter.addBatchObservableCallback(observe, instruments);
  return () => meter.removeBatchObservableCallback(observe, instruments);
}

if (import.meta.main) {
  const reader = new PeriodicExportingMetricReader({
    exporter: new ConsoleMetricExporter(),
    exportIntervalMillis: 1000,
    exportTimeoutMillis: 500,
  });
  const provider = new MeterProvider({ readers: [reader] });
  const log = await openLog("./data/telemetry");
  const stop = observeLog(provider.getMeter("bimiplog"), log);
  const timer = setInterval(() => void log.append({ value: "hi" }).catch(console.error), 100);
  process.once("SIGINT", async () => {
    clearInterval(timer);
    await provider.shutdown();
    stop();
    await log.close();
  });
}
