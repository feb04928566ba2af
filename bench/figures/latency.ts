/**
 * How long one record takes when there are few: a thousand a second, each flushed at once.
 *
 * @module
 */
import { rmSync } from "node:fs";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { BACKPRESSURE, openLog, type Rung } from "../../mod.ts";
import { makeValue, type Measurement, type Setting, type ValueFigure } from "../figure.ts";
import { pace } from "../pace.ts";
import { quantile } from "../pairs.ts";

const PER_SECOND = 1000;
const RAW_BYTES = 4096;

const OS_P50 = "os, p50";
const OS_P99 = "os, p99";
const DISK_P50 = "disk, p50";
const DISK_P99 = "disk, p99";
const RAW_P50 = "a raw 4 KiB write and its sync, one at a time, p50";
const RAW_P99 = "a raw 4 KiB write and its sync, one at a time, p99";

export const latency: ValueFigure = {
  name: "latency",
  title: "1,000 messages of 100 bytes a second, one shard, flushIntervalMs 0: from tryAppend to the acknowledgement",
  how: "Record by record, in turn on os, on disk, and beside them what one write and one sync of a file cost here",
  messages: 1500,
  tinyMessages: 100,
  values: [
    { name: OS_P50, unit: "ms", atMost: 0.4 },
    { name: OS_P99, unit: "ms" },
    { name: DISK_P50, unit: "ms", atMost: 1.5 },
    { name: DISK_P99, unit: "ms" },
    { name: RAW_P50, unit: "ms" },
    { name: RAW_P99, unit: "ms" },
  ],
  measure,
};

function measure({ directory, messages }: Setting): Promise<Measurement> {
  return Promise.resolve({
    async run() {
      const os = await logLatencies(`${directory}/os`, messages, "os");
      const disk = await logLatencies(`${directory}/disk`, messages, "disk");
      const raw = await rawLatencies(`${directory}/raw`, messages);
      return {
        [OS_P50]: quantile(os, 0.5),
        [OS_P99]: quantile(os, 0.99),
        [DISK_P50]: quantile(disk, 0.5),
        [DISK_P99]: quantile(disk, 0.99),
        [RAW_P50]: quantile(raw, 0.5),
        [RAW_P99]: quantile(raw, 0.99),
      };
    },
    close: () => Promise.resolve(),
  });
}

/** Times each call of `one` from its start; calls overlap where they take longer than their pace. */
async function timeEach(messages: number, one: () => Promise<void>): Promise<number[]> {
  const latencies: number[] = [];
  const calls: Promise<void>[] = [];
  const call = async (): Promise<void> => {
    const started = performance.now();
    await one();
    latencies.push(performance.now() - started);
  };
  await pace(PER_SECOND, messages, 1, (from, to) => {
    for (let i = from; i < to; i++) calls.push(call());
  });
  await Promise.all(calls);
  return latencies;
}

async function logLatencies(path: string, messages: number, durability: Rung): Promise<number[]> {
  const log = await openLog(path, { topic: "log", durability, flushIntervalMs: 0 });
  const shard = log.shard(0);
  const record = { value: makeValue() };
  // The first record creates the files.
  await log.append(record);
  const latencies = await timeEach(messages, async () => {
    const offset = shard.tryAppend(record);
    if (offset === BACKPRESSURE) throw new Error("a thousand records a second were too many");
    await shard.acknowledged(offset, durability);
  });
  await log.close();
  rmSync(path, { recursive: true });
  return latencies;
}

async function rawLatencies(path: string, messages: number): Promise<number[]> {
  const file = await runtimeVfs().open(path, "create");
  const block = new Uint8Array(RAW_BYTES).fill(97);
  const latencies: number[] = [];
  for (let i = 0; i < messages; i++) {
    const started = performance.now();
    await file.write(block, i * RAW_BYTES);
    await file.sync();
    latencies.push(performance.now() - started);
    // Without a pause the disk would be busier than it is with the log.
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await file.close();
  rmSync(path);
  return latencies;
}
