/**
 * The load that the first specification asked for: 1,000,000 messages a second over 64 shards.
 *
 * @module
 */
import { rmSync } from "node:fs";
import { BACKPRESSURE, openLog, type Shard } from "../../mod.ts";
import { makeValue, type Readings, type Setting, type ValueFigure } from "../figure.ts";
import { pace } from "../pace.ts";
import { quantile } from "../pairs.ts";
import { processSeconds } from "../processor_time.ts";

const SHARDS = 64;
const PER_SECOND = 1_000_000;
const TICK_MS = 2;
/** Small loads run for this part of a second all the same. */
const SHORTEST_SECONDS = 0.2;

const PROCESSOR = "processor time of the whole process, a part of one core";
const P50 = "acknowledgement on os, p50";
const P99 = "acknowledgement on os, p99";
const REFUSED = "records refused with BACKPRESSURE";
const BLOCK = "longest block of the main thread";
const BLOCK_PROCESSOR = "longest turn of the main thread, in its processor time";
const BLOCK_IDLE = "longest block in as many seconds without a log";

export const load64: ValueFigure = {
  name: "load_64",
  title: "1,000,000 messages of 100 bytes a second over 64 shards, flushIntervalMs 20, rung os, for five seconds",
  how:
    `Every ${TICK_MS} ms as many records as are due, each to the next shard; one record a tick is timed until it is acknowledged. ` +
    "A block is how late a tick came, for whatever reason: other programs count too, hence the same without a log",
  messages: 5_000_000,
  values: [
    { name: PROCESSOR, unit: "", atMost: 0.4 },
    { name: P50, unit: "ms" },
    { name: P99, unit: "ms", atMost: 30 },
    { name: REFUSED, unit: "", atMost: 0 },
    { name: BLOCK, unit: "ms", atMost: 10 },
    { name: BLOCK_PROCESSOR, unit: "ms" },
    { name: BLOCK_IDLE, unit: "ms" },
  ],
  measure: (setting) => Promise.resolve({ run: () => run(setting), close: () => Promise.resolve() }),
};

async function run({ directory, messages }: Setting): Promise<Readings> {
  const perSecond = Math.min(PER_SECOND, messages / SHORTEST_SECONDS);
  // What the machine does to a thread that does nothing.
  const idle = await pace(perSecond, messages, TICK_MS, () => {});
  const path = `${directory}/log`;
  const log = await openLog(path, { shards: SHARDS, topic: "log", flushIntervalMs: 20 });
  const shards = log.shards;
  const record = { value: makeValue() };
  const latencies: number[] = [];
  const samples: Promise<void>[] = [];
  let refused = 0;

  const sample = async (shard: Shard, offset: number, appended: number): Promise<void> => {
    await shard.acknowledged(offset, "os");
    latencies.push(performance.now() - appended);
  };
  // A shard's first record creates its files: that is opening, not load.
  for (const shard of shards) shard.tryAppend(record);
  await log.flush("os");

  const cpuBefore = processSeconds();
  const started = performance.now();
  const late = await pace(perSecond, messages, TICK_MS, (from, to) => {
    for (let i = from; i < to; i++) {
      const shard = shards[i % SHARDS];
      const offset = shard.tryAppend(record);
      if (offset === BACKPRESSURE) refused++;
      // The first of a tick waits longest for its flush; the clock is read where it is appended.
      else if (i === from) samples.push(sample(shard, offset, performance.now()));
    }
  });
  const seconds = (performance.now() - started) / 1000;
  const cpu = processSeconds() - cpuBefore;
  await Promise.all(samples);
  await log.close();
  rmSync(path, { recursive: true });
  return {
    [PROCESSOR]: cpu / seconds,
    [P50]: quantile(latencies, 0.5),
    [P99]: quantile(latencies, 0.99),
    [REFUSED]: refused,
    [BLOCK]: late.longest,
    [BLOCK_PROCESSOR]: late.longestOnProcessor,
    [BLOCK_IDLE]: idle.longest,
  };
}
