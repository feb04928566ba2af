/** Closing, interrupted anywhere. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type MemoryVfs, memoryVfs, seededRandom, simulatedClock } from "../../adapters/memory.ts";
import { noCodecs } from "../../src/batch/codecs.ts";
import { openWith } from "../../src/log/open.ts";
import { collect } from "../helpers.ts";

/** Nothing that was not synced outlives the power. */
const CRASH = { weights: { dropped: 1 }, entriesKept: 0, sizeBehind: 1 };

function open(vfs: MemoryVfs): ReturnType<typeof openWith> {
  const engine = { vfs, clock: simulatedClock(), random: seededRandom(1).fill, codecs: noCodecs };
  return openWith(engine, "/log", { flushIntervalMs: 0 });
}

/** Three records that are durable and two that are only written; the machine stops at the `operation`-th one of closing. */
async function closeUntil(operation: number, seed: number): Promise<{ vfs: MemoryVfs; isClosed: boolean }> {
  const vfs = memoryVfs({ seed, crash: CRASH });
  const log = await open(vfs);
  for (let i = 0; i < 3; i++) log.shard(0).tryAppend({ value: `${i}` });
  await log.flush("disk");
  for (let i = 3; i < 5; i++) log.shard(0).tryAppend({ value: `${i}` });
  await log.flush("os");
  vfs.crashAt(vfs.operations + operation);
  try {
    await log.close();
    return { vfs, isClosed: true };
  } catch (error) {
    assert.ok(vfs.stopped, String(error));
    return { vfs, isClosed: false };
  }
}

describe("closing that a power loss interrupts", () => {
  it("leaves a log that opens, with everything that was durable", async () => {
    const lengths = new Set<number>();
    // The operation at which the machine stops took place or not, as the seed has it.
    for (let seed = 1; seed <= 5; seed++) {
      for (let operation = 1, isDone = false; !isDone; operation++) {
        const { vfs, isClosed } = await closeUntil(operation, seed);
        isDone = isClosed;
        const log = await open(vfs.crash("power"));
        const records = await collect(log.read());
        assert.ok(
          records.length >= (isClosed ? 5 : 3),
          `${records.length} records, seed ${seed}, operation ${operation}`,
        );
        lengths.add(records.length);
        await log.close();
      }
    }
    assert.deepEqual([...lengths].sort(), [3, 5]);
  });
});
