/** A shard whose offsets other threads claim too: what the log's own thread appends keeps its order, blobs among records. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BatchBuilder, type Log } from "../../mod.ts";
import { poolBytesInUse } from "../../src/batch/memory_pool.ts";
import { fails, filled, take, texts, useLog } from "../helpers.ts";

/** A blob with these values. */
function blob(values: readonly string[]): Uint8Array {
  const builder = new BatchBuilder({ maxBytes: 1024 * 1024 });
  for (const value of values) assert.ok(builder.add({ value, timestamp: 1 }));
  return builder.finish();
}

/** From then on the shard is shared with other threads. */
function share(log: Log): void {
  log.producer();
}

describe("a shard that is shared with producers", () => {
  it("takes records and blobs in the order in which they come, before and after it is shared", () =>
    useLog({ flushIntervalMs: Infinity }, async (log) => {
      const shard = log.shard(0);
      const expected: string[] = [];
      const record = (value: string): void => {
        assert.equal(take(shard, { value }), expected.length);
        expected.push(value);
      };
      const batch = (values: string[]): void => {
        assert.equal(shard.tryAppendBatch(blob(values)), expected.length);
        expected.push(...values);
      };
      record("early");
      share(log);
      // The first of a run; behind an open batch; behind a blob; larger than what is left of the run; a record behind it.
      batch(["a", "b", "c"]);
      record("d");
      batch(["e"]);
      batch(["f", "g"]);
      batch(["h".repeat(300_000), "i"]);
      record("j");
      await log.flush();
      record("k");
      await log.flush("disk");
      assert.deepEqual(await texts(log.read()), expected);
    }));

  it("takes plain records through the open batch before it is shared, and one by one from then on", () =>
    useLog({ flushIntervalMs: Infinity }, async (log) => {
      const shard = log.shard(0);
      const encoder = new TextEncoder();
      const values = Array.from({ length: 300 }, (_, i) => `${i}:`.padEnd(100, "x"));
      for (const [offset, value] of values.entries()) {
        if (offset === 150) share(log);
        const key = offset % 3 === 0 ? { key: `user-${offset % 7}` } : {};
        assert.equal(take(shard, { ...key, value: encoder.encode(value) }), offset);
      }
      await log.flush();
      assert.deepEqual(await texts(log.read()), values);
    }));

  it("holds no memory for a batch that was refused before", () =>
    useLog({ flushIntervalMs: Infinity }, async (log) => {
      const shard = log.shard(0);
      const before = poolBytesInUse();
      const flipped = blob(["a"]);
      flipped[flipped.length - 1] ^= 1;
      await fails("BATCH_INVALID", () => shard.tryAppendBatch(flipped));
      share(log);
      assert.equal(poolBytesInUse(), before);
      assert.equal(take(shard, { value: "a" }), 0);
      await log.flush();
      assert.deepEqual(await texts(log.read()), ["a"]);
    }));

  it("ends batches at their size, and runs where their memory ends", () =>
    useLog({ flushIntervalMs: Infinity, batchBytes: 4096 }, async (log) => {
      share(log);
      const shard = log.shard(0);
      const values = Array.from({ length: 400 }, (_, i) => `${i}:`.padEnd(i % 7 === 0 ? 5000 : 300, "x"));
      for (const [offset, value] of values.entries()) {
        while (shard.nextOffset === offset) {
          if (shard.tryAppend({ value }) === offset) break;
          await shard.writable();
        }
      }
      await log.flush();
      assert.deepEqual(await texts(log.read()), values);
    }));

  it("refuses what is no batch, and goes on", () =>
    useLog({ flushIntervalMs: Infinity }, async (log) => {
      share(log);
      await fails("BATCH_INVALID", () => log.shard(0).tryAppendBatch(filled(100, 1)));
      assert.equal(log.shard(0).tryAppendBatch(blob(["a"])), 0);
      await log.flush();
      assert.deepEqual(await texts(log.read()), ["a"]);
    }));
});
