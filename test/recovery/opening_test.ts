/** What an opening makes of facts that contradict the files, and of files that it cannot write. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type MemoryVfs, memoryVfs } from "../../adapters/memory.ts";
import { anchorIdentity, fillAnchor, instanceIds } from "../../src/anchor/anchor.ts";
import { emptyEnd, type End } from "../../src/anchor/end.ts";
import { SlotFile } from "../../src/anchor/slot_file.ts";
import { fillState, stateIdentity } from "../../src/anchor/state.ts";
import { readHeader } from "../../src/batch/format.ts";
import { ROW_BYTES, writeBatchRow, writeFileHeaderRow, writeSealRow } from "../../src/index/rows.ts";
import { readManifest } from "../../src/log/manifest.ts";
import { analyse } from "../../src/recovery/analyse.ts";
import { gatherHints, lookForEnd } from "../../src/recovery/hints.ts";
import { takeInventory } from "../../src/recovery/inventory.ts";
import { findForeign } from "../../src/recovery/owners.ts";
import { voidBatch } from "../../src/recovery/rebuild_write.ts";
import { batchAt, CLOSED, END, KILLED } from "./repair_cases.ts";
import {
  batchesOf,
  damage,
  flip,
  makeLog,
  open,
  range,
  readShard,
  repair,
  segmentFile,
  shardFile,
} from "./repair_log.ts";
import { expected, hasCode, values } from "./rotten.ts";

const DIRECTORY = "/shard";
const LOG_ID = new Uint8Array(16).fill(9);
const INSTANCE = instanceIds({ bootId: "boot", mountId: "mount" });
const path = (base: number, ending = "log"): string => `${DIRECTORY}/${String(base).padStart(20, "0")}.${ending}`;

/** Segments 20 and 30 of batches of five offsets each, without state and anchor. */
function twoSegments(): MemoryVfs {
  const vfs = memoryVfs();
  vfs.writeWhole(path(20), new Uint8Array([...voidBatch(20, 25, 1), ...voidBatch(25, 30, 1)]));
  vfs.writeWhole(path(30), new Uint8Array([...voidBatch(30, 35, 1), ...voidBatch(35, 40, 1)]));
  return vfs;
}

/** The end behind the second batch of segment 30. */
function endOf(vfs: MemoryVfs): End {
  const { baseOffset, crc } = readHeader(vfs.readWhole(path(30)), 61);
  const last = { baseOffset, position: 61, crc };
  return { ...emptyEnd(30), nextOffset: 40, position: 122, last };
}

function inventoryOf(vfs: MemoryVfs): ReturnType<typeof takeInventory> {
  return takeInventory(vfs, DIRECTORY, LOG_ID, 0);
}

async function writeState(vfs: MemoryVfs, clean: End | undefined, holes = false, epoch = 1): Promise<void> {
  const file = await SlotFile.open(vfs, `${DIRECTORY}/state`, stateIdentity(LOG_ID, 0));
  await file.write(
    epoch,
    (slot) => fillState(slot, { epoch, epochStart: undefined, logStart: 20, holes, hasTrims: false, clean }),
  );
  await file.close();
}

async function writeAnchor(vfs: MemoryVfs, written: End, synced: End, epoch = 1): Promise<void> {
  const file = await SlotFile.open(vfs, `${DIRECTORY}/anchor`, anchorIdentity(LOG_ID, 0));
  await file.write(epoch, (slot) => fillAnchor(slot, INSTANCE, written, synced));
  await file.close();
}

describe("looking for an end", () => {
  const CASES: readonly [string, (end: End) => End, string][] = [
    ["the batch it names", (end) => end, "found"],
    ["an empty segment", () => emptyEnd(30), "found"],
    ["no batch, but bytes", (end) => ({ ...end, last: undefined }), "other"],
    ["bytes behind the file", (end) => ({ ...end, position: 123 }), "short"],
    ["a last batch that is too short", (end) => ({ ...end, last: { ...end.last!, position: 62 } }), "other"],
    ["another base offset", (end) => ({ ...end, last: { ...end.last!, baseOffset: 36 } }), "other"],
    ["another checksum", (end) => ({ ...end, last: { ...end.last!, crc: 1 } }), "other"],
    ["another start", (end) => ({ ...end, last: { ...end.last!, position: 0 } }), "other"],
    ["a segment that was dropped", (end) => ({ ...end, segment: 10, nextOffset: 20 }), "other"],
    ["a segment that is missing", (end) => ({ ...end, segment: 40, nextOffset: 45 }), "short"],
    ["a new segment that is missing", () => emptyEnd(40), "other"],
  ];
  for (const [what, change, kind] of CASES) {
    it(`that names ${what}: ${kind}`, async () => {
      const vfs = twoSegments();
      assert.equal((await lookForEnd(vfs, await inventoryOf(vfs), change(endOf(vfs)))).kind, kind);
    });
  }

  it("finds damage where its batch has another body, and nothing where the file became shorter", async () => {
    const vfs = twoSegments();
    const inventory = await inventoryOf(vfs);
    const end = endOf(vfs);
    flip(vfs, path(30), 61 + 30);
    assert.equal((await lookForEnd(vfs, inventory, end)).kind, "damaged");
    damage(vfs, path(30), (bytes) => bytes.slice(0, 100));
    assert.equal((await lookForEnd(vfs, inventory, end)).kind, "short");
    // Of a shard without any segment nothing was dropped.
    const none = { ...inventory, segments: [] };
    assert.deepEqual((await lookForEnd(vfs, none, end)).kind, "short");
  });

  it("ignores an anchor of an older epoch that speaks of another batch, and requires one of the state's own", async () => {
    for (const [epoch, required, misplaced] of [[1, 0, 0], [2, 40, 1]] as const) {
      const vfs = twoSegments();
      const other = { ...endOf(vfs), last: { ...endOf(vfs).last!, crc: 1 } };
      await writeState(vfs, undefined, false, 2);
      await writeAnchor(vfs, emptyEnd(20), other, epoch);
      const hints = await gatherHints(vfs, await inventoryOf(vfs), instanceIds({ bootId: "other", mountId: "mount" }));
      assert.deepEqual([hints.required, hints.misplaced.length], [required, misplaced]);
    }
  });
});

