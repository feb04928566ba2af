/** Explicit repair of epochs, which no checksum of Kafka's covers: whom to believe where two batches contradict each other. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { MemoryVfs } from "../../adapters/memory.ts";
import { crc32c } from "../../src/batch/crc32c.ts";
import { CRC_AT, CRC_FROM, EPOCH_AT, MAX_TIMESTAMP_AT } from "../../src/batch/format.ts";
import { ROW_BYTES } from "../../src/index/rows.ts";
import { readI64, writeI32, writeI64 } from "../../src/bytes.ts";
import { batchAt, withoutIndexes } from "./repair_cases.ts";
import { damage, expectRepaired, flip, type Life, makeLog, range, repair, segmentFile, told } from "./repair_log.ts";

/** Four openings of six batches, epochs 1 to 4: offsets 0 to 119, segments of four batches. */
const LIFE: Life = { lives: [6, 6, 6, 6] };
const END = 120;

function setEpoch(vfs: MemoryVfs, first: number, epoch: number): void {
  const { file, position } = batchAt(vfs, first);
  damage(vfs, file, (bytes) => writeI32(bytes, position + EPOCH_AT, epoch));
}

/** Breaks the row of a batch, so that the index says nothing about it. */
function breakRow(vfs: MemoryVfs, segment: number, number: number): void {
  flip(vfs, segmentFile(0, segment, "idx"), ROW_BYTES * (1 + number) + 20);
}

/** A log with one change, and the bytes of the segment before it. */
async function changed(
  segment: number,
  indexes: boolean,
  change: (vfs: MemoryVfs) => void,
): Promise<{ vfs: MemoryVfs; before: Uint8Array }> {
  const vfs = await makeLog(LIFE);
  const before = vfs.readWhole(segmentFile(0, segment));
  if (!indexes) withoutIndexes(vfs);
  change(vfs);
  return { vfs, before };
}

describe("repair of an epoch", () => {
  for (const first of [0, 5, 10, 20, 25]) {
    it(`that is higher than those behind it blames that batch, not its followers: offset ${first}`, async () => {
      const segment = first < 20 ? 0 : 20;
      const { vfs, before } = await changed(segment, false, (vfs) => setEpoch(vfs, first, first === 25 ? 4 : 3));
      const { findings } = await repair(vfs);
      assert.deepEqual(findings.map(({ action, range }) => [action, range]), [["restore", [first, first + 4]]]);
      assert.match(findings[0].what, /its epoch is higher than those behind it/);
      assert.match(findings[0].remedy, /its epoch can only have been one thing/);
      assert.deepEqual(vfs.readWhole(segmentFile(0, segment)), before);
      await expectRepaired(vfs, { nextOffset: END });
    });
  }

  it("that is too high is found by the index row at once", async () => {
    const { vfs, before } = await changed(20, true, (vfs) => setEpoch(vfs, 25, 3));
    const { findings } = await repair(vfs);
    assert.deepEqual(findings.map(({ action, range }) => [action, range]), [["restore", [25, 29]]]);
    assert.match(findings[0].what, /not the one that its index row was made for/);
    assert.deepEqual(vfs.readWhole(segmentFile(0, 20)), before);
    await expectRepaired(vfs, { nextOffset: END });
  });

  it("that is too high where only the next batch has its row", async () => {
    const { vfs, before } = await changed(20, true, (vfs) => {
      setEpoch(vfs, 25, 3);
      breakRow(vfs, 20, 1);
    });
    const { findings } = await repair(vfs);
    assert.deepEqual(findings.map(({ action, range }) => [action, range]), [["restore", [25, 29]]]);
    assert.deepEqual(vfs.readWhole(segmentFile(0, 20)), before);
    await expectRepaired(vfs, { nextOffset: END });
  });

  it("that is too low is the damaged one where those behind it are as high as the one before it", async () => {
    // Offset 30 is the first of epoch 2: so 35 could be of epoch 1 only if 30 were wrong.
    const { vfs, before } = await changed(20, false, (vfs) => setEpoch(vfs, 35, 1));
    const { findings } = await repair(vfs);
    assert.deepEqual(findings.map(({ action, range }) => [action, range]), [["restore", [35, 39]]]);
    assert.deepEqual(vfs.readWhole(segmentFile(0, 20)), before);
    await expectRepaired(vfs, { nextOffset: END });
  });

  it("that is lower than the one before the one before it is the damaged one", async () => {
    const { vfs, before } = await changed(20, false, (vfs) => setEpoch(vfs, 25, 0));
    const { findings } = await repair(vfs);
    assert.deepEqual(findings.map(({ action, range }) => [action, range]), [["restore", [25, 29]]]);
    assert.deepEqual(vfs.readWhole(segmentFile(0, 20)), before);
    await expectRepaired(vfs, { nextOffset: END });
  });

  it("that is too low proves nothing where the batch itself is damaged", async () => {
    const { vfs } = await changed(20, false, (vfs) => {
      setEpoch(vfs, 35, 1);
      const { file, position } = batchAt(vfs, 35);
      flip(vfs, file, position + 100);
    });
    const { findings } = await repair(vfs);
    assert.deepEqual(findings.map(({ action, range }) => [action, range]), [["void", [35, 39]]]);
    await expectRepaired(vfs, { nextOffset: END, lost: range(35, 39) });
  });

  it("behind a lost batch blames nobody who does not stand right in front of it", async () => {
    const { vfs } = await changed(20, false, (vfs) => {
      setEpoch(vfs, 20, 2);
      const { file, position } = batchAt(vfs, 25);
      flip(vfs, file, position + 100);
    });
    const { findings } = await repair(vfs);
    assert.deepEqual(findings.map(({ action, range }) => [action, range]), [["void", [25, 29]]]);
    await expectRepaired(vfs, { nextOffset: END, lost: range(25, 29) });
  });
});

describe("repair of a batch that is intact and not the one that its row was made for", () => {
  it("believes the batch, as its checksum is right, and makes the index again", async () => {
    const { vfs } = await changed(20, true, (vfs) => {
      const { file, position, bytes: size } = batchAt(vfs, 25);
      damage(vfs, file, (bytes) => {
        writeI64(bytes, position + MAX_TIMESTAMP_AT, readI64(bytes, position + MAX_TIMESTAMP_AT) + 1);
        writeI32(bytes, position + CRC_AT, crc32c(bytes, position + CRC_FROM, position + size));
      });
    });
    const { findings } = await repair(vfs);
    assert.deepEqual(findings.map(told), [["rewrite", undefined, "00000000000000000020.idx"]]);
    await expectRepaired(vfs, { nextOffset: END });
  });
});
