/** Explicit repair of an `.idx`: whatever its rows say, it is made again where they are not those of the segment. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { MemoryVfs } from "../../adapters/memory.ts";
import { crc32c } from "../../src/batch/crc32c.ts";
import { BatchBuilder } from "../../src/batch/batch_builder.ts";
import { writeI32, writeI64 } from "../../src/bytes.ts";
import { ROW_BYTES } from "../../src/index/rows.ts";
import { batchAt, CLOSED, END, KILLED } from "./repair_cases.ts";
import {
  content,
  damage,
  expectRepaired,
  flip,
  makeLog,
  open,
  range,
  repair,
  segmentFile,
  told,
} from "./repair_log.ts";

const INDEX = segmentFile(0, 20, "idx");
const REWRITE = ["rewrite", undefined, "00000000000000000020.idx"];

/** Changes a row and makes its checksum right: nothing but its content is wrong. */
function forge(vfs: MemoryVfs, number: number, change: (row: Uint8Array) => void): void {
  damage(vfs, INDEX, (bytes) => {
    const row = bytes.subarray(number * ROW_BYTES, (number + 1) * ROW_BYTES);
    change(row);
    writeI32(row, 4, 0);
    writeI32(row, 4, crc32c(row));
  });
}

/** Ways an index can be wrong whose every byte has a right checksum. Row 0 is the header, the last one the seal. */
const WRONG: readonly [string, (vfs: MemoryVfs) => void][] = [
  ["is another segment's", (vfs) => vfs.writeWhole(INDEX, vfs.readWhole(segmentFile(0, 0, "idx")))],
  ["has a header of another shard", (vfs) => forge(vfs, 0, (row) => writeI32(row, 32, 7))],
  ["has a wrong largest timestamp", (vfs) => forge(vfs, 2, (row) => writeI64(row, 32, 1))],
  ["has a wrong count", (vfs) => forge(vfs, 2, (row) => writeI32(row, 56, 1))],
  ["has another digest", (vfs) => forge(vfs, 2, (row) => writeI32(row, 28, 1))],
  ["has a row at another position", (vfs) => forge(vfs, 2, (row) => writeI32(row, 20, 3))],
  ["has a row of an impossible batch", (vfs) => forge(vfs, 2, (row) => writeI64(row, 8, -1))],
  ["has a row of a larger size", (vfs) => forge(vfs, 2, (row) => writeI32(row, 24, 100_000))],
  ["has a seal that says it stands elsewhere", (vfs) => forge(vfs, -1 + rows(vfs), (row) => writeI32(row, 20, 64))],
  ["has a seal with another end", (vfs) => forge(vfs, -1 + rows(vfs), (row) => writeI64(row, 8, 39))],
  [
    "goes on behind its seal",
    (vfs) => damage(vfs, INDEX, (bytes) => new Uint8Array([...bytes, ...bytes.subarray(ROW_BYTES, 2 * ROW_BYTES)])),
  ],
];

function rows(vfs: MemoryVfs): number {
  return vfs.readWhole(INDEX).length / ROW_BYTES;
}

describe("repair of an index", () => {
  for (const [what, change] of WRONG) {
    it(`that ${what}: makes it again, and every record is kept`, async () => {
      const vfs = await makeLog(CLOSED);
      const before = vfs.readWhole(INDEX);
      change(vfs);
      assert.deepEqual((await repair(vfs)).findings.map(told), [REWRITE]);
      assert.equal(vfs.readWhole(INDEX).length, before.length);
      await expectRepaired(vfs, { nextOffset: END });
    });
  }

  it("that lacks a row of an acknowledged batch, in the segment that was being written", async () => {
    const vfs = await makeLog(KILLED);
    const path = segmentFile(0, 40, "idx");
    damage(vfs, path, (bytes) => new Uint8Array([...bytes.subarray(0, ROW_BYTES), ...bytes.subarray(2 * ROW_BYTES)]));
    assert.deepEqual((await repair(vfs)).findings.map(told), [["rewrite", undefined, "00000000000000000040.idx"]]);
    await expectRepaired(vfs, { nextOffset: END });
  });

  it("that has rows behind the end of a log that was not closed is left to the next opening", async () => {
    const vfs = await makeLog(KILLED);
    damage(
      vfs,
      segmentFile(0, 40, "idx"),
      (bytes) => new Uint8Array([...bytes, ...bytes.subarray(ROW_BYTES, 2 * ROW_BYTES)]),
    );
    const before = content(vfs);
    assert.deepEqual((await repair(vfs)).findings, []);
    assert.deepEqual(content(vfs), before);
  });

  it("that belongs to another segment proves no header", async () => {
    const vfs = await makeLog(CLOSED);
    vfs.writeWhole(INDEX, vfs.readWhole(segmentFile(0, 0, "idx")));
    const { file, position } = batchAt(vfs, 25);
    flip(vfs, file, position + 30);
    const findings = (await repair(vfs)).findings.map(told);
    assert.deepEqual(findings, [["void", [25, 29], "00000000000000000020.log"]]);
    await expectRepaired(vfs, { nextOffset: END, lost: range(25, 29) });
  });

  it("of thousands of rows is read to its end", async () => {
    const batches = 9000;
    const vfs = await makeLog({ lives: [0] });
    const log = await open(vfs, { segmentBytes: 8 * 1024 * 1024 });
    const builder = new BatchBuilder();
    const shard = log.shard(0);
    for (let i = 0; i < batches; i++) {
      builder.add({ value: "v", timestamp: 1_760_000_000_000 + i });
      shard.tryAppendBatch(builder.finish());
    }
    await log.close();
    assert.deepEqual((await repair(vfs)).findings, []);
    const before = vfs.readWhole(segmentFile(0, 0));
    flip(vfs, segmentFile(0, 0), before.length / batches * 8500 + 18);
    const { findings } = await repair(vfs);
    assert.deepEqual(findings.map(({ action, range }) => [action, range]), [["restore", [8500, 8500]]]);
    assert.deepEqual(vfs.readWhole(segmentFile(0, 0)), before);
  });
});
