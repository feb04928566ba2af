/** The examples for prom-client and OpenTelemetry work, and prom-client writes the same text as `statsText()`. */
import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { Counter, Gauge, Histogram as PromHistogram, Registry } from "prom-client";
import { observeLog } from "../../examples/opentelemetry.ts";
import { countOrders, serveMetrics } from "../../examples/prometheus.ts";
import { openLog, prometheusText } from "../../mod.ts";
import { Histogram } from "../../src/telemetry/histogram.ts";
import { useDirectory, useLog } from "../helpers.ts";
import { parseExposition } from "./exposition.ts";

/** Lines of a text that belong to a metric. */
function linesOf(text: string, name: string): string[] {
  return text.split("\n").filter((line) => line.startsWith(name)).sort();
}

describe("the example for prom-client", () => {
  it("serves a program's metrics and those of the log on one page", () =>
    useLog({}, async (log) => {
      const registry = new Registry();
      countOrders(registry).inc(3);
      await log.append({ value: "v" });
      const server = await serveMetrics(log, registry, 0);
      try {
        const { port } = server.address() as AddressInfo;
        const response = await fetch(`http://127.0.0.1:${port}/metrics`);
        assert.match(response.headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
        const text = await response.text();
        assert.match(text, /^orders_total 3$/m);
        const own = parseExposition(text.slice(text.indexOf("# HELP bimiplog_")));
        assert.equal(own.get("bimiplog_messages_total")!.samples[0].value, 1);
        assert.equal((await fetch(`http://127.0.0.1:${port}/other`)).status, 404);
      } finally {
        await new Promise((resolve) => server.close(resolve));
      }
    }));
});

describe("the text for Prometheus", () => {
  it("is what prom-client writes of the same counters and gauges, odd labels included", () =>
    useDirectory(async (directory) => {
      const log = await openLog(`${directory}/an "odd"\nna\\me`, { shards: 2, topic: "t" });
      for (let i = 0; i < 5; i++) await log.append({ key: `${i}`, value: "v" });
      const stats = log.stats();
      const registry = new Registry();
      const labelNames = ["log", "topic", "shard"];
      const help = "help";
      const counter = new Counter({ name: "bimiplog_messages_total", help, labelNames, registers: [registry] });
      const gauge = new Gauge({ name: "bimiplog_written_offset", help, labelNames, registers: [registry] });
      for (const { shard, messages, written } of stats.shards) {
        const labels = { log: stats.directory, topic: stats.topic, shard };
        counter.inc(labels, messages);
        gauge.set(labels, written);
      }
      const theirs = await registry.metrics();
      const ours = prometheusText([stats]);
      for (const name of ["bimiplog_messages_total", "bimiplog_written_offset"]) {
        assert.equal(linesOf(theirs, name).length, 2);
        assert.deepEqual(linesOf(ours, name), linesOf(theirs, name));
      }
      await log.close();
    }));

  it("has the buckets that prom-client counts", async () => {
    const durations = [0.005, 0.01, 0.3, 2, 47, 47.1, 800, 99_000, 200_000];
    const ours = new Histogram();
    for (const ms of durations) ours.record(ms);
    const { buckets, count } = ours.snapshot();
    const bounds = buckets.map(({ leMs }) => leMs).filter((leMs) => leMs !== Infinity);
    const theirs = new PromHistogram({ name: "x", help: "x", buckets: bounds, registers: [] });
    for (const ms of durations) theirs.observe(ms);
    const { values } = await theirs.get();
    const counted = values.filter(({ metricName }) => metricName === "x_bucket").map(({ value }) => value);
    assert.deepEqual(buckets.map((bucket) => bucket.count), counted);
    assert.equal(count, durations.length);
  });
});

describe("the example for OpenTelemetry", () => {
  it("exports what stats() says, until it is taken back", () =>
    useLog({ shards: 2 }, async (log) => {
      const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
      const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 60_000 });
      const provider = new MeterProvider({ readers: [reader] });
      const stop = observeLog(provider.getMeter("bimiplog"), log);
      for (let i = 0; i < 10; i++) await log.append({ key: `${i}`, value: "v" });
      await provider.forceFlush();
      const metrics = exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics[0].metrics);
      const of = (name: string): unknown[] =>
        metrics.find(({ descriptor }) => descriptor.name === name)!.dataPoints.map(({ attributes, value }) => [
          attributes["shard"],
          value,
        ]);
      const { shards } = log.stats();
      assert.deepEqual(of("bimiplog.messages"), shards.map(({ shard, messages }) => [shard, messages]));
      assert.deepEqual(of("bimiplog.written"), shards.map(({ shard, bytesWritten }) => [shard, bytesWritten]));
      stop();
      await provider.shutdown();
    }));
});
