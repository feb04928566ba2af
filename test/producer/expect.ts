/** What the tests of producers expect of a log. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runtimeCodecs } from "../../adapters/codecs.ts";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { systemClock } from "../../adapters/system.ts";
import { type Log, type LogRecord, openLog, type OpenOptions } from "../../mod.ts";
import { readHeader } from "../../src/batch/format.ts";
import { verifyLog } from "../../src/verify/verify_log.ts";
import { collect, useDirectory } from "../helpers.ts";
import { type startThread, useThreads } from "./threads.ts";

/** Values by producer, in the order of a shard: `name:number` and padding. */
export function byName(records: readonly LogRecord[]): Map<string, number[]> {
  const found = new Map<string, number[]>();
  for (const record of records) {
    const [, name, number] = /^(\w+):(\d+)/.exec(record.text()!)!;
    if (!found.has(name)) found.set(name, []);
    found.get(name)!.push(Number(number));
  }
  return found;
}

/** All records of a log by shard; offsets are consecutive, apart from `voids` of them. */
export async function readShards(log: Log, voids = 0): Promise<LogRecord[][]> {
  const shards: LogRecord[][] = [];
  let missing = 0;
  for (const { id, nextOffset } of log.shards) {
    const records = await collect(log.read({ shard: id, from: 0 }));
    for (let i = 1; i < records.length; i++) assert.ok(records[i].offset > records[i - 1].offset);
    missing += nextOffset - records.length;
    shards.push(records);
  }
  assert.equal(missing, voids);
  return shards;
}

/** Each producer's numbers come once and in order: in every shard rising, and in all of them 0 to `count` - 1. */
export function expectUnion(shards: readonly LogRecord[][], counts: Readonly<Record<string, number>>): void {
  const all = new Map<string, number[]>();
  for (const records of shards) {
    for (const [name, numbers] of byName(records)) {
      for (let i = 1; i < numbers.length; i++) assert.ok(numbers[i] > numbers[i - 1], `${name} is out of order`);
      all.set(name, (all.get(name) ?? []).concat(numbers));
    }
  }
  assert.deepEqual([...all.keys()].sort(), Object.keys(counts).sort());
  for (const [name, numbers] of all) {
    numbers.sort((a, b) => a - b);
    assert.deepEqual(numbers, Array.from({ length: counts[name] }, (_, i) => i), name);
  }
}

/** Base offset, last offset and count of every batch of a shard. */
export function batchesOf(directory: string, shard: number): [base: number, last: number, count: number][] {
  const folder = join(directory, `log-${shard}`);
  const batches: [number, number, number][] = [];
  for (const name of readdirSync(folder).filter((name) => name.endsWith(".log")).sort()) {
    const bytes = new Uint8Array(readFileSync(join(folder, name)));
    for (let at = 0; at < bytes.length;) {
      const header = readHeader(bytes, at);
      batches.push([header.baseOffset, header.lastOffset, header.count]);
      at += header.bytes;
    }
  }
  return batches;
}

/** Runs `body` with a new log and workers; afterwards, closed, the log must pass verification. */
export function useProducers(
  options: OpenOptions,
  body: (log: Log, directory: string, start: typeof startThread) => Promise<void>,
): Promise<void> {
  return useDirectory(async (directory) => {
    await useThreads(async (start) => {
      const log = await openLog(directory, { topic: "log", ...options });
      try {
        await body(log, directory, start);
      } finally {
        await log.close();
      }
    });
    await expectIntact(directory);
  });
}

/** Every byte of the log is as it should be. */
export async function expectIntact(directory: string): Promise<void> {
  const damage: string[] = [];
  const tools = { vfs: runtimeVfs(), clock: systemClock, codecs: runtimeCodecs };
  await verifyLog(tools, directory, {
    damage: (finding) => damage.push(JSON.stringify(finding)),
    note() {},
    progress() {},
  });
  assert.deepEqual(damage, []);
}
