/** A repair that is interrupted at any operation, by a kill or a power loss, once or twice, and then run again. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type CrashKind, type MemoryVfs, SimulatedCrash } from "../../adapters/memory.ts";
import { crc32c } from "../../src/batch/crc32c.ts";
import { LogError } from "../../src/errors.ts";
import { batchAt, CLOSED, END } from "./repair_cases.ts";
import {
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
  valueAt,
} from "./repair_log.ts";

/** A log in which a bit of everything is wrong. */
async function damagedLog(): Promise<MemoryVfs> {
  const vfs = await makeLog(CLOSED);
  flip(vfs, batchAt(vfs, 5).file, batchAt(vfs, 5).position + 100);
  flip(vfs, batchAt(vfs, 15).file, batchAt(vfs, 15).position + 7, 6);
  flip(vfs, batchAt(vfs, 45).file, batchAt(vfs, 45).position + 90);
  vfs.removeWhole(segmentFile(0, 20));
  damage(vfs, shardFile(0, "anchor"), (bytes) => void bytes.fill(7, 0, 600));
  for (const name of ["bimip.json", "bimip.copy.json"]) flip(vfs, `/data/log/${name}`, 30);
  // Everything is on the disk: only the repair itself is interrupted.
  for (const path of vfs.paths()) vfs.writeWhole(path, vfs.readWhole(path));
  return vfs;
}
const LOST = [...range(5, 9), ...range(20, 39), ...range(45, 49)];

/** What a repair has to end in, whatever came between. Slots are written in turn, so the anchor's generation may differ. */
function result(vfs: MemoryVfs): [string, string][] {
  const paths = vfs.paths().filter((path) => /\.(log|idx|json)$/.test(path));
  return paths.map((path) => [path, `${vfs.readWhole(path).length} bytes, CRC-32C ${crc32c(vfs.readWhole(path))}`]);
}

/** Runs the repair until it stops at an operation; false where it came to its end before. */
async function interrupt(vfs: MemoryVfs, operation: number): Promise<boolean> {
  vfs.crashAt(operation);
  try {
    await repair(vfs);
  } catch (error) {
    if (!vfs.stopped) throw error;
    assert.ok(error instanceof SimulatedCrash || error instanceof Error);
  }
  return vfs.stopped;
}

describe("a repair that is interrupted", () => {
  for (const kind of ["process", "power"] as const satisfies readonly CrashKind[]) {
    it(`by a ${kind} crash at any operation comes to the same end when it is run again`, async () => {
      const damaged = (await damagedLog()).snapshot();
      const whole = damaged.boot();
      await repair(whole);
      await expectRepaired(whole, { nextOffset: END, lost: LOST });
      const expected = result(whole);
      let operation = 1;
      for (;; operation++) {
        const vfs = damaged.boot({ seed: operation });
        if (!await interrupt(vfs, operation)) break;
        const next = vfs.crash(kind);
        await repair(next);
        assert.deepEqual(result(next), expected, `operation ${operation}`);
        if (operation % 10 === 0) await expectRepaired(next, { nextOffset: END, lost: LOST });
      }
      assert.ok(operation > 100, `only ${operation} operations`);
    });
  }

  it("comes to the same end when the second run is interrupted, too [fault 40]", async () => {
    const damaged = (await damagedLog()).snapshot();
    const whole = damaged.boot();
    await repair(whole);
    const expected = result(whole);
    const total = whole.operations;
    for (let first = 3; first < total; first += 17) {
      const once = damaged.boot({ seed: first });
      assert.ok(await interrupt(once, first));
      const between = once.crash("power").snapshot();
      for (let second = 1 + first % 5;; second += 23) {
        const twice = between.boot({ seed: second });
        if (!await interrupt(twice, second)) break;
        const next = twice.crash(second % 2 === 0 ? "power" : "process");
        await repair(next);
        assert.deepEqual(result(next), expected, `operations ${first} and ${second}`);
      }
    }
  });

  it("leaves a log that can be read and takes no record in between", async () => {
    const damaged = (await damagedLog()).snapshot();
    let readOnly = 0;
    for (let operation = 1;; operation++) {
      const vfs = damaged.boot({ seed: operation });
      if (!await interrupt(vfs, operation)) break;
      const next = vfs.crash("process");
      const { values } = await readShard(next);
      for (const [offset, value] of values) assert.equal(value, valueAt(0, offset), `operation ${operation}`);
      const log = await open(next);
      if (log.shard(0).state === "readOnly") {
        readOnly++;
        assert.throws(
          () => log.shard(0).tryAppend({ value: "x" }),
          (error) => error instanceof LogError && error.code === "READ_ONLY",
        );
      } else assert.equal(log.shard(0).nextOffset, END, `operation ${operation}`);
      await log.close();
    }
    assert.ok(readOnly > 50);
  });
});