describe("an opening", () => {
  it("takes batches with offsets missing between them, and between segments, where the state says so", async () => {
    for (const holes of [true, false]) {
      const vfs = twoSegments();
      vfs.writeWhole(path(20), new Uint8Array([...voidBatch(20, 25, 1), ...voidBatch(26, 28, 1)]));
      await writeState(vfs, undefined, holes);
      const { verdict, end } = await analyse(vfs, await inventoryOf(vfs), INSTANCE);
      assert.deepEqual([verdict, end.nextOffset], holes ? ["clean", 40] : ["loss", 25]);
    }
  });

  it("reads around a batch with a flipped offset where the shard is read-only", async () => {
    const vfs = await makeLog(KILLED);
    const { file, position } = batchAt(vfs, 45);
    flip(vfs, file, position + 7, 6); // 45 becomes 109.
    for (const name of ["state", "anchor"]) vfs.removeWhole(shardFile(0, name));
    const { values, gaps } = await readShard(vfs);
    assert.deepEqual([...values.keys()], range(0, END - 1).filter((offset) => offset < 45 || offset > 49));
    assert.deepEqual(gaps.map(({ from, to }) => [from, to]), [[45, 49]]);
  });

  it("reads nothing twice where one segment reaches into the next and the shard is read-only", async () => {
    const vfs = await makeLog(KILLED);
    const { file, position } = batchAt(vfs, 50);
    const more = vfs.readWhole(file).slice(0, position);
    damage(vfs, segmentFile(0, 20), (bytes) => new Uint8Array([...bytes, ...more]));
    for (const name of ["state", "anchor"]) vfs.removeWhole(shardFile(0, name));
    const { values } = await readShard(vfs);
    assert.deepEqual([...values.keys()].slice(0, 50), range(0, 49));
  });

  it("goes on without records only with consent, also where the state is gone with all segments", async () => {
    const vfs = await makeLog(KILLED);
    for (const path of vfs.paths()) {
      if (/\.(log|idx)$|state$/.test(path)) vfs.removeWhole(path);
    }
    await assert.rejects(open(vfs), hasCode("DATA_LOSS"));
    const log = await open(vfs, { acceptDataLoss: true });
    assert.deepEqual([log.shard(0).state, log.recovery[0].verdict], ["open", "loss"]);
    await log.close();
    // The anchor from before the loss is not believed again.
    const again = await open(vfs);
    assert.equal(again.recovery[0].verdict, "clean");
    await again.close();
  });

  it("keeps every byte of a tail of several megabytes that it cuts off", async () => {
    const vfs = await makeLog(KILLED);
    const tail = Uint8Array.from({ length: 2_500_000 }, (_, i) => (i * 7) & 0xff);
    tail.fill(0, 0, 1_100_000);
    const { length } = vfs.readWhole(segmentFile(0, 40));
    damage(vfs, segmentFile(0, 40), (bytes) => {
      const all = new Uint8Array(bytes.length + tail.length);
      all.set(bytes);
      all.set(tail, bytes.length);
      return all;
    });
    const log = await open(vfs);
    const { verdict, cutBytes, keptAside } = log.recovery[0];
    assert.deepEqual([verdict, cutBytes], ["torn", tail.length]);
    // Zeros in front are worth no copy, and their place is kept.
    assert.deepEqual(vfs.readWhole(keptAside!), tail);
    assert.equal(vfs.readWhole(segmentFile(0, 40)).length, length);
    await log.close();
    assert.deepEqual(await values(vfs), expected(0, END));
  });

  it("succeeds although it can neither remove nor open an index: it is no part of the log", async () => {
    for (const kind of ["remove", "open"] as const) {
      const vfs = await makeLog(KILLED);
      vfs.writeWhole(segmentFile(0, 60, "idx"), vfs.readWhole(segmentFile(0, 40, "idx")));
      damage(vfs, segmentFile(0, 40, "idx"), (bytes) => void bytes.fill(1, ROW_BYTES));
      vfs.plan({
        operation: { kind, path: /\.idx$/ },
        fault: { kind: "errorBefore", code: "PERMISSION" },
        times: Infinity,
      });
      const log = await open(vfs);
      assert.deepEqual([log.shard(0).state, log.shard(0).nextOffset], ["open", END]);
      await log.close();
      vfs.clearFaults();
      assert.deepEqual(await values(vfs), expected(0, END));
    }
  });

  for (const kind of ["read", "write"] as const) {
    it(`gives an index up where it cannot ${kind} it, and the log goes on`, async () => {
      for (let nth = 1; nth <= 4; nth++) {
        const vfs = await makeLog(KILLED);
        damage(vfs, segmentFile(0, 40, "idx"), (bytes) => void bytes.fill(1, 2 * ROW_BYTES));
        vfs.plan({ operation: { kind, path: /0040\.idx$/, nth }, fault: { kind: "errorBefore" }, times: 2 });
        const log = await open(vfs);
        assert.equal(log.shard(0).nextOffset, END);
        await log.close();
        vfs.clearFaults();
        assert.deepEqual(await values(vfs), expected(0, END));
        assert.deepEqual((await repair(vfs)).findings.filter(({ action }) => action === "void"), []);
      }
    });
  }

  it("stops at a crash in the middle of an index, and the next one finds every record", async () => {
    const log = await makeLog(KILLED);
    damage(log, segmentFile(0, 40, "idx"), (bytes) => void bytes.fill(1, 2 * ROW_BYTES));
    log.writeWhole(segmentFile(0, 60, "idx"), log.readWhole(segmentFile(0, 40, "idx")));
    const snapshot = log.snapshot();
    const whole = snapshot.boot();
    await (await open(whole)).close();
    for (let operation = 1; operation <= whole.operations; operation++) {
      const vfs = snapshot.boot();
      vfs.crashAt(operation);
      const opening = open(vfs).then((opened) => opened.close());
      await opening.then(() => assert.fail("it did not crash"), () => {});
      assert.deepEqual(await values(vfs.crash("process")), expected(0, END), `operation ${operation}`);
    }
  });
});

