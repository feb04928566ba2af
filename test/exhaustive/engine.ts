/** The engine on a simulated machine, and logs whose every record is known. */
import process from "node:process";
import { type MemoryVfs, seededRandom, simulatedClock } from "../../adapters/memory.ts";
import { noCodecs } from "../../src/batch/codecs.ts";
import type { RecordInput } from "../../src/batch/record_input.ts";
import type { EmbeddedLog } from "../../src/log/log.ts";
import { openWith } from "../../src/log/open.ts";
import type { Engine, OpenOptions } from "../../src/options.ts";
import type { LogRecord } from "../../src/read/stored_record.ts";

/** Where the log lies. */
export const DIRECTORY = "/data/log";
/** Nothing is flushed before the test asks for it, and a segment holds few batches. */
export const OPTIONS: OpenOptions = { shards: 2, topic: "t", flushIntervalMs: Infinity, segmentBytes: 1024 };

/** The engine on `vfs`. */
export function engineOn(vfs: MemoryVfs): Engine {
  return { vfs, clock: simulatedClock(), random: seededRandom(7).fill, codecs: noCodecs };
}

/** Opens the log on `vfs`. */
export function openOn(vfs: MemoryVfs, options: OpenOptions = {}): Promise<EmbeddedLog> {
  return openWith(engineOn(vfs), DIRECTORY, { flushIntervalMs: Infinity, segmentBytes: 1024, ...options });
}

/** Path of a file of a shard. */
export function shardFile(shard: number, name: string): string {
  return `${DIRECTORY}/t-${shard}/${name}`;
}

/** A record that is like no other. */
export function recordAt(shard: number, offset: number, valueBytes: number): Required<RecordInput> {
  return {
    key: `k${shard}`,
    value: `${shard}:${offset}:`.padEnd(valueBytes, "abcdefghijklmnopqrstuvwxyz"),
    timestamp: 1_760_000_000_000 + offset * 10 + shard,
    headers: offset % 4 === 0 ? [["h", `${offset}`]] : [],
  };
}

/** Everything a record says, as one text. */
export function asText(record: LogRecord): string {
  const headers = record.headers.map(([name, value]) => `${name}=${value === null ? "" : decode(value)}`).join();
  return `${record.shard}/${record.offset}/${record.timestamp}/${record.keyText()}/${record.text()}/${headers}`;
}

/** The same of a record that was appended. */
export function inputAsText(shard: number, offset: number, input: Required<RecordInput>): string {
  const headers = (input.headers as [string, string][]).map(([name, value]) => `${name}=${value}`).join();
  return `${shard}/${offset}/${input.timestamp}/${input.key}/${input.value}/${headers}`;
}

const utf8 = new TextDecoder();
function decode(bytes: Uint8Array): string {
  return utf8.decode(bytes);
}

/** How much of a random or exhaustive test runs: a sample, and all of it where `EXHAUSTIVE` is `full`. */
export function isFull(): boolean {
  return environment("EXHAUSTIVE") === "full";
}

/** A variable of the environment; `undefined` where there is none, or where it may not be read. */
export function environment(name: string): string | undefined {
  try {
    return process.env[name];
  } catch {
    return undefined;
  }
}
