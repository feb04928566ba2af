/** Explicit repair where it has to find out how a segment, or the log, goes on: bytes that are no batch, gaps, overlaps, wrong names. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { MemoryVfs } from "../../adapters/memory.ts";
import { crc32c } from "../../src/batch/crc32c.ts";
import { CRC_AT, CRC_FROM, HEADER_BYTES, LAST_OFFSET_DELTA_AT } from "../../src/batch/format.ts";
import { writeI32 } from "../../src/bytes.ts";
import { voidBatch } from "../../src/recovery/rebuild_write.ts";
import { batchAt, CLOSED, END, KILLED, S0, S40, withoutIndexes } from "./repair_cases.ts";
import {
  appendBatches,
  batchesOf,
  content,
  damage,
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

const S20 = "00000000000000000020.log";

function spoilBody(vfs: MemoryVfs, first: number): void {
  const { file, position } = batchAt(vfs, first);
  flip(vfs, file, position + 100);
}

/** Fills bytes of a batch with what is no batch; the start of it by default. */
function spoilHeader(vfs: MemoryVfs, first: number, from = 0, to = HEADER_BYTES): void {
  const { file, position } = batchAt(vfs, first);
  damage(vfs, file, (bytes) => void bytes.fill(0x5a, position + from, position + to));
}

/** Puts bytes into a file, or takes some out. */
function splice(vfs: MemoryVfs, file: string, position: number, remove: number, put: Uint8Array): void {
  damage(
    vfs,
    file,
    (bytes) => new Uint8Array([...bytes.subarray(0, position), ...put, ...bytes.subarray(position + remove)]),
  );
}

async function findingsOf(vfs: MemoryVfs): Promise<ReturnType<typeof told>[]> {
  return (await repair(vfs)).findings.map(told);
}

