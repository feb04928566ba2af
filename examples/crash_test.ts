/**
 * A crash test of a small program built on the log: an outbox.
 *
 * A shop takes orders and puts each into a log before it says "accepted". A dispatcher follows the log and sends every
 * order to a warehouse, which may be told twice and knows an order by its offset. How far the dispatcher has come stands
 * in the log too, on a shard of its own, so that it goes on there after a crash.
 *
 *     node examples/crash_test.ts [--seeds N] [--seed N] [--wrong hasty|premature]
 *
 * The same on `bun` and `deno run -A`. Exit 1 where a promise was broken; the line printed names the seed that repeats it.
 * In a program of your own, import from "@bimip/log/testing" and "@bimip/log".
 */
import process from "node:process";
import { parseArgs } from "node:util";
import type { Log } from "../mod.ts";
import { BACKPRESSURE, CrashError, type MemoryLog, openMemoryLog } from "../testing.ts";

const ORDERS = 0;
const POSITIONS = 1;

/**
 * `hasty` says "accepted" before the order is written. `premature` sends what a power loss may still take back: then the
 * offset is given to another order, and the warehouse believes to know it already. Both pass every test without a crash.
 */
export type Mistake = "none" | "hasty" | "premature";

/** Another machine: it does not crash with ours. It does each order once, however often it is told. */
export class Warehouse {
  /** What is packed, by offset. */
  readonly packed: Map<number, string> = new Map();

  tell(offset: number, order: string): void {
    if (!this.packed.has(offset)) this.packed.set(offset, order);
  }
}

/** Takes orders one by one; `accepted` is what the customer sees. */
export async function shop(log: Log, orders: Iterable<string>, accepted: Set<string>, mistake: Mistake): Promise<void> {
  const shard = log.shard(ORDERS);
  for (const order of orders) {
    let offset = shard.tryAppend({ value: order });
    while (offset === BACKPRESSURE) {
      await shard.writable();
      offset = shard.tryAppend({ value: order });
    }
    if (mistake !== "hasty") await shard.acknowledged(offset, "disk");
    accepted.add(order);
    // Customers do not come all at once.
    await undefined;
  }
}

/** Sends orders to the warehouse, from where it left off, until the log is closed. */
export async function dispatch(log: Log, warehouse: Warehouse, mistake: Mistake, follow: boolean): Promise<void> {
  const orders = log.shard(ORDERS);
  const positions = log.shard(POSITIONS);
  let from = 0;
  for await (const record of log.read({ shard: POSITIONS, last: 1 })) from = Number(record.text());
  for await (const record of log.read({ shard: ORDERS, from, follow })) {
    // A follower sees what is written. What leaves this machine must be synced first.
    if (mistake !== "premature") await orders.acknowledged(record.offset, "disk");
    warehouse.tell(record.offset, record.text()!);
    // Lost with a crash, this only means that the warehouse is told again.
    positions.tryAppend({ value: String(record.offset + 1) });
  }
}

/** One life after another on one machine, and then: was every promise kept? Throws where not. */
export async function crashTest(seed: number, mistake: Mistake = "none"): Promise<void> {
  const accepted = new Set<string>();
  const warehouse = new Warehouse();
  let log: MemoryLog = await openMemoryLog({ seed, shards: 2, flushIntervalMs: 2 });
  for (let life = 1; life <= 3; life++) {
    // A slow disk: records are written, and seen by followers, long before they are synced.
    log.plan({ fault: "delay", on: "sync", turns: 200, times: Infinity });
    // A point in the middle of some file operation, another one for every seed and life.
    log.plan({ fault: "stop", nth: 1 + (seed * 7 + life * 13) % 60 });
    const orders = Array.from({ length: 12 }, (_, i) => `order ${i + 1} of life ${life}`);
    const taking = shop(log, orders, accepted, mistake);
    const programs = Promise.allSettled([taking, dispatch(log, warehouse, mistake, true)]);
    // All orders are taken, or the machine has stopped on the way.
    await taking.catch(() => {});
    log = await log.crash((seed + life) % 2 === 0 ? "power" : "process");
    for (const outcome of await programs) {
      if (outcome.status === "rejected" && !(outcome.reason instanceof CrashError)) throw outcome.reason;
    }
  }
  await dispatch(log, warehouse, mistake, false);
  await log.close();
  const packed = new Set(warehouse.packed.values());
  for (const order of accepted) if (!packed.has(order)) throw new Error(`"${order}" was accepted and never packed`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "300" },
      seed: { type: "string" },
      wrong: { type: "string", default: "none" },
    },
  });
  const first = Number(values.seed ?? 1);
  const last = values.seed === undefined ? Number(values.seeds) : first;
  for (let seed = first; seed <= last; seed++) {
    try {
      await crashTest(seed, values.wrong as Mistake);
    } catch (error) {
      console.log(`seed ${seed}: ${(error as Error).message}`);
      process.exitCode = 1;
      return;
    }
  }
  console.log(`${last - first + 1} seeds, every promise kept`);
}

if (import.meta.main) await main();
