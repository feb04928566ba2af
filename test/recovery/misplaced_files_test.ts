/** Files in the wrong place: copied or renamed segments, swapped shards. Never a wrong record. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { MemoryVfs } from "../../adapters/memory.ts";
import { CLOSED, END, KILLED } from "./repair_cases.ts";
import { content, expectRepaired, makeLog, readShard, repair, segmentFile, shardFile, valueAt } from "./repair_log.ts";
import { expected, expectReadOnly, hasCode, values } from "./rotten.ts";

/** Swaps what two paths hold, of all files below them. */
function swap(vfs: MemoryVfs, a: string, b: string): void {
  const files = vfs.paths().map((path) => `/${path}`).filter((path) => path.startsWith(a) || path.startsWith(b));
  const moved = files.map((path) => {
    const target = path.startsWith(a) ? b + path.slice(a.length) : a + path.slice(b.length);
    return [target, vfs.readWhole(path)] as const;
  });
  for (const path of files) vfs.removeWhole(path);
  for (const [path, bytes] of moved) vfs.writeWhole(path, bytes);
}

describe("a segment under a wrong name", () => {
  it("that is a copy of another one never gives a wrong record, and repair sets it aside [fault 35]", async () => {
    for (const [from, to] of [[0, 25], [40, 10], [20, 80]]) {
      const vfs = await makeLog(CLOSED);
      vfs.writeWhole(segmentFile(0, to), vfs.readWhole(segmentFile(0, from)));
      const { values } = await readShard(vfs);
      for (const [offset, value] of values) assert.equal(value, valueAt(0, offset));
      const { findings } = await repair(vfs);
      assert.deepEqual(findings.map(({ action, file }) => [action, file]), [["setAside", segmentFile(0, to)]]);
      assert.deepEqual(vfs.readWhole(findings[0].keptAside!), vfs.readWhole(segmentFile(0, from)));
      await expectRepaired(vfs, { nextOffset: END });
    }
  });

  it("is renamed by repair where its own name is free [fault 35]", async () => {
    for (const [from, to] of [[20, 25], [0, 7], [40, 41]]) {
      const vfs = await makeLog(CLOSED);
      vfs.writeWhole(segmentFile(0, to), vfs.readWhole(segmentFile(0, from)));
      vfs.removeWhole(segmentFile(0, from));
      const { values } = await readShard(vfs);
      for (const [offset, value] of values) assert.equal(value, valueAt(0, offset));
      const { findings } = await repair(vfs);
      assert.deepEqual(findings.map(({ action, file }) => [action, file]), [["rename", segmentFile(0, to)]]);
      await expectRepaired(vfs, { nextOffset: END });
    }
  });
});

describe("files of another shard", () => {
  const SWAPS: [string, string, string][] = [
    ["whole directories", shardFile(0, ""), shardFile(1, "")],
    ["segments and indexes", shardFile(0, "0000"), shardFile(1, "0000")],
  ];
  for (const life of [CLOSED, KILLED]) {
    for (const [what, a, b] of SWAPS) {
      it(`in the place of its own are read by nobody: ${what}, ${life.ending ?? "close"} [fault 35]`, async () => {
        const vfs = await makeLog({ ...life, shards: 2 });
        swap(vfs, a, b);
        for (const shard of [0, 1]) {
          await expectReadOnly(vfs, shard, /belongs to shard|not those/);
          const { values, gaps } = await readShard(vfs, shard);
          assert.equal(values.size, 0);
          assert.equal(gaps.length, 1);
          await assert.rejects(readShard(vfs, shard, "stop"), hasCode("CORRUPT_BATCH"));
        }
        const before = content(vfs);
        const { findings } = await repair(vfs);
        assert.deepEqual(findings.map(({ action, shard }) => [action, shard]), [["none", 0], ["none", 1]]);
        assert.deepEqual(content(vfs), before);
        swap(vfs, a, b);
        assert.deepEqual(await values(vfs, 1), expected(1, END));
      });
    }
  }

  it("that came without their indexes are not taken for its own after a clean close", async () => {
    const vfs = await makeLog({ ...CLOSED, shards: 2 });
    for (const base of [0, 20, 40]) swap(vfs, segmentFile(0, base), segmentFile(1, base));
    for (const shard of [0, 1]) assert.equal((await readShard(vfs, shard)).values.size, 0);
    await expectReadOnly(vfs, 1, /not those/);
  });
});
