/**
 * How fast a mirror sends, beside Kafka's own producer-perf-test: the same broker, the same records, in turns. Needs Java and Maven.
 *
 *     node bench/mirror_rate.ts [--records 1000000] [--size 100] [--rounds 3] [--compression none]
 */
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { mirrorToKafka } from "../kafka.ts";
import { BACKPRESSURE, type CodecName, openLog } from "../mod.ts";
import { type Broker, useBroker, whyNoKafka } from "../test/kafka/broker.ts";

const { values } = parseArgs({
  options: {
    records: { type: "string", default: "1000000" },
    size: { type: "string", default: "100" },
    rounds: { type: "string", default: "3" },
    compression: { type: "string", default: "none" },
  },
});
const records = Number(values.records);
const size = Number(values.size);
const rounds = Number(values.rounds);
const compression = values.compression as CodecName;
const directory = join(tmpdir(), `bimip-mirror-rate-${process.pid}`);

/** Random letters: what Kafka's tool sends, too. */
function payload(seed: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = seed * 2654435761 >>> 0;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = 65 + (state >>> 24) % 26;
  }
  return bytes;
}

async function kafkaRate(broker: Broker, topic: string): Promise<number> {
  const words = ["--topic", topic, "--num-records", `${records}`, "--record-size", `${size}`, "--throughput", "-1"];
  const { stdout } = await broker.tool("org.apache.kafka.tools.ProducerPerformance", [
    ...[...words, "--command-property", `compression.type=${compression}`],
  ], { limitMs: 300_000 });
  const lines = stdout.trim().split("\n");
  return Number(/([\d.]+) records\/sec/.exec(lines[lines.length - 1])?.[1]);
}

async function mirrorRate(broker: Broker, topic: string): Promise<number> {
  const log = await openLog(directory, { readOnly: true });
  try {
    const started = performance.now();
    const sent = await mirrorToKafka(log, { brokers: broker.address, topic });
    return sent.records * 1000 / (performance.now() - started);
  } finally {
    await log.close();
  }
}

const why = whyNoKafka();
if (why !== false) process.exit(1);
try {
  const log = await openLog(directory, { topic: "log", compression });
  const shard = log.shard(0);
  const values = Array.from({ length: 997 }, (_, i) => payload(i + 1));
  for (let n = 0; n < records; n++) {
    while (shard.tryAppend({ value: values[n % 997] }) === BACKPRESSURE) await shard.writable();
  }
  await log.close();
  await useBroker(async (broker) => {
    for (let round = 0; round < rounds; round++) {
      for (const side of ["kafka", "mirror"]) await broker.createTopic(`${side}-${round}`, 1);
      const kafka = await kafkaRate(broker, `kafka-${round}`);
      const mirror = await mirrorRate(broker, `mirror-${round}`);
      const memory = Math.round(process.memoryUsage().rss / 1e6);
      console.log(
        `producer-perf-test ${Math.round(kafka)} records/s, mirror ${Math.round(mirror)} records/s: ` +
          `${(mirror / kafka).toFixed(2)} times as many; the mirror's process has ${memory} MB`,
      );
    }
  });
} finally {
  rmSync(directory, { recursive: true, force: true });
}
