/**
 * How fast a mirror sends, beside Kafka's own producer-perf-test: the same broker, the same records, in turns. Needs Java and Maven.
 *
 *     node bench/mirror_rate.ts [--records 1000000] [--size 100] [--rounds 3] [--compression none]
 */
import { execFile } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { BACKPRESSURE, type CodecName, openLog } from "../mod.ts";
import { type Broker, useBroker, whyNoKafka } from "../test/kafka/broker.ts";
import { createTopic } from "../test/kafka/create_topics.ts";
import { startJava } from "../test/kafka/java.ts";

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

/** What one side did. */
interface Run {
  /** Records a second. */
  readonly rate: number;
  /** Most memory that its process had, in MB; `NaN` where the system does not tell it of others. */
  readonly megabytes: number;
}

const PRODUCER = "org.apache.kafka.tools.ProducerPerformance";

/** With the settings that Kafka's tool has by itself, in a heap of 256 MB. */
async function kafkaRun(broker: Broker, topic: string): Promise<Run> {
  const words = ["--topic", topic, "--num-records", `${records}`, "--record-size", `${size}`, "--throughput", "-1"];
  words.push("--bootstrap-server", broker.address, "--command-property", `compression.type=${compression}`);
  const program = startJava(PRODUCER, words, { heap: "256m", directory: broker.directory });
  let stdout = "";
  program.child.stdout!.setEncoding("utf8").on("data", (text: string) => stdout += text);
  program.child.stderr!.resume();
  const pid = await program.pid;
  let megabytes = NaN;
  const watch = setInterval(() => megabytes = peakOf(pid) ?? megabytes, 50);
  const status = await program.ended;
  clearInterval(watch);
  program.child.stdin!.end();
  if (status !== 0) throw new Error(`${PRODUCER} ended with ${status}: ${stdout}`);
  const lines = stdout.trim().split("\n");
  return { rate: Number(/([\d.]+) records\/sec/.exec(lines[lines.length - 1])?.[1]), megabytes };
}

function peakOf(pid: number): number | undefined {
  try {
    const kilobytes = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024 / 1e6;
  } catch {
    return undefined;
  }
}

/** In a process of its own, so that its memory is its own. */
async function mirrorRun(broker: Broker, topic: string): Promise<Run> {
  const script = fileURLToPath(new URL("mirror_child.ts", import.meta.url));
  const words = "Deno" in globalThis ? ["run", "-A", "--no-check", script] : [script];
  const { stdout } = await promisify(execFile)(process.execPath, [...words, directory, broker.address, topic]);
  return JSON.parse(stdout) as Run;
}

// Whoever runs this has asked for it.
process.env.KAFKA = "full";
if (whyNoKafka() !== false) process.exit(1);
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
      for (const side of ["kafka", "mirror"]) await createTopic(broker, `${side}-${round}`, 1);
      const kafka = await kafkaRun(broker, `kafka-${round}`);
      const mirror = await mirrorRun(broker, `mirror-${round}`);
      const shown = ({ rate, megabytes }: Run) => `${Math.round(rate)} records/s with ${Math.round(megabytes)} MB`;
      console.log(
        `producer-perf-test ${shown(kafka)}, mirror ${shown(mirror)}: ${
          (mirror.rate / kafka.rate).toFixed(2)
        } times as many`,
      );
    }
  });
} finally {
  rmSync(directory, { recursive: true, force: true });
}
