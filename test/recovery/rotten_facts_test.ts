/** Facts that rotted: state, manifest, empty files, a log that was restored from somewhere else. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type MemoryVfs, memoryVfs } from "../../adapters/memory.ts";
import type { EmbeddedLog } from "../../src/log/log.ts";
import { MANIFEST_NAMES } from "../../src/log/manifest.ts";
import { batchAt, CLOSED, END, KILLED } from "./repair_cases.ts";
import {
  appendBatches,
  content,
  damage,
  DIRECTORY,
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
import { expected, expectReadOnly, hasCode, values } from "./rotten.ts";

const SLOT_AT = [0, 4096];
const SLOT_BITS = 512 * 8;
const MANIFESTS = MANIFEST_NAMES.map((name) => `${DIRECTORY}/${name}`);

describe("a rotten state", () => {
  it("in one slot counts as the other one: the same log, with any bit flipped [fault 29a]", async () => {
    for (const life of [CLOSED, KILLED]) {
      const log = (await makeLog(life)).snapshot();
      for (const at of SLOT_AT) {
        for (let bit = 0; bit < SLOT_BITS; bit += 37) {
          const vfs = log.boot();
          flip(vfs, shardFile(0, "state"), at + (bit >> 3), bit & 7);
          const opened = await open(vfs);
          assert.deepEqual(
            [opened.shard(0).state, opened.shard(0).nextOffset],
            ["open", END],
            `bit ${bit} from ${at} on`,
          );
          await appendBatches(opened, 0, 1);
          await opened.close();
          assert.deepEqual(await values(vfs), expected(0, END + 5));
        }
      }
    }
  });

  it("in one slot loses no record of a later epoch where the anchor is gone as well", async () => {
    const vfs = await makeLog(KILLED);
    vfs.removeWhole(shardFile(0, "anchor"));
    for (const at of SLOT_AT) {
      const one = vfs.snapshot().boot();
      flip(one, shardFile(0, "state"), at + 100);
      const log = await open(one);
      assert.equal(log.shard(0).nextOffset, END);
      await log.close();
      assert.deepEqual(await values(one), expected(0, END));
    }
  });

  for (const life of [CLOSED, KILLED]) {
    it(`in both slots opens read-only, and repair writes it again (ended with a ${life.ending ?? "close"}) [fault 29a]`, async () => {
      const vfs = await makeLog(life);
      for (const at of SLOT_AT) flip(vfs, shardFile(0, "state"), at + 60, 2);
      await expectReadOnly(vfs);
      assert.deepEqual(await values(vfs), expected(0, END));
      const rotten = vfs.readWhole(shardFile(0, "state"));
      const { findings } = await repair(vfs);
      assert.deepEqual(findings.map(told), [["rewrite", undefined, "state"]]);
      assert.match(findings[0].remedy, /epoch 3 and log start 0/);
      assert.deepEqual(vfs.readWhole(findings[0].keptAside!), rotten);
      await expectRepaired(vfs, { nextOffset: END });
    });
  }
});

describe("a rotten manifest", () => {
  it("in one copy counts as the other one, with any bit flipped, and is written again [fault 29b]", async () => {
    const log = (await makeLog(CLOSED)).snapshot();
    for (const path of MANIFESTS) {
      const bytes = log.boot().readWhole(path);
      for (let bit = 0; bit < bytes.length * 8; bit += 11) {
        const vfs = log.boot();
        flip(vfs, path, bit >> 3, bit & 7);
        await (await open(vfs)).close();
        assert.deepEqual(vfs.readWhole(path), bytes);
      }
    }
  });

  const ROTS: [string, (vfs: MemoryVfs) => void][] = [
    ["damaged", (vfs) => MANIFESTS.forEach((path) => flip(vfs, path, 20))],
    ["missing", (vfs) => MANIFESTS.forEach((path) => vfs.removeWhole(path))],
    ["empty", (vfs) => MANIFESTS.forEach((path) => vfs.writeWhole(path, new Uint8Array(0)))],
  ];
  for (const [how, rot] of ROTS) {
    it(`${how} in both copies: reads by the names of the directories, writes nothing, and repair makes it again [fault 29b]`, async () => {
      const vfs = await makeLog({ ...CLOSED, shards: 3 });
      const good = MANIFESTS.map((path) => vfs.readWhole(path));
      rot(vfs);
      const before = content(vfs);
      for (const shard of [0, 1, 2]) assert.deepEqual(await values(vfs, shard), expected(shard, END));
      for (const shard of [0, 1, 2]) await expectReadOnly(vfs, shard);
      const log = await open(vfs);
      assert.deepEqual([log.topic, log.shards.length], ["log", 3]);
      await assert.rejects(log.append({ value: "x" }), hasCode("READ_ONLY", /manifest/));
      await assert.rejects(open(vfs), hasCode("LOCKED"));
      await log.close();
      await assert.rejects(open(vfs, { shards: 5 }), hasCode("CONFLICT"));
      assert.deepEqual(content(vfs), before);
      const { findings } = await repair(vfs);
      assert.deepEqual(findings.map(({ action, shard, file }) => [action, shard, file]), [
        ["rewrite", undefined, MANIFESTS[0]],
        ["rewrite", undefined, MANIFESTS[1]],
      ]);
      assert.deepEqual(MANIFESTS.map((path) => vfs.readWhole(path)), good);
      for (const shard of [0, 1, 2]) await expectRepaired(vfs, { shard, nextOffset: END });
    });
  }

  it("in both copies of a log that was never written to gets a new id", async () => {
    const vfs = memoryVfs();
    await (await open(vfs, { shards: 2 })).close();
    for (const path of MANIFESTS) flip(vfs, path, 20);
    await expectReadOnly(vfs, 1);
    await repair(vfs);
    const log = await open(vfs);
    assert.equal(log.shards.length, 2);
    await appendBatches(log, 1, 1);
    await log.close();
    assert.deepEqual(await values(vfs, 1), expected(1, 5));
  });

  it("is not made up where nothing says what the log was", async () => {
    const vfs = await makeLog(CLOSED);
    for (const path of vfs.paths()) if (!path.endsWith(".log")) vfs.removeWhole(path);
    const before = vfs.paths();
    await assert.rejects(open(vfs, { readOnly: true }), hasCode("NOT_A_LOG"));
    await assert.rejects(open(vfs), hasCode("CORRUPT_FILE"));
    await assert.rejects(repair(vfs), hasCode("NOT_A_LOG"));
    assert.deepEqual(vfs.paths(), before);
  });
});

describe("an empty file", () => {
  for (const name of ["anchor", "00000000000000000020.idx", "00000000000000000040.idx"]) {
    it(`in the place of ${name} is as a missing one: it is made again [fault 31]`, async () => {
      for (const life of [CLOSED, KILLED]) {
        const vfs = await makeLog(life);
        vfs.writeWhole(shardFile(0, name), new Uint8Array(0));
        assert.deepEqual(await values(vfs), expected(0, END));
        const log = await open(vfs);
        await appendBatches(log, 0, 1);
        await log.close();
        assert.deepEqual(await values(vfs), expected(0, END + 5));
      }
    });
  }

  it("in the place of one copy of the manifest, or of the lock, is made again [fault 31]", async () => {
    for (const path of [...MANIFESTS, `${DIRECTORY}/lock.owner`]) {
      const vfs = await makeLog(CLOSED);
      vfs.writeWhole(path, new Uint8Array(0));
      await (await open(vfs)).close();
      assert.ok(vfs.readWhole(path).length > 0, path);
    }
  });

  it("in the place of the state opens read-only [fault 31]", async () => {
    const vfs = await makeLog(CLOSED);
    vfs.writeWhole(shardFile(0, "state"), new Uint8Array(0));
    await expectReadOnly(vfs);
    await repair(vfs);
    await expectRepaired(vfs, { nextOffset: END });
  });

  it("in the place of a segment is a gap, as a missing one is [fault 31]", async () => {
    for (const base of [0, 20]) {
      const gone = await makeLog(CLOSED);
      gone.removeWhole(segmentFile(0, base));
      const empty = await makeLog(CLOSED);
      empty.writeWhole(segmentFile(0, base), new Uint8Array(0));
      for (const vfs of [gone, empty]) {
        const { values, gaps } = await readShard(vfs);
        assert.deepEqual(
          [...values.keys()],
          range(0, END - 1).filter((offset) => offset < base || offset >= base + 20),
        );
        assert.deepEqual(gaps.map(({ from, to }) => [from, to]), [[base, base + 19]]);
      }
    }
    const last = await makeLog(CLOSED);
    last.writeWhole(segmentFile(0, 40), new Uint8Array(0));
    await assert.rejects(open(last), hasCode("DATA_LOSS"));
  });
});

describe("a segment that was cut between two batches", () => {
  it("is a gap for readers, and its missing records become void [fault 36]", async () => {
    const vfs = await makeLog(CLOSED);
    const { position } = batchAt(vfs, 30);
    damage(vfs, segmentFile(0, 20), (bytes) => bytes.slice(0, position));
    const { values, gaps } = await readShard(vfs);
    assert.deepEqual([...values.keys()], [...range(0, 29), ...range(40, 59)]);
    assert.deepEqual(gaps.map(({ from, to }) => [from, to]), [[30, 39]]);
    await repair(vfs);
    await expectRepaired(vfs, { nextOffset: END, lost: range(30, 39) });
  });
});

describe("a log older than its anchor", () => {
  /** The `.log` files and the state of an earlier time under the anchor of now. */
  async function restored(): Promise<MemoryVfs> {
    const vfs = await makeLog({ lives: [8] });
    const before = new Map(vfs.paths().map((path) => [path, vfs.readWhole(path)]));
    const log = await open(vfs);
    await appendBatches(log, 0, 4);
    await log.close();
    for (const path of vfs.paths()) {
      const bytes = before.get(path);
      if (bytes === undefined) vfs.removeWhole(path);
      else if (!path.endsWith("anchor")) vfs.writeWhole(path, bytes);
    }
    return vfs;
  }

  it("opens with consent only [fault 38]", async () => {
    const vfs = await restored();
    await assert.rejects(open(vfs), hasCode("DATA_LOSS", /40 to 59/));
    const log: EmbeddedLog = await open(vfs, { acceptDataLoss: true });
    assert.deepEqual([log.recovery[0].verdict, log.shard(0).nextOffset], ["loss", 40]);
    await log.close();
    assert.deepEqual(await values(vfs), expected(0, 40));
  });

  it("is repaired with the lost offsets taken: nobody gets one of them again [fault 38]", async () => {
    const vfs = await restored();
    const { findings } = await repair(vfs);
    assert.deepEqual(findings.map(({ action, range }) => [action, range]), [["void", [40, 59]]]);
    await expectRepaired(vfs, { nextOffset: END, lost: range(40, 59) });
  });
});