describe("repair inside a segment", () => {
  for (const indexes of [true, false]) {
    it(`leaves out bytes between two batches that hold no offset, ${indexes ? "with" : "without"} the index`, async () => {
      const vfs = await makeLog(CLOSED);
      if (!indexes) withoutIndexes(vfs);
      const { file, position } = batchAt(vfs, 25);
      splice(vfs, file, position, 0, new Uint8Array(100).fill(0x5a));
      const { findings } = await repair(vfs);
      const [finding] = findings.filter(({ file }) => file.endsWith(".log"));
      assert.deepEqual([finding.action, finding.range, finding.position], ["setAside", undefined, position]);
      assert.match(finding.remedy, /hold no offset of the log/);
      await expectRepaired(vfs, { nextOffset: END });
    });

    it(`voids offsets whose batch was cut out without a trace, ${indexes ? "with" : "without"} the index`, async () => {
      const vfs = await makeLog(CLOSED);
      if (!indexes) withoutIndexes(vfs);
      const { file, position, bytes } = batchAt(vfs, 25);
      splice(vfs, file, position, bytes, new Uint8Array(0));
      assert.deepEqual(await findingsOf(vfs), [["void", [25, 29], S20]]);
      await expectRepaired(vfs, { nextOffset: END, lost: range(25, 29) });
    });
  }

  it("does not take the batch behind one that was cut out where it is damaged too", async () => {
    const vfs = withoutIndexes(await makeLog(CLOSED));
    spoilBody(vfs, 30);
    const { file, position, bytes } = batchAt(vfs, 25);
    splice(vfs, file, position, bytes, new Uint8Array(0));
    assert.deepEqual(await findingsOf(vfs), [["void", [25, 34], S20]]);
    await expectRepaired(vfs, { nextOffset: END, lost: range(25, 34) });
  });

  it("does not believe an intact batch with later offsets that nothing follows", async () => {
    const vfs = withoutIndexes(await makeLog(CLOSED));
    spoilHeader(vfs, 35);
    const { file, position, bytes } = batchAt(vfs, 25);
    splice(vfs, file, position, bytes, new Uint8Array(0));
    // Offsets 30 to 34 stand alone between two holes: a value may hold bytes that look like a batch.
    assert.deepEqual(await findingsOf(vfs), [["void", [25, 39], S20]]);
    await expectRepaired(vfs, { nextOffset: END, lost: range(25, 39) });
  });

  it("does not believe a damaged header that claims more records than it has bytes", async () => {
    const vfs = withoutIndexes(await makeLog(CLOSED));
    const { file, position } = batchAt(vfs, 45);
    flip(vfs, file, position + LAST_OFFSET_DELTA_AT + 1, 6);
    assert.deepEqual(await findingsOf(vfs), [["void", [45, 49], S40]]);
    await expectRepaired(vfs, { nextOffset: END, lost: range(45, 49) });
  });

  it("loses one batch whose records make no sense although its checksum is right, and the damaged one behind it", async () => {
    const vfs = withoutIndexes(await makeLog(CLOSED));
    const { file, position, bytes: size } = batchAt(vfs, 25);
    damage(vfs, file, (bytes) => {
      bytes[position + HEADER_BYTES] = 1; // A record of -1 bytes.
      writeI32(bytes, position + CRC_AT, crc32c(bytes, position + CRC_FROM, position + size));
    });
    spoilHeader(vfs, 30);
    assert.deepEqual(await findingsOf(vfs), [["void", [25, 29], S20], ["void", [30, 34], S20]]);
    await expectRepaired(vfs, { nextOffset: END, lost: range(25, 34) });
  });

  it("passes from a damaged batch to a damaged one by what is left of both", async () => {
    const vfs = withoutIndexes(await makeLog(CLOSED));
    spoilBody(vfs, 25);
    spoilBody(vfs, 30);
    spoilHeader(vfs, 30, 0, 8);
    assert.deepEqual(await findingsOf(vfs), [["void", [25, 34], S20]]);
    await expectRepaired(vfs, { nextOffset: END, lost: range(25, 34) });
  });

  it("goes on at the first row behind the damage whose batch is there as it was", async () => {
    const vfs = await makeLog(CLOSED);
    spoilBody(vfs, 30);
    for (const first of [25, 20]) spoilHeader(vfs, first);
    // The rows of the damaged ones do not help: that of offset 20 is gone.
    flip(vfs, segmentFile(0, 20, "idx"), 64 + 20);
    const findings = (await findingsOf(vfs)).filter(([action]) => action === "void");
    assert.deepEqual(findings.map(([, offsets]) => offsets), [[20, 34]]);
    await expectRepaired(vfs, { nextOffset: END, lost: range(20, 34) });
  });

  it("keeps a batch of a codec that is not there, byte for byte", async () => {
    const vfs = await makeLog(CLOSED);
    const { file, position, bytes: size } = batchAt(vfs, 45);
    damage(vfs, file, (bytes) => {
      bytes[position + CRC_FROM + 1] |= 4; // zstd
      writeI32(bytes, position + CRC_AT, crc32c(bytes, position + CRC_FROM, position + size));
    });
    const before = vfs.readWhole(file).subarray(position, position + size);
    spoilBody(vfs, 5);
    const findings = await findingsOf(vfs);
    assert.deepEqual(findings.filter(([action]) => action === "void"), [["void", [5, 9], S0]]);
    assert.deepEqual(vfs.readWhole(file).subarray(position, position + size), before);
  });

  for (const indexes of [true, false]) {
    it(`cuts off what nothing follows where nobody knows the end, ${indexes ? "with" : "without"} the index`, async () => {
      const vfs = await makeLog(KILLED);
      if (!indexes) withoutIndexes(vfs);
      for (const name of ["state", "anchor"]) vfs.removeWhole(shardFile(0, name));
      const tail = voidBatch(END, END + 5, 2).subarray(0, 40);
      damage(vfs, segmentFile(0, 40), (bytes) => new Uint8Array([...bytes, ...tail]));
      const { findings } = await repair(vfs);
      assert.deepEqual(findings.map(told), [["rewrite", undefined, "state"], ["setAside", undefined, S40]]);
      assert.match(findings[0].what, /missing/);
      assert.deepEqual(vfs.readWhole(findings[1].keptAside!), tail);
      await expectRepaired(vfs, { nextOffset: END });
    });
  }

  it("finds its way without a state: an epoch may then be any", async () => {
    const vfs = withoutIndexes(await makeLog(CLOSED));
    vfs.removeWhole(shardFile(0, "state"));
    spoilHeader(vfs, 25);
    assert.deepEqual(await findingsOf(vfs), [["rewrite", undefined, "state"], ["void", [25, 29], S20]]);
    await expectRepaired(vfs, { nextOffset: END, lost: range(25, 29) });
  });

  it("finds its way without an anchor", async () => {
    const vfs = withoutIndexes(await makeLog(CLOSED));
    vfs.removeWhole(shardFile(0, "anchor"));
    spoilHeader(vfs, 25);
    assert.deepEqual(await findingsOf(vfs), [["void", [25, 29], S20]]);
    await expectRepaired(vfs, { nextOffset: END, lost: range(25, 29) });
  });
});

