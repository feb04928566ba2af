/** The text for Prometheus, held to the exposition format 0.0.4 by a parser of its own. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { openLog, prometheusText } from "../../mod.ts";
import type { EmbeddedLog } from "../../src/log/log.ts";
import { useDirectory, useLog } from "../helpers.ts";
import { parseExposition } from "./exposition.ts";

describe("stats as text for Prometheus", () => {
  it("keep the rules of the format, and say what stats() says", () =>
    useLog({ shards: 2 }, async (log) => {
      for (let i = 0; i < 20; i++) await log.append({ key: `${i}`, value: "v" }, { durability: "disk" });
      const families = parseExposition(log.statsText());
      const stats = log.stats();
      const valueOf = (name: string, shard: number): number | undefined =>
        families.get(name)?.samples.find(({ labels }) => labels["shard"] === String(shard))?.value;
      for (const { shard, messages, bytesWritten, syncs, written, synced, waitMs } of stats.shards) {
        assert.equal(valueOf("bimiplog_messages_total", shard), messages);
        assert.equal(valueOf("bimiplog_written_bytes_total", shard), bytesWritten);
        assert.equal(valueOf("bimiplog_syncs_total", shard), syncs);
        assert.equal(valueOf("bimiplog_written_offset", shard), written);
        assert.equal(valueOf("bimiplog_synced_offset", shard), synced);
        assert.equal(valueOf("bimiplog_wait_seconds_total", shard), waitMs / 1000);
      }
      const histogram = families.get("bimiplog_sync_duration_seconds")!;
      assert.equal(histogram.type, "histogram");
      assert.equal(histogram.samples.filter(({ name }) => name.endsWith("_count")).length, 2);
    }));

  it("escape what stands in labels", () =>
    useDirectory(async (directory) => {
      const odd = `${directory}/a "quoted"\nback\\slash`;
      const log = await openLog(odd, { topic: "t" });
      const samples = parseExposition(log.statsText()).get("bimiplog_segments")!.samples;
      assert.equal(samples[0].labels["log"], odd);
      await log.close();
    }));

  it("put several logs into one text, each name declared once", () =>
    useLog({}, (one) =>
      useLog({ shards: 3 }, async (other) => {
        const { samples } = parseExposition(prometheusText([one.stats(), other.stats()])).get("bimiplog_segments")!;
        assert.equal(samples.length, 4);
        assert.equal(new Set(samples.map(({ labels }) => labels["log"])).size, 2);
        await one.flush();
      })));

  it("tell the lag of consumers", () =>
    useLog({}, (log) => {
      (log as EmbeddedLog).inside.consumers.add(() => [{ consumer: "mailer", shard: 0, committed: 3, lag: 4 }]);
      const [sample] = parseExposition(log.statsText()).get("bimiplog_consumer_lag")!.samples;
      assert.deepEqual([sample.labels["consumer"], sample.value], ["mailer", 4]);
      return Promise.resolve();
    }));
});
