/** A follower at the end of a segment, while the writer goes on to the next one. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type MemoryVfs, memoryVfs, seededRandom, simulatedClock } from "../../adapters/memory.ts";
import { emptyEnd, type End } from "../../src/anchor/end.ts";
import { noCodecs } from "../../src/batch/codecs.ts";
import { batchBytesAt } from "../../src/batch/format.ts";
import { readManifest } from "../../src/log/manifest.ts";
import { openWith } from "../../src/log/open.ts";
import { ShardCursor } from "../../src/read/shard_cursor.ts";
import { ShardView } from "../../src/read/shard_view.ts";

const DIRECTORY = "/log/log-0";
const FIRST = `${DIRECTORY}/00000000000000000000.log`;

/** Three batches of one record each, the third one in a segment of its own. */
async function written(): Promise<{ vfs: MemoryVfs; logId: Uint8Array }> {
  const vfs = memoryVfs();
  const engine = { vfs, clock: simulatedClock(), random: seededRandom(1).fill, codecs: noCodecs };
  const log = await openWith(engine, "/log", { flushIntervalMs: 0, segmentBytes: 1024 });
  for (let i = 0; i < 3; i++) await log.append({ value: String(i).padEnd(400, ".") });
  await log.close();
  return { vfs, logId: (await readManifest(vfs, "/log")).manifest!.id };
}

describe("a follower at the end of a segment", () => {
  it("reads what came behind it, although the end moves on to another segment while it looks", async () => {
    const { vfs, logId } = await written();
    const position = batchBytesAt(vfs.readWhole(FIRST), 0);
    const last = vfs.readWhole(`${DIRECTORY}/00000000000000000002.log`);
    const before: End = { ...emptyEnd(0), nextOffset: 1, position };
    const after: End = { ...emptyEnd(2), nextOffset: 3, position: last.length };
    const publication = { earliest: 0, end: before, ended: false, refresh: () => {}, onChange: () => () => {} };
    /** The writer publishes at the one moment that matters: the follower has asked how far it may read. */
    class Overtaken extends ShardView {
      override async limit(base: number): Promise<number> {
        const limit = await super.limit(base);
        if (reading) publication.end = after;
        return limit;
      }
    }
    let reading = false;
    const cursor = new ShardCursor(new Overtaken(vfs, DIRECTORY, logId, 0, false, publication), {
      from: 0,
      codecs: noCodecs,
      onGap: undefined,
    });
    try {
      assert.equal(await cursor.next(), true);
      assert.equal(cursor.decoder.offset, 0);
      reading = true;
      const offsets: number[] = [];
      for (let calls = 0; calls < 10 && offsets.length < 2; calls++) {
        if (await cursor.next()) offsets.push(cursor.decoder.offset);
      }
      assert.deepEqual(offsets, [1, 2]);
    } finally {
      await cursor.close();
    }
  });
});
