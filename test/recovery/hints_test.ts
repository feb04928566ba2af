/** Whether what a hint says is in the files. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { memoryVfs } from "../../adapters/memory.ts";
import { emptyEnd, type End } from "../../src/anchor/end.ts";
import { lookForEnd } from "../../src/recovery/hints.ts";
import { takeInventory } from "../../src/recovery/inventory.ts";

/** What the files say of an end in the segment `segment`, where there are files of `bases`. */
async function look(bases: readonly number[], segment: number, nextOffset: number): Promise<string> {
  const vfs = memoryVfs();
  for (const base of bases) vfs.writeWhole(`/shard/${String(base).padStart(20, "0")}.log`, new Uint8Array(100));
  const last = { baseOffset: nextOffset - 1, position: 0, crc: 1 };
  const end: End = { ...emptyEnd(segment), nextOffset, position: 100, last };
  return (await lookForEnd(vfs, await takeInventory(vfs, "/shard", new Uint8Array(16), 0), end)).kind;
}

describe("an end in a segment that is not there", () => {
  it("is nobody's loss where the segment is older than all others: it was dropped", async () => {
    assert.equal(await look([40], 20, 40), "other");
    assert.equal(await look([40, 60], 0, 20), "other");
  });

  it("is missing where segments before or behind it are there", async () => {
    assert.equal(await look([0], 20, 40), "short");
    assert.equal(await look([0, 40], 20, 40), "short");
    assert.equal(await look([0, 40], 20, 21), "short");
    assert.equal(await look([40], 20, 41), "short");
  });

  it("is missing where there is no segment at all", async () => {
    assert.equal(await look([], 0, 1), "short");
  });
});
