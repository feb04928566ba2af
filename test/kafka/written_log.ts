/** Logs with everything that records can be, and what Kafka's console consumer says of a topic. */
import assert from "node:assert/strict";
import { type CodecName, type Log, type LogRecord, openLog, type RecordInput } from "../../mod.ts";
import { take } from "../helpers.ts";
import type { Broker } from "./broker.ts";

const CODECS: readonly CodecName[] = ["none", "gzip", "snappy", "lz4", "zstd"];

/** The record with this number: with and without key, headers, value; large and small. */
export function recordNumber(n: number): RecordInput {
  const key = n % 5 === 0 ? null : `user-${n % 97}`;
  const value = n % 61 === 0 ? null : n % 400 === 1 ? `${n} `.repeat(3000) : `message ${n} äöü 事件`;
  const headers: [string, string | null][] = n % 3 === 0
    ? []
    : [["kind", "text"], ["n", `${n}`], ["kind", n % 2 ? null : ""]];
  return { key, value, headers, timestamp: 1_700_000_000_000 + n };
}

/** Appends records `from` to `to`, in turns with all codecs, into several segments and all shards. */
export async function writeRecords(directory: string, shards: number, from: number, to: number): Promise<void> {
  const part = Math.ceil((to - from) / CODECS.length);
  for (const [i, compression] of CODECS.entries()) {
    const log = await openLog(directory, { shards, topic: "log", compression, segmentBytes: 300_000 });
    try {
      for (let n = from + i * part; n < Math.min(to, from + (i + 1) * part); n++) {
        const record = recordNumber(n);
        const shard = record.key === null ? log.shard(n % shards) : log.shardFor(record.key!);
        take(shard, record);
        if (n % 2000 === 0) await log.flush();
      }
      await log.flush("disk");
    } finally {
      await log.close();
    }
  }
}

/** One line for a record, as the console consumer prints it; `offset` is that of the topic. */
export function consoleLine(record: LogRecord, offset: number = record.offset): string {
  const text = (bytes: Uint8Array | null): string => bytes === null ? "null" : new TextDecoder().decode(bytes);
  const headers = record.headers.map(([name, value]) => `${name}:${text(value)}`).join(",") || "NO_HEADERS";
  return [
    `CreateTime:${record.timestamp}`,
    `Partition:${record.shard}`,
    `Offset:${offset}`,
    headers,
    text(record.key),
    text(record.value),
  ].join("\t");
}

/** Everything that a log has, by shard, as the console consumer would print it. */
export async function logLines(log: Log): Promise<string[][]> {
  const lines: string[][] = [];
  for (const { id } of log.shards) {
    lines.push([]);
    for await (const record of log.read({ shard: id })) lines[id].push(consoleLine(record));
  }
  return lines;
}

/** What Kafka's console consumer prints of a topic, by partition, in its order. */
export async function consumedLines(
  broker: Broker,
  topic: string,
  partitions: number,
  count: number,
): Promise<string[][]> {
  const properties = ["timestamp", "partition", "offset", "headers", "key"].flatMap((name) => [
    "--formatter-property",
    `print.${name}=true`,
  ]);
  const words = ["--topic", topic, "--from-beginning", "--timeout-ms", "15000", "--max-messages", String(count)];
  const { stdout } = await broker.tool("org.apache.kafka.tools.consumer.ConsoleConsumer", [...words, ...properties], {
    limitMs: 300_000,
  });
  const lines: string[][] = Array.from({ length: partitions }, () => []);
  for (const line of stdout.split("\n").slice(0, -1)) {
    const partition = Number(/\tPartition:(\d+)\t/.exec(line)?.[1]);
    assert.ok(partition < partitions, line);
    lines[partition].push(line);
  }
  return lines;
}