describe("repair between segments", () => {
  it("sets aside a segment that begins in front of where the one before it ends", async () => {
    const vfs = await makeLog(CLOSED);
    // Segment 20 now goes on to 49, which segment 40 has as well.
    const { file, position } = batchAt(vfs, 50);
    const [first, end] = [batchAt(vfs, 40).position, position];
    const more = vfs.readWhole(file).slice(first, end);
    damage(vfs, segmentFile(0, 20), (bytes) => new Uint8Array([...bytes, ...more]));
    const { findings } = await repair(vfs);
    const aside = findings.find(({ file }) => file === segmentFile(0, 40))!;
    assert.equal(aside.action, "setAside");
    assert.match(aside.what, /in front of offset 50/);
    await expectRepaired(vfs, { nextOffset: END, lost: range(50, 59) });
  });

  for (
    const [what, cut, findings] of [
      ["between two batches", 0, []],
      ["inside a batch", 40, [["setAside", undefined, S40]]],
    ] as const
  ) {
    it(`sets aside what follows a segment that was cut ${what}, where nobody was promised its records`, async () => {
      const killed = await makeLog({ lives: [16], ending: "kill", unsynced: 12 });
      const last = Math.max(...batchesOf(killed).map(({ segment }) => segment));
      damage(killed, segmentFile(0, 40), (bytes) => bytes.slice(0, batchAt(killed, 50).position + cut));
      spoilBody(killed, 5);
      const before = killed.readWhole(segmentFile(0, last));
      // Of another boot only what was synced is sure.
      const vfs = killed.snapshot().boot({ unknownInstance: true });
      const report = await repair(vfs);
      assert.deepEqual(report.findings.map(told), [
        ["setAside", undefined, `${String(last).padStart(20, "0")}.log`],
        ...findings,
        ["void", [5, 9], S0],
      ]);
      assert.deepEqual(vfs.readWhole(report.findings[0].keptAside!), before);
      await expectRepaired(vfs, { nextOffset: 50, lost: range(5, 9) });
    });
  }

  it("gives up where a segment's name is so far away that it must be wrong", async () => {
    const vfs = await makeLog(CLOSED);
    vfs.writeWhole(segmentFile(0, 300_000_000_000), voidBatch(300_000_000_000, 300_000_000_005, 2));
    spoilBody(vfs, 55);
    for (const name of ["state", "anchor"]) vfs.removeWhole(shardFile(0, name));
    const before = content(vfs);
    const { findings } = await repair(vfs);
    assert.deepEqual(findings.map(({ action, file }) => [action, file]), [["none", segmentFile(0, 300_000_000_000)]]);
    assert.match(findings[0].what, /far behind the offset/);
    assert.deepEqual(content(vfs), before);
  });

  it("fills a gap that is larger than a segment can be with several", async () => {
    const far = 5_000_000_000;
    const vfs = await makeLog(CLOSED);
    vfs.writeWhole(segmentFile(0, far), voidBatch(far, far + 5, 2));
    spoilBody(vfs, 55);
    for (const name of ["state", "anchor"]) vfs.removeWhole(shardFile(0, name));
    const { findings } = await repair(vfs);
    const lost = findings.filter(({ action }) => action === "void").map(({ range }) => range);
    assert.deepEqual([lost[0]?.[0], lost.at(-1)?.[1]], [55, far - 1]);
    let next = 0;
    for (const batch of batchesOf(vfs)) {
      assert.equal(batch.first, next);
      assert.ok(batch.last - batch.segment < 2 ** 31, "offsets of a segment fit into 31 bits");
      next = batch.last + 1;
    }
    assert.equal(next, far + 5);
    assert.equal((await readShard(vfs, 0, "stop")).values.size, 55);
  });

  /** One batch a segment, of five records. */
  async function oneBatchSegments(): Promise<MemoryVfs> {
    const vfs = await makeLog({ lives: [1] });
    const log = await open(vfs, { segmentBytes: 1024 });
    await appendBatches(log, 0, 4, 30);
    await log.close();
    return vfs;
  }

  it("knows a renamed segment of one batch by that batch", async () => {
    const vfs = await oneBatchSegments();
    const batches = batchesOf(vfs);
    const moved = batches[2];
    assert.equal(batches.filter(({ segment }) => segment === moved.segment).length, 1);
    const nextOffset = batches.at(-1)!.last + 1;
    vfs.writeWhole(segmentFile(0, moved.segment + 3), vfs.readWhole(segmentFile(0, moved.segment)));
    vfs.removeWhole(segmentFile(0, moved.segment));
    const { findings } = await repair(vfs);
    assert.deepEqual(findings.map(({ action, file }) => [action, file]), [[
      "rename",
      segmentFile(0, moved.segment + 3),
    ]]);
    await expectRepaired(vfs, { nextOffset });
  });

  it("takes one flipped bit in the only batch of a segment for damage, not for another segment", async () => {
    const vfs = await oneBatchSegments();
    const batches = batchesOf(vfs);
    const before = vfs.readWhole(batches[2].file);
    flip(vfs, batches[2].file, 6, 3);
    const { findings } = await repair(vfs);
    assert.deepEqual(findings.map(({ action, file }) => [action, file]), [["restore", batches[2].file]]);
    assert.deepEqual(vfs.readWhole(batches[2].file), before);
  });
});
