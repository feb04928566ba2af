import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { memoryVfs, simulatedClock } from "../../adapters/memory.ts";
import { BatchBuilder } from "../../src/batch/batch_builder.ts";
import { noCodecs } from "../../src/batch/codecs.ts";
import { batchBytesAt, CRC_AT, LAST_OFFSET_DELTA_AT, patchBatch } from "../../src/batch/format.ts";
import { openWith } from "../../src/log/open.ts";

const SEGMENT = "/data/log/log-0/00000000000000000000";

/** A batch of one record, as it would continue a log at `offset`. */
function batchAt(offset: number): Uint8Array {
  const builder = new BatchBuilder();
  builder.add({ value: "inside", timestamp: 1 });
  const batch = builder.finish();
  patchBatch(batch, 0, offset, 1);
  return batch;
}

describe("reading on behind two damaged batches without an index", () => {
  it("does not take the value of the first for the batch that is wanted", async () => {
    const vfs = memoryVfs();
    const engine = { vfs, clock: simulatedClock(), random: (into: Uint8Array) => void into.fill(7), codecs: noCodecs };
    const log = await openWith(engine, "/data/log", { topic: "log", flushIntervalMs: Infinity });
    for (const value of ["0", batchAt(2), "2", "3", "4"]) {
      assert.equal(typeof log.shard(0).tryAppend({ value }), "number");
      await log.flush();
    }
    await log.close();
    const bytes = vfs.readWhole(`${SEGMENT}.log`);
    const first = batchBytesAt(bytes, 0);
    const second = first + batchBytesAt(bytes, first);
    bytes[first + CRC_AT] ^= 1;
    bytes.fill(0, second, second + batchBytesAt(bytes, second));
    vfs.writeWhole(`${SEGMENT}.log`, bytes);
    vfs.removeWhole(`${SEGMENT}.idx`);
    const again = await openWith(engine, "/data/log", { readOnly: true });
    const texts: (string | null)[] = [];
    const gaps: (readonly [number, number])[] = [];
    for await (
      const record of again.read({ shard: 0, onCorrupt: "skip", onGap: ({ from, to }) => gaps.push([from, to]) })
    ) texts.push(record.text());
    await again.close();
    assert.deepEqual(texts, ["0", "3", "4"]);
    assert.deepEqual(gaps, [[1, 2]]);
  });
});

describe("reading on behind one damaged batch without an index", () => {
  it("loses that one only, where its count of offsets is what is damaged", async () => {
    const vfs = memoryVfs();
    const engine = { vfs, clock: simulatedClock(), random: (into: Uint8Array) => void into.fill(7), codecs: noCodecs };
    const log = await openWith(engine, "/data/log", { topic: "log", flushIntervalMs: Infinity });
    for (const value of ["0", "1", "2", "3", "4"]) {
      assert.equal(typeof log.shard(0).tryAppend({ value }), "number");
      await log.flush();
    }
    await log.close();
    const bytes = vfs.readWhole(`${SEGMENT}.log`);
    // From 0 to 1: the batch seems to go on to the offset of the next one.
    bytes[batchBytesAt(bytes, 0) + LAST_OFFSET_DELTA_AT + 3] ^= 1;
    vfs.writeWhole(`${SEGMENT}.log`, bytes);
    vfs.removeWhole(`${SEGMENT}.idx`);
    const again = await openWith(engine, "/data/log", { readOnly: true });
    const texts: (string | null)[] = [];
    const gaps: (readonly [number, number])[] = [];
    for await (
      const record of again.read({ shard: 0, onCorrupt: "skip", onGap: ({ from, to }) => gaps.push([from, to]) })
    ) texts.push(record.text());
    await again.close();
    assert.deepEqual(texts, ["0", "2", "3", "4"]);
    assert.deepEqual(gaps, [[1, 1]]);
  });
});
