/** What recovery cuts off: there is a copy of it, whatever happens and whenever. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { type MemoryVfs, memoryVfs, seededRandom, simulatedClock } from "../../adapters/memory.ts";
import { noCodecs } from "../../src/batch/codecs.ts";
import { openWith } from "../../src/log/open.ts";

const SHARD = "log/log-0";
const LOG = `/${SHARD}/00000000000000000000.log`;
/** Nothing that was not synced outlives the power. */
const CRASH = { weights: { dropped: 1 }, entriesKept: 0, sizeBehind: 1 };

function open(vfs: MemoryVfs): ReturnType<typeof openWith> {
  const engine = { vfs, clock: simulatedClock(), random: seededRandom(1).fill, codecs: noCodecs };
  return openWith(engine, "/log", { flushIntervalMs: 0, segmentBytes: 1024 });
}

/** A log of five records, and a tail that is no batch. */
async function torn(): Promise<{ vfs: MemoryVfs; content: Uint8Array; tail: Uint8Array }> {
  const vfs = memoryVfs({ crash: CRASH });
  const log = await open(vfs);
  for (let i = 0; i < 5; i++) await log.append({ value: "x" });
  await log.close();
  const content = vfs.readWhole(LOG);
  const tail = new Uint8Array(5000).map((_, i) => i % 251);
  const whole = new Uint8Array(content.length + tail.length);
  whole.set(content);
  whole.set(tail, content.length);
  vfs.writeWhole(LOG, whole);
  return { vfs, content, tail };
}

/** Six batches of one record each, three a segment, none synced, on a machine that went down and lost nothing. */
async function rebooted(): Promise<MemoryVfs> {
  const vfs = memoryVfs();
  const log = await open(vfs);
  for (let i = 0; i < 6; i++) await log.append({ value: `${i}`.padEnd(250) });
  for (const path of vfs.paths()) if (!path.includes("lock")) vfs.writeWhole(`/${path}`, vfs.readWhole(`/${path}`));
  return vfs.crash("power");
}

function isCopied(vfs: MemoryVfs, tail: Uint8Array): boolean {
  const copies = vfs.paths().filter((path) => path.startsWith(`${SHARD}/quarantine-`));
  return copies.some((path) => Buffer.compare(vfs.readWhole(`/${path}`), tail) === 0);
}

describe("a tail that is cut off", () => {
  it("is there in a copy, or not cut off yet, wherever the power goes", async () => {
    const { vfs, content, tail } = await torn();
    const start = vfs.snapshot();
    let cuts = 0;
    for (let operation = 1, isDone = false; !isDone; operation++) {
      const machine = start.boot();
      machine.crashAt(operation);
      try {
        await open(machine);
        isDone = true;
      } catch (error) {
        assert.ok(machine.stopped, String(error));
      }
      const after = machine.crash("power");
      const left = after.readWhole(LOG);
      if (left.length === content.length) cuts++;
      else assert.equal(left.length, content.length + tail.length);
      assert.ok(left.length > content.length || isCopied(after, tail), `lost at operation ${operation}`);
    }
    assert.ok(cuts > 1, "the power went behind the cut, too");
  });

  it("does not come back at a power loss: the cut is durable when the log is open", async () => {
    const { vfs, content } = await torn();
    await open(vfs);
    assert.deepEqual(vfs.crash("power").readWhole(LOG), content);
  });
});

describe("a segment behind a hole", () => {
  it("is set aside with everything in it", async () => {
    const vfs = await rebooted();
    const behind = `/${SHARD}/00000000000000000003.log`;
    const content = vfs.readWhole(behind);
    const bytes = vfs.readWhole(LOG);
    vfs.writeWhole(LOG, bytes.subarray(0, bytes.length - 10));
    const log = await open(vfs);
    assert.equal(log.recovery[0].verdict, "loss");
    assert.equal(log.shard(0).nextOffset, 2);
    await log.close();
    assert.ok(!vfs.paths().includes(behind.slice(1)));
    assert.ok(isCopied(vfs, content));
  });

  it("leaves no index to the next segment of that name, whose batches it does not describe", async () => {
    const vfs = await rebooted();
    const bytes = vfs.readWhole(LOG);
    vfs.writeWhole(LOG, bytes.subarray(0, bytes.length - 10));
    const indexes = (): string[] => vfs.paths().filter((path) => path.endsWith(".idx"));
    assert.equal(indexes().length, 2);
    await open(vfs);
    assert.deepEqual(indexes(), [`${SHARD}/00000000000000000000.idx`]);
  });
});
