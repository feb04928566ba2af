/** Offsets where numbers have their edges. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type MemoryVfs, memoryVfs } from "../../adapters/memory.ts";
import { BatchBuilder } from "../../mod.ts";
import { patchBatch } from "../../src/batch/format.ts";
import { collect, fails, take } from "../helpers.ts";
import { damages, open, repair, segmentFile } from "../recovery/repair_log.ts";

/** A log that holds one record, at `offset`: nobody waits for 2^53 appends. */
async function logAt(offset: number): Promise<MemoryVfs> {
  const vfs = memoryVfs();
  await (await open(vfs)).close();
  const builder = new BatchBuilder();
  builder.add({ value: `at ${offset}`, timestamp: 1000 });
  const batch = builder.finish();
  patchBatch(batch, 0, offset, 1);
  vfs.writeWhole(segmentFile(0, offset), batch);
  // It has no state: repairing makes one.
  await repair(vfs);
  return vfs;
}

describe("offsets", () => {
  for (const [what, edge] of [["2^31", 2 ** 31], ["2^32", 2 ** 32], ["2^48", 2 ** 48]] as const) {
    it(`go on across ${what} [fault 58]`, async () => {
      const first = edge - 20;
      const vfs = await logAt(first);
      const end = first + 1 + 60;
      let log = await open(vfs);
      for (let offset = first + 1; offset < end; offset++) {
        assert.equal(take(log.shard(0), { value: `at ${offset}`, timestamp: 1000 + offset - first }), offset);
        if (offset % 3 === 0) await log.flush(offset % 2 === 0 ? "disk" : "os");
        if (offset !== edge) continue;
        await log.close();
        log = await open(vfs);
      }
      await log.flush("disk");
      assert.deepEqual([log.shard(0).earliest, log.shard(0).written, log.shard(0).synced], [first, end, end]);
      for (const from of [first, edge - 1, edge, edge + 1, end - 1]) {
        const records = await collect(log.read({ shard: 0, from }));
        assert.deepEqual(records.map(({ offset }) => offset), Array.from({ length: end - from }, (_, i) => from + i));
        for (const record of records) assert.equal(record.text(), `at ${record.offset}`);
        const { value } = await log.read({ from: new Date(1000 + from - first), limit: 1 }).next();
        assert.equal(value.offset, from);
      }
      await log.close();
      assert.deepEqual(await damages(vfs), []);
    });
  }

  it("end before 2^53 - 1: what comes then is refused, and everything else stays as it was [fault 58]", async () => {
    const last = Number.MAX_SAFE_INTEGER - 1;
    const first = last - 10;
    const vfs = await logAt(first);
    const log = await open(vfs);
    const shard = log.shard(0);
    const twelve = new BatchBuilder();
    for (let i = 0; i < 12; i++) twelve.add({ value: "x" });
    await fails("OFFSET_OUT_OF_RANGE", () => shard.tryAppendBatch(twelve.finish()));
    for (let offset = first + 1; offset <= last; offset++) assert.equal(take(shard, { value: `at ${offset}` }), offset);
    await fails("OFFSET_OUT_OF_RANGE", () => shard.tryAppend({ value: "one too many" }));
    await fails("OFFSET_OUT_OF_RANGE", () => log.append({ value: "one too many" }));
    await log.flush("disk");
    assert.equal(shard.written, Number.MAX_SAFE_INTEGER);
    await log.close();
    const again = await open(vfs);
    assert.equal(again.shard(0).nextOffset, Number.MAX_SAFE_INTEGER);
    await fails("OFFSET_OUT_OF_RANGE", () => again.shard(0).tryAppend({ value: "still one too many" }));
    const texts = (await collect(again.read({ shard: 0 }))).map((record) => record.text());
    assert.deepEqual(texts, Array.from({ length: 11 }, (_, i) => `at ${first + i}`));
    await again.close();
    assert.deepEqual(await damages(vfs), []);
  });
});
