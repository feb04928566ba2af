/** Consumers on the simulated machine. */
import type { MemoryVfs } from "../../adapters/memory.ts";
import type { EmbeddedLog } from "../../src/log/log.ts";
import type { OpenOptions } from "../../src/options.ts";
import { DIRECTORY, openOn } from "../exhaustive/engine.ts";
import { cursorFileName } from "../../src/consumers/names.ts";

/** Path of a consumer's file. */
export function cursorPath(name: string): string {
  return `${DIRECTORY}/${cursorFileName(name)}`;
}

/** Opens the log on the machine. */
export function openShards(vfs: MemoryVfs, shards: number, options: OpenOptions = {}): Promise<EmbeddedLog> {
  return openOn(vfs, { shards, topic: "t", ...options });
}

/** Appends so many records to every shard. */
export async function fill(log: EmbeddedLog, count: number, rung: "os" | "disk" = "os"): Promise<void> {
  for (const shard of log.shards) {
    for (let i = 0; i < count; i++) shard.tryAppend({ value: `${shard.id}/${shard.nextOffset}` });
  }
  await log.flush(rung);
}

/** Consumes up to the end; answers what was delivered, `shard/offset`. */
export async function drain(log: EmbeddedLog, name: string, commits: boolean): Promise<string[]> {
  const seen: string[] = [];
  const consumer = log.consumer(name, { follow: false });
  for await (const record of consumer) seen.push(`${record.shard}/${record.offset}`);
  if (commits) await consumer.commit();
  await consumer.close();
  return seen;
}
