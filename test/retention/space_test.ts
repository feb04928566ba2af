/** `minFreeBytes`: appends are refused before the disk is full, and go on by themselves. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { memoryVfs, seededRandom, simulatedClock } from "../../adapters/memory.ts";
import { BACKPRESSURE } from "../../mod.ts";
import { noCodecs } from "../../src/batch/codecs.ts";
import type { EmbeddedLog } from "../../src/log/log.ts";
import { openWith } from "../../src/log/open.ts";
import { fails, outcomeOf, useLog } from "../helpers.ts";

const MIB = 1024 * 1024;

async function machine(minFreeBytes: number, capacityBytes: number) {
  const clock = simulatedClock();
  const vfs = memoryVfs({ capacityBytes });
  const engine = { vfs, clock, random: seededRandom(7).fill, codecs: noCodecs };
  const log: EmbeddedLog = await openWith(engine, "/d/log", { topic: "t", minFreeBytes, flushIntervalMs: Infinity });
  return { clock, vfs, log };
}

describe("minFreeBytes", () => {
  it("refuses with DISK_FULL before the disk is full, finishes what it took, and resumes [fault 8]", async () => {
    const { clock, vfs, log } = await machine(MIB, 4 * MIB);
    const shard = log.shard(0);
    const value = new Uint8Array(1000);
    let taken = 0;
    const error = await fails("DISK_FULL", async () => {
      for (;;) {
        // Both ways into the buffer: the lane of plain records, and the other one.
        const offset = shard.tryAppend(taken % 3 === 0 ? { value, headers: [["a", "b"]] } : { value });
        assert.notEqual(offset, BACKPRESSURE);
        if (++taken % 20 === 0) await shard.flush();
      }
    });
    assert.match(error.message, /minFreeBytes asks for 1048576.*goes on by itself/);
    assert.ok(taken > 2500, String(taken));
    assert.equal(await shard.flush("disk"), taken);
    assert.ok(await vfs.freeBytes("/d") > 0.8 * MIB);
    await fails("DISK_FULL", () => log.append({ value }));
    await fails("DISK_FULL", async () => shard.tryAppendBatch(await someBatch()));
    assert.equal(shard.state, "open");
    const room = shard.writable();
    clock.advance(5000);
    assert.equal(await outcomeOf(room), "pending");
    vfs.capacityBytes = 8 * MIB;
    clock.advance(1000);
    await room;
    assert.equal(shard.tryAppend({ value }), taken);
    await log.close();
  });

  it("never lets close wait, nor whoever waits for room", async () => {
    const { log } = await machine(8 * MIB, 4 * MIB);
    const room = log.shard(0).writable();
    await fails("DISK_FULL", () => log.append({ value: "x" }));
    await log.close();
    await fails("CLOSED", () => room);
  });

  it("asks the real file system", () =>
    useLog({ minFreeBytes: 1 }, async (log) => {
      await log.append({ value: "x" });
      assert.equal(log.shard(0).state, "open");
    }));

  it("refuses at once on a real file system that has less", () =>
    useLog({ minFreeBytes: Number.MAX_SAFE_INTEGER }, async (log) => {
      await fails("DISK_FULL", () => log.append({ value: "x" }));
    }));
});

async function someBatch(): Promise<Uint8Array> {
  const { BatchBuilder } = await import("../../mod.ts");
  const builder = new BatchBuilder();
  builder.add({ value: "x" });
  return builder.finish();
}
