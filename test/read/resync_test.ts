import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type MemoryVfs, memoryVfs, simulatedClock } from "../../adapters/memory.ts";
import { BatchBuilder } from "../../src/batch/batch_builder.ts";
import { noCodecs } from "../../src/batch/codecs.ts";
import { batchBytesAt, CRC_AT, LAST_OFFSET_DELTA_AT, patchBatch } from "../../src/batch/format.ts";
import { openWith } from "../../src/log/open.ts";
import { texts } from "../helpers.ts";

const SEGMENT = "/data/log/log-0/00000000000000000000";

/** A batch of one record, as it would continue a log at `offset`. */
function batchAt(offset: number): Uint8Array {
  const builder = new BatchBuilder();
  builder.add({ value: "inside", timestamp: 1 });
  const batch = builder.finish();
  patchBatch(batch, 0, offset, 1);
  return batch;
}

function engineOn(vfs: MemoryVfs) {
  return { vfs, clock: simulatedClock(), random: (into: Uint8Array) => void into.fill(7), codecs: noCodecs };
}

/** A log of these values, a batch each, whose `.log` was spoilt and which has no index. */
async function spoiltLog(
  values: readonly (string | Uint8Array)[],
  spoil: (log: Uint8Array) => void,
): Promise<MemoryVfs> {
  const vfs = memoryVfs();
  const log = await openWith(engineOn(vfs), "/data/log", { topic: "log", flushIntervalMs: Infinity });
  for (const value of values) {
    assert.equal(typeof log.shard(0).tryAppend({ value }), "number");
    await log.flush();
  }
  await log.close();
  const bytes = vfs.readWhole(`${SEGMENT}.log`);
  spoil(bytes);
  vfs.writeWhole(`${SEGMENT}.log`, bytes);
  vfs.removeWhole(`${SEGMENT}.idx`);
  return vfs;
}

/** What can be read past the damage, and the offsets that were skipped. */
async function readPast(vfs: MemoryVfs): Promise<{ texts: (string | null)[]; gaps: [number, number][] }> {
  const log = await openWith(engineOn(vfs), "/data/log", { readOnly: true });
  const gaps: [number, number][] = [];
  const onGap = ({ from, to }: { from: number; to: number }): void => void gaps.push([from, to]);
  const read = await texts(log.read({ shard: 0, onCorrupt: "skip", onGap }));
  await log.close();
  return { texts: read, gaps };
}

describe("reading on behind two damaged batches without an index", () => {
  it("does not take the value of the first for the batch that is wanted", async () => {
    const vfs = await spoiltLog(["0", batchAt(2), "2", "3", "4"], (bytes) => {
      const first = batchBytesAt(bytes, 0);
      const second = first + batchBytesAt(bytes, first);
      bytes[first + CRC_AT] ^= 1;
      bytes.fill(0, second, second + batchBytesAt(bytes, second));
    });
    assert.deepEqual(await readPast(vfs), { texts: ["0", "3", "4"], gaps: [[1, 2]] });
  });
});

describe("reading on behind one damaged batch without an index", () => {
  it("loses that one only, where its count of offsets is what is damaged", async () => {
    const vfs = await spoiltLog(["0", "1", "2", "3", "4"], (bytes) => {
      // From 0 to 1: the batch seems to go on to the offset of the next one.
      bytes[batchBytesAt(bytes, 0) + LAST_OFFSET_DELTA_AT + 3] ^= 1;
    });
    assert.deepEqual(await readPast(vfs), { texts: ["0", "2", "3", "4"], gaps: [[1, 1]] });
  });
});
