/** The part of `npm start` that runs on each runtime, against the built package. */
import { Buffer } from "node:buffer";
import { writeSync } from "node:fs";
import process from "node:process";
import { setImmediate } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import type { Log, Shard } from "../../mod.ts";
import { type City, dealCities, readCities } from "./cities.ts";
import type { Message, Task } from "./protocol.ts";

/** Messages appended to one shard before it is the next one's turn. */
const ROUND = 1_000;
const SAY_EVERY_MS = 100;

const task = JSON.parse(process.argv[2]) as Task;
const { openLog, BACKPRESSURE } = await import(pathToFileURL(task.library).href) as typeof import("../../mod.ts");
const cities = readCities(task.cities, task.limit);
let saidAt = 0;

/** Prints at once: what is said is out of the process before anything else happens. */
function say(message: Message): void {
  const line = JSON.stringify(message) + "\n";
  for (;;) {
    try {
      writeSync(1, line);
      return;
    } catch (error) {
      // Else the reader is only behind. Where nobody listens any more, nobody would end an endless writer either.
      if ((error as { code?: string }).code !== "EAGAIN") process.exit(1);
    }
  }
}

function sayProgress(share: number): void {
  if (performance.now() - saidAt < SAY_EVERY_MS) return;
  saidAt = performance.now();
  say({ is: "progress", share });
}

function deal(log: Log): City[][] {
  return dealCities(cities, log.shards.length, (key) => log.shardFor(key).id);
}

/** Appends the next `count` messages of a shard and answers the offset behind the last. */
async function append(shard: Shard, own: readonly City[], count: number): Promise<number> {
  for (let left = count; left > 0; left--) {
    const city = own[shard.nextOffset % own.length];
    while (shard.tryAppend(city) === BACKPRESSURE) await shard.writable();
  }
  return shard.nextOffset;
}

async function write(log: Log): Promise<void> {
  const dealt = deal(log);
  const bytes = dealt.flat().reduce(
    (sum, { key, value }) => sum + Buffer.byteLength(key) + Buffer.byteLength(value),
    0,
  );
  const ends = log.shards.map((shard) => shard.nextOffset + dealt[shard.id].length * task.passes);
  const messages = cities.length * task.passes;
  let left = messages;
  const started = performance.now();
  while (left > 0) {
    for (const shard of log.shards) {
      const count = Math.min(ROUND, ends[shard.id] - shard.nextOffset);
      await append(shard, dealt[shard.id], count);
      left -= count;
    }
    sayProgress(1 - left / messages);
  }
  await log.flush();
  const ms = performance.now() - started;
  say({ is: "written", messages, bytes: bytes * task.passes, ms, ends: log.shards.map((shard) => shard.written) });
  await log.close();
}

/** Never ends by itself. */
async function crash(log: Log): Promise<never> {
  const dealt = deal(log);
  const busy = log.shards.filter((shard) => dealt[shard.id].length > 0);
  for (;;) {
    for (const shard of busy) {
      const end = await append(shard, dealt[shard.id], ROUND);
      void shard.acknowledged(end - 1).then(() => say({ is: "acknowledged", shard: shard.id, end }));
    }
    await setImmediate();
  }
}

async function check(log: Log, openMs: number): Promise<void> {
  const dealt = deal(log).map((own) => own.map(({ key, value }) => [Buffer.from(key), Buffer.from(value)] as const));
  const total = log.shards.reduce((sum, shard) => sum + shard.nextOffset, 0);
  let records = 0;
  let unequal = 0;
  let found = 0;
  for (const shard of log.shards) {
    const own = dealt[shard.id];
    const acknowledged = task.acknowledged[shard.id];
    let expected = 0;
    for await (const { offset, key, value } of log.read({ shard: shard.id })) {
      const [wantedKey, wantedValue] = own[expected % own.length];
      const isEqual = offset === expected && key !== null && value !== null && wantedKey.equals(key) &&
        wantedValue.equals(value);
      if (!isEqual) unequal++;
      else if (offset < acknowledged) found++;
      expected++;
      records++;
      if (records % 10_000 === 0) sayProgress(records / total);
    }
  }
  const lost = task.acknowledged.reduce((sum, end) => sum + end, 0) - found;
  const cutBytes = log.recovery.reduce((sum, report) => sum + report.cutBytes, 0);
  say({ is: "checked", openMs, cutBytes, records, unequal, lost });
  await log.close();
}

const started = performance.now();
const log = await openLog(task.directory, { shards: task.shards });
const openMs = performance.now() - started;
if (task.do === "write") await write(log);
else if (task.do === "crash") await crash(log);
else await check(log, openMs);
