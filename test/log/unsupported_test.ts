/** Batches of programs that know more than this one. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BatchBuilder } from "../../mod.ts";
import { crc32c } from "../../src/batch/crc32c.ts";
import { ATTRIBUTES_AT, CRC_AT, CRC_FROM, patchBatch } from "../../src/batch/format.ts";
import { writeI32, writeU16 } from "../../src/bytes.ts";
import { fails } from "../helpers.ts";
import { batchesOf, content, damage, makeLog, open, repair } from "../recovery/repair_log.ts";

/** Two records in a batch with attributes that nobody knows. */
function futureBatch(baseOffset: number, attributes: number): Uint8Array {
  const builder = new BatchBuilder();
  for (const value of ["of", "tomorrow"]) builder.add({ value, timestamp: 1000 });
  const batch = builder.finish();
  patchBatch(batch, 0, baseOffset, 1);
  writeU16(batch, ATTRIBUTES_AT, attributes);
  writeI32(batch, CRC_AT, crc32c(batch, CRC_FROM, batch.length));
  return batch;
}

describe("a batch that nobody can read yet", () => {
  const kinds = [["a codec", 5], ["another codec", 7], ["a flag", 0x80], ["the last flag", 0x8000]] as const;
  for (const [what, attributes] of kinds) {
    for (const isReboot of [false, true]) {
      it(`is no torn tail: ${what}${isReboot ? ", after a power loss" : ""} [fault 51]`, async () => {
        let vfs = await makeLog({ lives: [6], ending: "kill" });
        const { file, last } = batchesOf(vfs).at(-1)!;
        damage(vfs, file, (bytes) => new Uint8Array([...bytes, ...futureBatch(last + 1, attributes)]));
        for (const path of vfs.paths()) vfs.writeWhole(`/${path}`, vfs.readWhole(`/${path}`));
        if (isReboot) vfs = vfs.crash("power");
        const before = vfs.readWhole(file);
        const log = await open(vfs);
        assert.equal(log.recovery[0].verdict, "clean");
        assert.equal(log.shard(0).nextOffset, last + 3);
        for (const onCorrupt of ["stop", "skip"] as const) {
          const offsets: number[] = [];
          await fails("UNSUPPORTED", async () => {
            for await (const record of log.read({ shard: 0, onCorrupt })) offsets.push(record.offset);
          });
          assert.equal(offsets.length, last + 1, "everything before it");
        }
        assert.equal(log.shard(0).tryAppend({ value: "behind it" }), last + 3);
        await log.flush("disk");
        assert.equal((await log.read({ shard: 0, from: last + 3 }).next()).value.text(), "behind it");
        await log.close();
        assert.deepEqual(vfs.readWhole(file).slice(0, before.length), before, "not a byte of it is changed");
        const unrepaired = content(vfs);
        const { findings } = await repair(vfs);
        assert.deepEqual(findings, []);
        assert.deepEqual(content(vfs), unrepaired);
      });
    }
  }
});
