/** Whatever part of the last write arrived: what was whole before it stays, the rest is kept aside and reported. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type MemoryVfs, seededRandom } from "../../adapters/memory.ts";
import {
  appendBatches,
  type Batch,
  batchesOf,
  damage,
  flip,
  makeLog,
  open,
  readShard,
  segmentFile,
} from "./repair_log.ts";

const SECTOR_BYTES = 512;

/** A log of six synced batches and one that was not, as it lies on the disk after the machine went down and lost nothing. */
async function useRebooted(lastRecords?: number): Promise<{ disk: MemoryVfs; last: Batch }> {
  const killed = await makeLog({ lives: [6], ending: "kill", unsynced: lastRecords === undefined ? 1 : 0 });
  if (lastRecords !== undefined) {
    const log = await open(killed);
    await log.flush("disk");
    await appendBatches(log, 0, 1);
    await log.flush("disk");
    await appendBatches(log, 0, 1, lastRecords);
  }
  for (const path of killed.paths()) killed.writeWhole(`/${path}`, killed.readWhole(`/${path}`));
  const disk = killed.crash("power");
  return { disk, last: batchesOf(disk).at(-1)! };
}

/** Opens it: everything before offset `end` is there, `tail` was cut off the file and kept. */
async function expectTorn(vfs: MemoryVfs, file: string, end: number, tail: Uint8Array, what: string): Promise<void> {
  const before = vfs.readWhole(file);
  const log = await open(vfs);
  assert.deepEqual(vfs.readWhole(file), before.slice(0, before.length - tail.length), what);
  const [report] = log.recovery;
  assert.equal(report.verdict, "torn", what);
  assert.equal(report.cutBytes, tail.length, what);
  if (tail.every((byte) => byte === 0)) assert.equal(report.keptAside, undefined, what);
  else assert.deepEqual(vfs.readWhole(report.keptAside!), tail, what);
  assert.equal(log.shard(0).nextOffset, end, what);
  await appendBatches(log, 0, 1);
  await log.close();
  const { values, gaps } = await readShard(vfs);
  assert.deepEqual([[...values.keys()].at(-1), values.size, gaps], [end + 4, end + 5, []], what);
}

describe("the last batch, cut at any byte", () => {
  it("is cut off after a power loss where it was not synced [fault 15]", async () => {
    const { disk, last } = await useRebooted();
    for (let kept = 1; kept < last.bytes; kept++) {
      const vfs = disk.snapshot().boot();
      const whole = vfs.readWhole(last.file);
      vfs.writeWhole(last.file, whole.slice(0, last.position + kept));
      await expectTorn(
        vfs,
        last.file,
        last.first,
        whole.slice(last.position, last.position + kept),
        `${kept} bytes left`,
      );
    }
  });

  it("is cut off after the end of the process where it was never acknowledged [fault 15]", async () => {
    const { disk: donor, last } = await useRebooted();
    const next = donor.readWhole(last.file).slice(last.position);
    const killed = await makeLog({ lives: [5], ending: "kill" });
    assert.equal(batchesOf(killed).at(-1)!.last + 1, last.first);
    for (let kept = 1; kept < next.length; kept++) {
      const vfs = killed.snapshot().boot();
      const file = batchesOf(vfs).at(-1)!.file;
      const tail = next.slice(0, kept);
      damage(vfs, file, (bytes) => new Uint8Array([...bytes, ...tail]));
      await expectTorn(vfs, file, last.first, tail, `${kept} bytes of the next batch`);
    }
  });
});

describe("a last batch of which some sectors arrived", () => {
  const fillings: readonly (readonly [what: string, fill: (bytes: Uint8Array) => void])[] = [
    ["zeros [faults 16, 17]", (bytes) => void bytes.fill(0)],
    ["garbage [faults 16, 18]", seededRandom(9).fill],
  ];
  for (const [what, fill] of fillings) {
    it(`is cut off, whichever they are, where the others are ${what}`, async () => {
      const { disk, last } = await useRebooted(50);
      const whole = disk.readWhole(last.file);
      // What is behind the last synced byte of a sector is written with that sector, whole.
      const first = Math.floor(last.position / SECTOR_BYTES);
      const sectors = Math.ceil(whole.length / SECTOR_BYTES) - first;
      assert.ok(sectors >= 4 && sectors <= 8, `${sectors} sectors`);
      for (let arrived = 0; arrived < (1 << sectors) - 1; arrived++) {
        const bytes = whole.slice();
        for (let sector = 0; sector < sectors; sector++) {
          if ((arrived >> sector & 1) === 1) continue;
          const from = Math.max(last.position, (first + sector) * SECTOR_BYTES);
          fill(bytes.subarray(from, (first + sector + 1) * SECTOR_BYTES));
        }
        const vfs = disk.snapshot().boot();
        vfs.writeWhole(last.file, bytes);
        await expectTorn(vfs, last.file, last.first, bytes.slice(last.position), `sectors ${arrived.toString(2)}`);
      }
    });
  }
});

describe("a flipped bit in the last batch", () => {
  it("is a torn tail where it was not synced and the machine went down [fault 27]", async () => {
    const { disk, last } = await useRebooted();
    for (let bit = 0; bit < last.bytes * 8; bit += 7) {
      const vfs = disk.snapshot().boot();
      flip(vfs, last.file, last.position + (bit >> 3), bit & 7);
      const tail = vfs.readWhole(last.file).slice(last.position);
      await expectTorn(vfs, last.file, last.first, tail, `bit ${bit}`);
    }
  });
});

describe("rows of an index", () => {
  it("are dropped where the log ends in front of them [fault 20]", async () => {
    const { disk, last } = await useRebooted();
    const index = segmentFile(0, last.segment, "idx");
    const inSegment = batchesOf(disk).filter(({ file }) => file === last.file);
    assert.ok(inSegment.length >= 2);
    for (let lost = 1; lost <= inSegment.length; lost++) {
      const cut = inSegment[inSegment.length - lost];
      if (cut.first < 25 && lost > 1) break;
      const vfs = disk.snapshot().boot();
      assert.equal(vfs.readWhole(index).length, 64 * (inSegment.length + 1));
      damage(vfs, last.file, (bytes) => bytes.slice(0, cut.position));
      const log = await open(vfs, { acceptDataLoss: true });
      assert.equal(log.shard(0).nextOffset, cut.first);
      await log.close();
      if (vfs.paths().includes(index.slice(1))) {
        assert.equal(vfs.readWhole(index).length, 64 * (inSegment.length - lost + 1));
      }
    }
  });
});
