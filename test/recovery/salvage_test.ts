/** Damage in front of good data: what is behind it stays readable, also what nobody was promised. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type MemoryVfs, memoryVfs, seededRandom, simulatedClock } from "../../adapters/memory.ts";
import { noCodecs } from "../../src/batch/codecs.ts";
import { batchBytesAt } from "../../src/batch/format.ts";
import type { EmbeddedLog } from "../../src/log/log.ts";
import { openWith } from "../../src/log/open.ts";

const LOG = "/log/log-0/00000000000000000000.log";

function open(vfs: MemoryVfs): Promise<EmbeddedLog> {
  const engine = { vfs, clock: simulatedClock(), random: seededRandom(1).fill, codecs: noCodecs };
  return openWith(engine, "/log", { flushIntervalMs: 0, segmentBytes: 1024 });
}

/** Six batches of one record each, three a segment, the first segment synced, on a machine that went down and lost nothing. */
async function rebooted(): Promise<MemoryVfs> {
  const vfs = memoryVfs();
  const log = await open(vfs);
  for (let i = 0; i < 6; i++) {
    log.shard(0).tryAppend({ value: `${i}`.padEnd(250) });
    await log.flush(i < 3 ? "disk" : "os");
  }
  for (const path of vfs.paths()) if (!path.includes("lock")) vfs.writeWhole(`/${path}`, vfs.readWhole(`/${path}`));
  return vfs.crash("power");
}

describe("a damaged batch that was synced", () => {
  it("is the only one that cannot be read: those behind it that were not synced can", async () => {
    const vfs = await rebooted();
    const bytes = vfs.readWhole(LOG);
    assert.equal(bytes.length, batchBytesAt(bytes, 0) * 3);
    bytes[bytes.length - 10] ^= 1;
    vfs.writeWhole(LOG, bytes);
    const log = await open(vfs);
    assert.equal(log.recovery[0].verdict, "corrupt");
    assert.equal(log.shard(0).state, "readOnly");
    const gaps: number[][] = [];
    const offsets: number[] = [];
    const reader = log.read({ onCorrupt: "skip", onGap: ({ from, to }) => gaps.push([from, to]) });
    for await (const { offset } of reader) offsets.push(offset);
    await log.close();
    assert.deepEqual(offsets, [0, 1, 3, 4, 5]);
    assert.deepEqual(gaps, [[2, 2]]);
  });
});
