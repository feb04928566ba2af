/** What Kafka's console consumer says of records, and the same of ours. */
import type { LogRecord } from "../../mod.ts";
import type { Broker } from "./broker.ts";

const FORMAT = ["timestamp", "partition", "offset", "headers", "key"].flatMap((what) => [
  "--formatter-property",
  `print.${what}=true`,
]);
const CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer";

/** Reads `count` records with the console consumer; one line each. */
export async function consumeLines(
  broker: Broker,
  topic: string,
  count: number,
  words: readonly string[] = ["--from-beginning"],
): Promise<string[]> {
  const limits = ["--max-messages", String(count)];
  if (!words.includes("--timeout-ms")) limits.push("--timeout-ms", "20000");
  const { stdout } = await broker.tool(CONSUMER, ["--topic", topic, ...limits, ...FORMAT, ...words]);
  return stdout.split("\n").filter((line) => line !== "");
}

/** The line that it prints of this record. Keys, values and headers must be text without tabs and line breaks. */
export function consoleLine(record: LogRecord, timestampType = "CreateTime"): string {
  const text = (bytes: Uint8Array | null) => bytes === null ? "null" : new TextDecoder().decode(bytes);
  const { timestamp, shard, offset, key, value } = record;
  const headers = record.headers.map(([name, value]) => `${name}:${text(value)}`).join(",") || "NO_HEADERS";
  return [`${timestampType}:${timestamp}`, `Partition:${shard}`, `Offset:${offset}`, headers, text(key), text(value)]
    .join("\t");
}

/** Lines by partition and offset: the consumer reads several partitions in any order. */
export function sortLines(lines: readonly string[]): string[] {
  const place = (line: string) => {
    const [, partition, offset] = /\tPartition:(\d+)\tOffset:(\d+)\t/.exec(line) ?? [];
    return Number(partition) * 1e9 + Number(offset);
  };
  return [...lines].sort((a, b) => place(a) - place(b));
}