describe("an index of another shard", () => {
  /** Its header says so; whether it was made for the `.log` beside it depends on the row behind the header. */
  const ROWS: readonly [string, (rows: Uint8Array, log: Uint8Array) => void, boolean][] = [
    ["with the row of the first batch", (rows, log) => void writeBatchRow(rows, ROW_BYTES, log, 0, 0, -1), true],
    ["with the row of another position", (rows, log) => void writeBatchRow(rows, ROW_BYTES, log, 0, 61, -1), false],
    ["with the row of another batch", (rows, log) => void writeBatchRow(rows, ROW_BYTES, log, 61, 0, -1), false],
    [
      "with a seal in the place of a row",
      (rows) =>
        writeSealRow(rows, ROW_BYTES, {
          nextOffset: 25,
          logBytes: 0,
          rowPosition: 64,
          maxTimestamp: -1,
          lastDigest: 0,
        }),
      false,
    ],
    ["without rows", () => {}, false],
  ];
  for (const [what, write, isForeign] of ROWS) {
    it(`${what} ${isForeign ? "shows whose the segment is" : "says nothing about the segment"}`, async () => {
      const vfs = twoSegments();
      const rows = new Uint8Array(2 * ROW_BYTES);
      writeFileHeaderRow(rows, 0, { logId: LOG_ID, shard: 3, base: 20 });
      write(rows, vfs.readWhole(path(20)));
      vfs.writeWhole(path(20, "idx"), rows);
      const owner = await findForeign(vfs, DIRECTORY, LOG_ID, 0, [20, 30]);
      assert.equal(owner?.shard, isForeign ? 3 : undefined);
      // Beside a segment that is empty it is disposable.
      vfs.writeWhole(path(20), new Uint8Array(10));
      assert.equal(await findForeign(vfs, DIRECTORY, LOG_ID, 0, [20]), undefined);
    });
  }
});

describe("repair of a shard with holes", () => {
  it("believes the names of its segments, and fills no hole", async () => {
    const vfs = await makeLog(CLOSED);
    const { id: logId } = (await readManifest(vfs, "/data/log")).manifest!;
    vfs.removeWhole(shardFile(0, "state"));
    const file = await SlotFile.open(vfs, shardFile(0, "state"), stateIdentity(logId, 0));
    await file.write(
      2,
      (slot) =>
        fillState(slot, {
          epoch: 2,
          epochStart: undefined,
          logStart: 0,
          holes: true,
          hasTrims: false,
          clean: undefined,
        }),
    );
    await file.close();
    const { position } = batchAt(vfs, 25);
    damage(vfs, segmentFile(0, 20), (bytes) => bytes.slice(position));
    vfs.removeWhole(segmentFile(0, 20, "idx"));
    assert.deepEqual((await repair(vfs)).findings, []);
    assert.deepEqual(batchesOf(vfs).map(({ first }) => first).slice(3, 6), [15, 25, 30]);
  });
});
