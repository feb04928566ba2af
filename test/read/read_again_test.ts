/** A disk, or a cable, that hands out one wrong bit and would hand out the right one the next time. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { MemoryVfs } from "../../adapters/memory.ts";
import type { LogError } from "../../mod.ts";
import { damages, makeLog, open, valueAt } from "../recovery/repair_log.ts";

/** Opens and reads everything; answers how many reads that took. */
async function readAll(vfs: MemoryVfs, readOnly: boolean, expected: number, what: string): Promise<number> {
  let reads = 0;
  vfs.onOperation(({ kind }) => void (kind === "read" && reads++));
  const log = await open(vfs, { readOnly });
  assert.notEqual(log.recovery[0].verdict, "loss", what);
  let next = 0;
  for await (const record of log.read({ shard: 0 })) {
    assert.equal(record.offset, next, what);
    assert.equal(record.text(), valueAt(0, next++), what);
  }
  assert.equal(next, expected, what);
  if (!readOnly) {
    assert.equal(log.shard(0).state, "open", what);
    assert.equal(log.shard(0).tryAppend({ value: "x" }), expected, what);
    await log.flush("disk");
  }
  await log.close();
  return reads;
}

describe("a bit that a read flips once", () => {
  for (const ending of ["close", "kill", "power"] as const) {
    for (const readOnly of [true, false]) {
      it(`changes nothing, whichever read it is: after a ${ending}, ${readOnly ? "reading" : "writing"} [fault 23]`, async () => {
        const disk = await makeLog({ ending, unsynced: 1 });
        const expected = await open(disk.snapshot().boot(), { readOnly: true }).then(async (log) => {
          const { nextOffset } = log.shard(0);
          await log.close();
          return nextOffset;
        });
        const reads = await readAll(disk.snapshot().boot(), readOnly, expected, "without a fault");
        assert.ok(reads > 10);
        for (let nth = 1; nth <= reads; nth++) {
          for (const bit of [0, 75, 140, 333, 1000]) {
            const vfs = disk.snapshot().boot();
            vfs.plan({ operation: { kind: "read", nth }, fault: { kind: "flippedBit", bit } });
            await readAll(vfs, readOnly, expected, `read ${nth} of ${reads}, bit ${bit}`);
          }
        }
      });
    }
  }

  it("is no damage to verify either, in a .log [fault 23]", async () => {
    const disk = await makeLog();
    for (let nth = 1; nth <= 6; nth++) {
      const vfs = disk.snapshot().boot();
      vfs.plan({ operation: { kind: "read", path: /\.log$/, nth }, fault: { kind: "flippedBit", bit: 600 } });
      assert.deepEqual(await damages(vfs), [], `read ${nth}`);
    }
  });

  it("that is wrong every time is damage [fault 23]", async () => {
    const vfs = (await makeLog()).snapshot().boot();
    vfs.plan({ operation: { kind: "read", path: /\.log$/ }, fault: { kind: "flippedBit", bit: 600 }, times: 1000 });
    let failure: unknown;
    try {
      const log = await open(vfs, { readOnly: true });
      for await (const record of log.read()) assert.equal(record.text(), valueAt(0, record.offset));
    } catch (error) {
      failure = error;
    }
    assert.equal((failure as LogError | undefined)?.code, "CORRUPT_BATCH");
  });
});
