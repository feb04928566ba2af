/** The steps of an explicit repair by themselves: what they do where a file is not what was planned with, or something was done before. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type MemoryVfs, memoryVfs } from "../../adapters/memory.ts";
import { instanceIds } from "../../src/anchor/anchor.ts";
import { takeInventory } from "../../src/recovery/inventory.ts";
import { carryOut } from "../../src/recovery/rebuild_apply.ts";
import { type RepairIntent, writeIntent } from "../../src/recovery/rebuild_intent.ts";
import type { ShardPlan } from "../../src/recovery/rebuild_plan.ts";
import { newDraft, type PlanPlace } from "../../src/recovery/rebuild_types.ts";
import { prepare, voidBatch } from "../../src/recovery/rebuild_write.ts";
import { batchAt, CLOSED, END, S0, S40, withoutIndexes } from "./repair_cases.ts";
import {
  batchesOf,
  content,
  damage,
  expectRepaired,
  flip,
  makeLog,
  range,
  repair,
  segmentFile,
  shardFile,
  told,
} from "./repair_log.ts";
import { hasCode } from "./rotten.ts";

const DIRECTORY = "/data/log/log-0";
const LOG_ID = new Uint8Array(16).fill(9);
const PLACE: PlanPlace = {
  directory: DIRECTORY,
  logId: LOG_ID,
  shard: 0,
  instance: instanceIds({ bootId: "boot", mountId: "mount" }),
};
const NOTHING: RepairIntent = { moves: [], rebuilt: [], cut: null, indexes: [], facts: null };

function names(vfs: MemoryVfs): string[] {
  return vfs.paths().map((path) => path.slice(path.lastIndexOf("/") + 1));
}

describe("the note of a repair", () => {
  it("is refused where it is damaged, and nothing is changed", async () => {
    for (
      const change of [
        (bytes: Uint8Array) => void (bytes[20] ^= 1),
        (bytes: Uint8Array) => bytes.slice(0, -2),
        () => new Uint8Array(0),
      ]
    ) {
      const vfs = await makeLog(CLOSED);
      await writeIntent(vfs, DIRECTORY, { ...NOTHING, cut: { base: 40, position: 0 } });
      damage(vfs, `${DIRECTORY}/repair`, change);
      const before = content(vfs);
      await assert.rejects(repair(vfs), hasCode("CORRUPT_FILE", /the note is damaged/));
      assert.deepEqual(content(vfs), before);
    }
  });

  it("is carried out as far as it was not: moves that were done, segments that are gone, a shard without any", async () => {
    const vfs = memoryVfs();
    vfs.writeWhole(`${DIRECTORY}/b`, new Uint8Array([1]));
    vfs.writeWhole(`${DIRECTORY}/c`, new Uint8Array([2]));
    const intent: RepairIntent = {
      ...NOTHING,
      // Done before; its target is taken; still to do.
      moves: [["gone", "b"], ["b", "c"], ["c", "d"]],
      rebuilt: [{ base: 7, aside: null }],
      indexes: [7],
      facts: { epoch: 5, epochStart: undefined, logStart: 30, holes: false, hasTrims: false },
    };
    await writeIntent(vfs, DIRECTORY, intent);
    await carryOut(vfs, PLACE, intent);
    assert.deepEqual(names(vfs), ["anchor", "b", "d", "state"]);
    assert.deepEqual([vfs.readWhole(`${DIRECTORY}/b`)[0], vfs.readWhole(`${DIRECTORY}/d`)[0]], [1, 2]);
    const { state, anchor } = await takeInventory(vfs, DIRECTORY, LOG_ID, 0);
    assert.deepEqual([state?.epoch, state?.logStart, state?.clean?.nextOffset, anchor?.synced.nextOffset], [
      5,
      30,
      30,
      30,
    ]);
  });

  it("is carried out although an index cannot be written", async () => {
    const vfs = memoryVfs();
    vfs.writeWhole(`${DIRECTORY}/${S0}`, voidBatch(0, 5, 1));
    const intent: RepairIntent = {
      ...NOTHING,
      indexes: [0],
      facts: { epoch: 1, epochStart: undefined, logStart: 0, holes: false, hasTrims: false },
    };
    await writeIntent(vfs, DIRECTORY, intent);
    vfs.plan({
      operation: { kind: "open", path: /\.idx$/ },
      fault: { kind: "errorBefore", code: "NO_SPACE" },
      times: 9,
    });
    await carryOut(vfs, PLACE, intent);
    assert.deepEqual(names(vfs), [S0, "anchor", "state"]);
    assert.equal((await takeInventory(vfs, DIRECTORY, LOG_ID, 0)).state?.clean?.nextOffset, 5);
  });

  it("stops where a segment cannot be read, and can be carried out later", async () => {
    const vfs = memoryVfs();
    vfs.writeWhole(`${DIRECTORY}/${S0}`, voidBatch(0, 5, 1));
    const intent: RepairIntent = { ...NOTHING, indexes: [0] };
    await writeIntent(vfs, DIRECTORY, intent);
    vfs.plan({ operation: { kind: "open", path: /\.log$/ }, fault: { kind: "errorBefore", code: "PERMISSION" } });
    await assert.rejects(carryOut(vfs, PLACE, intent), { code: "PERMISSION" });
    assert.ok(names(vfs).includes("repair"));
    await carryOut(vfs, PLACE, intent);
    assert.deepEqual(names(vfs), [S0, "00000000000000000000.idx"].sort());
  });
});

describe("a segment that is written anew", () => {
  it("is given up where its source became shorter meanwhile: no note is left", async () => {
    const vfs = memoryVfs();
    const path = `${DIRECTORY}/${S0}`;
    const bytes = voidBatch(0, 5, 1);
    vfs.writeWhole(path, bytes.subarray(0, 50));
    const draft = newDraft(0, { path, bytes: bytes.length });
    draft.pieces.push({ kind: "copy", from: 0, to: bytes.length });
    const plan: ShardPlan = {
      place: PLACE,
      findings: [],
      drafts: [draft],
      copies: [],
      intent: { ...NOTHING, facts: { epoch: 1, epochStart: undefined, logStart: 0, holes: false, hasTrims: false } },
    };
    await assert.rejects(prepare(vfs, plan), hasCode("IO", /bytes 0 to 61: the file ends at 50/));
    assert.ok(!names(vfs).includes("repair"));
  });

  it("is read again, and given up where it is not what was planned", async () => {
    const vfs = await makeLog(CLOSED);
    flip(vfs, segmentFile(0, 20), 100);
    const old = vfs.readWhole(segmentFile(0, 20));
    const spare = vfs.plan({
      operation: { kind: "read", path: /rebuild-/ },
      fault: { kind: "flippedBit" },
      times: Infinity,
    });
    await assert.rejects(repair(vfs), hasCode("IO", /not what was planned.*nothing was changed/));
    assert.deepEqual(vfs.readWhole(segmentFile(0, 20)), old);
    spare();
    await repair(vfs);
    await expectRepaired(vfs, { nextOffset: END, lost: range(20, 24) });
  });
});

describe("repair with little to go by", () => {
  it("takes a tail off together with a batch in front of it", async () => {
    const vfs = await makeLog({ lives: [6, 6], ending: "kill", unsynced: 2 });
    const tail = voidBatch(END, END + 10, 2).subarray(0, 40);
    damage(vfs, segmentFile(0, 40), (bytes) => new Uint8Array([...bytes, ...tail]));
    flip(vfs, segmentFile(0, 40), batchAt(vfs, 45).position + 100);
    const { findings } = await repair(vfs);
    assert.deepEqual(findings.map(told), [["setAside", undefined, S40], ["void", [45, 49], S40]]);
    assert.equal(findings[0].keptAside, findings[1].keptAside, "one file keeps both");
    await expectRepaired(vfs, { nextOffset: END, lost: range(45, 49) });
  });

  it("restores the length of the last batch by the end of the file alone", async () => {
    const vfs = withoutIndexes(await makeLog(CLOSED));
    for (const name of ["state", "anchor"]) vfs.removeWhole(shardFile(0, name));
    const { file, position } = batchAt(vfs, 55);
    flip(vfs, file, position + 10, 1);
    assert.deepEqual((await repair(vfs)).findings.map(told), [["rewrite", undefined, "state"], [
      "restore",
      [55, 59],
      S40,
    ]]);
    await expectRepaired(vfs, { nextOffset: END });
  });

  it("restores a base offset that points in front of the first segment there is", async () => {
    const vfs = withoutIndexes(await makeLog(CLOSED));
    vfs.removeWhole(segmentFile(0, 0));
    const { file, position } = batchAt(vfs, 25);
    flip(vfs, file, position + 7, 4); // 25 becomes 9.
    const { findings } = await repair(vfs);
    assert.deepEqual(findings.map(({ action, range }) => [action, range]), [["rewrite", [0, 19]], ["restore", [
      25,
      29,
    ]]]);
    await expectRepaired(vfs, { nextOffset: END, earliest: 20 });
  });

  it("restores no base offset where neither side of the batch agrees", async () => {
    const vfs = withoutIndexes(await makeLog(CLOSED));
    const [at25, at30] = [batchAt(vfs, 25), batchAt(vfs, 30)];
    flip(vfs, at25.file, at25.position + 7, 6);
    damage(vfs, at30.file, (bytes) => void bytes.fill(0x5a, at30.position, at30.position + 61));
    assert.deepEqual((await repair(vfs)).findings.map(({ action, range }) => [action, range]), [["void", [25, 34]]]);
    await expectRepaired(vfs, { nextOffset: END, lost: range(25, 34) });
  });

  for (
    const [what, bytes, isDamaged] of [
      ["was created and never written", new Uint8Array(8192), false],
      ["is garbage", new Uint8Array(8192).fill(0x5a), true],
    ] as const
  ) {
    it(`finds its way with an anchor that ${what}`, async () => {
      const vfs = await makeLog(CLOSED);
      vfs.writeWhole(shardFile(0, "anchor"), bytes);
      const { findings } = await repair(vfs);
      assert.deepEqual(findings.map(told), isDamaged ? [["rewrite", undefined, "anchor"]] : []);
      if (isDamaged) assert.match(findings[0].what, /neither of its two slots/);
      assert.equal(batchesOf(vfs).at(-1)!.last, END - 1);
      await expectRepaired(vfs, { nextOffset: END });
    });
  }
});
