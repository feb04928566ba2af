/** The clean mark: believed only as long as nothing was written behind it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type MemoryVfs, memoryVfs, seededRandom, simulatedClock } from "../../adapters/memory.ts";
import { noCodecs } from "../../src/batch/codecs.ts";
import type { EmbeddedLog } from "../../src/log/log.ts";
import { openWith } from "../../src/log/open.ts";
import { fails } from "../helpers.ts";

const LOG = "/log/log-0/00000000000000000000.log";

function open(vfs: MemoryVfs): Promise<EmbeddedLog> {
  const engine = { vfs, clock: simulatedClock(), random: seededRandom(1).fill, codecs: noCodecs };
  return openWith(engine, "/log", { flushIntervalMs: 0 });
}

async function append(log: EmbeddedLog, count: number): Promise<void> {
  for (let i = 0; i < count; i++) log.shard(0).tryAppend({ value: "x" });
  await log.flush("disk");
}

describe("a clean mark", () => {
  it("does not hide that everything behind it is gone", async () => {
    let vfs = memoryVfs();
    const first = await open(vfs);
    await append(first, 3);
    await first.close();
    const atTheMark = vfs.readWhole(LOG);
    await append(await open(vfs), 3);
    vfs = vfs.crash("process");
    vfs.writeWhole(LOG, atTheMark);
    const { range } = await fails("DATA_LOSS", () => open(vfs));
    assert.deepEqual(range, [3, 5]);
  });
});
