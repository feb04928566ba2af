/** Explicit repair: what is kept, what is restored, what is lost, and that nobody gets a wrong record or a used offset. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { memoryVfs } from "../../adapters/memory.ts";
import { LogError } from "../../src/errors.ts";
import { voidBatch } from "../../src/recovery/rebuild_write.ts";
import { batchAt, CASES, CLOSED, END, KILLED, overwrite, S0, S40, withoutIndexes } from "./repair_cases.ts";
import {
  appendBatches,
  batchesOf,
  content,
  damage,
  damages,
  expectRepaired,
  flip,
  makeLog,
  open,
  range,
  readShard,
  repair,
  segmentFile,
  shardFile,
  told,
} from "./repair_log.ts";

describe("repair", () => {
  for (const { what, life = CLOSED, indexes = true, change, findings, lost = [], earliest = 0 } of CASES) {
    it(`${what}: keeps every other record and its offset`, async () => {
      const vfs = await makeLog(life);
      const before = new Map(vfs.paths().map((path) => [path, vfs.readWhole(path)]));
      if (!indexes) withoutIndexes(vfs);
      change(vfs);
      const damaged = new Map(vfs.paths().map((path) => [path, vfs.readWhole(path)]));
      assert.notEqual((await damages(vfs)).length, 0, "verifying finds it");
      const report = await repair(vfs);
      assert.deepEqual(report.findings.map(told), findings);
      await expectRepaired(vfs, { nextOffset: END, lost, earliest });
      for (const { keptAside, file } of report.findings) {
        if (keptAside === undefined) continue;
        assert.deepEqual(vfs.readWhole(keptAside), damaged.get(file.slice(1)), "the bytes as they were are kept");
      }
      if (report.findings.every((finding) => finding.action === "restore")) {
        for (const { file } of report.findings) assert.deepEqual(vfs.readWhole(file), before.get(file.slice(1)));
      }
    });
  }

  it("takes no batch that was written to the wrong place for the one that belongs there [fault 22]", async () => {
    let pairs = 0;
    const made = memoryVfs({ seed: 3 });
    const log = await open(made);
    await appendBatches(log, 0, 20, 4);
    await log.close();
    withoutIndexes(made);
    const batches = batchesOf(made);
    for (const at of batches) {
      for (const from of batches) {
        // As one flipped bit in the base offset would look.
        if (at.bytes !== from.bytes || ![4, 8, 16, 32, 64].includes(at.first ^ from.first)) continue;
        const vfs = made.snapshot().boot();
        overwrite(vfs, at, from);
        const { findings } = await repair(vfs);
        assert.deepEqual(findings.map(({ action, range }) => [action, range]), [["void", [at.first, at.last]]]);
        await expectRepaired(vfs, { nextOffset: 80, lost: range(at.first, at.last) });
        pairs++;
      }
    }
    assert.ok(pairs > 0);
  });

  it("finds nothing to do in a log that is fine, and changes nothing", async () => {
    for (const life of [CLOSED, KILLED]) {
      const vfs = await makeLog(life);
      const before = content(vfs);
      assert.deepEqual(await repair(vfs), { findings: [], isApplied: true, shards: 1 });
      assert.deepEqual(content(vfs), before);
    }
  });

  it("leaves a torn tail to the next opening", async () => {
    const vfs = await makeLog(KILLED);
    damage(vfs, segmentFile(0, 40), (bytes) => new Uint8Array([...bytes, ...voidBatch(60, 70, 2).subarray(0, 40)]));
    const before = content(vfs);
    assert.deepEqual((await repair(vfs)).findings, []);
    assert.deepEqual(content(vfs), before);
    const log = await open(vfs);
    assert.deepEqual([log.recovery[0].verdict, log.shard(0).nextOffset], ["torn", END]);
    await log.close();
  });

  it("takes a torn tail off where something else is repaired, and keeps its bytes", async () => {
    const vfs = await makeLog(KILLED);
    const tail = voidBatch(60, 70, 2).subarray(0, 40);
    damage(vfs, segmentFile(0, 40), (bytes) => new Uint8Array([...bytes, ...tail]));
    flip(vfs, batchAt(await makeLog(KILLED), 5).file, batchAt(await makeLog(KILLED), 5).position + 100);
    const { findings } = await repair(vfs);
    assert.deepEqual(findings.map(told), [["setAside", undefined, S40], ["void", [5, 9], S0]]);
    assert.deepEqual(vfs.readWhole(findings[0].keptAside!), tail);
    await expectRepaired(vfs, { nextOffset: END, lost: range(5, 9) });
  });

  it("says without applying what it would do, and changes nothing", async () => {
    for (const { change, indexes = true, life = CLOSED } of CASES) {
      const vfs = await makeLog(life);
      if (!indexes) withoutIndexes(vfs);
      change(vfs);
      const before = content(vfs);
      const said = await repair(vfs, false);
      assert.equal(said.isApplied, false);
      assert.deepEqual(content(vfs), before);
      assert.deepEqual((await repair(vfs)).findings, said.findings);
    }
  });

  it("puts a batch without records where records are lost: exactly their offsets, an epoch in order, no timestamp", async () => {
    const vfs = await makeLog(CLOSED);
    const { file, position } = batchAt(vfs, 25);
    flip(vfs, file, position + 100);
    await repair(vfs);
    const { first, last, epoch, count, bytes } = batchAt(vfs, 25);
    assert.deepEqual({ first, last, epoch, count, bytes }, { first: 25, last: 29, epoch: 2, count: 0, bytes: 61 });
    assert.deepEqual(vfs.readWhole(file).subarray(position, position + 61), voidBatch(25, 30, 2));
  });

  it("hands out no offset twice that state or anchor speak of", async () => {
    for (const ending of ["close", "kill"] as const) {
      const vfs = await makeLog({ lives: [12], ending });
      damage(vfs, segmentFile(0, 40), (bytes) => bytes.slice(0, 100));
      await repair(vfs);
      await expectRepaired(vfs, { nextOffset: END, lost: range(40, 59) });
    }
  });

  it("repairs one shard and leaves the others alone", async () => {
    const vfs = await makeLog({ ...CLOSED, shards: 3 });
    const before = content(vfs);
    flip(vfs, segmentFile(1, 20), 100);
    const { findings } = await repair(vfs);
    assert.deepEqual(findings.map((finding) => finding.shard), [1]);
    for (const [path, bytes] of content(vfs)) if (!path.includes("log-1/")) assert.equal(bytes, before.get(path), path);
    await expectRepaired(vfs, { shard: 1, nextOffset: END, lost: range(20, 24) });
    await expectRepaired(vfs, { shard: 2, nextOffset: END });
  });

  it("needs the writer's lock", async () => {
    const vfs = await makeLog(CLOSED);
    const log = await open(vfs);
    for (const apply of [false, true]) {
      await assert.rejects(repair(vfs, apply), (error) => error instanceof LogError && error.code === "LOCKED");
    }
    await log.close();
    assert.deepEqual((await repair(vfs)).findings, []);
  });

  it("changes nothing where there is no room, and can be run again", async () => {
    const vfs = await makeLog(CLOSED);
    flip(vfs, segmentFile(0, 20), 100);
    const before = await readShard(vfs);
    const capacity = vfs.paths().reduce((sum, path) => sum + vfs.readWhole(path).length, 0) + 300;
    vfs.capacityBytes = capacity;
    await assert.rejects(repair(vfs), (error) => error instanceof LogError && error.code === "DISK_FULL");
    assert.deepEqual(await readShard(vfs), before);
    vfs.capacityBytes = Infinity;
    await repair(vfs);
    await expectRepaired(vfs, { nextOffset: END, lost: range(20, 24) });
  });

  it("is refused where there is no log, and creates nothing", async () => {
    const vfs = await makeLog(CLOSED);
    for (const path of vfs.paths()) vfs.removeWhole(path);
    vfs.writeWhole(shardFile(0, S0), new Uint8Array(voidBatch(0, 5, 0)));
    const before = vfs.paths();
    await assert.rejects(repair(vfs), (error) => error instanceof LogError && error.code === "NOT_A_LOG");
    assert.deepEqual(vfs.paths(), before);
  });
});
