/** A condition on the offset where others claim offsets in shared memory: compared and claimed in one step. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ClaimBlock } from "../../src/claims/claim_block.ts";
import { contentOf } from "../../src/claims/handle.ts";
import { fails, texts, useLog } from "../helpers.ts";

describe("ifOffset beside producers", () => {
  it("holds while nobody else claims, and fails once somebody has", () =>
    useLog({ flushIntervalMs: 2 }, async (log) => {
      const handle = log.producer({ leaseMs: 100 });
      for (let offset = 0; offset < 5; offset++) {
        assert.equal((await log.append({ value: `v${offset}` }, { ifOffset: offset })).offset, offset);
      }
      // What a worker does, up to the moment at which it ends.
      new ClaimBlock(contentOf(handle).shards[0].block).claim(3);
      const error = await fails("CONFLICT", () => log.append({ value: "late" }, { ifOffset: 5 }));
      assert.deepEqual([error.reason, error.expected, error.actual], ["OFFSET_MISMATCH", 5, 8]);
      assert.equal((await log.append({ value: "v8" }, { ifOffset: 8 })).offset, 8);
      assert.deepEqual(await texts(log.read()), ["v0", "v1", "v2", "v3", "v4", "v8"]);
    }));

  it("fails in an open batch, too", () =>
    useLog({ flushIntervalMs: Infinity }, async (log) => {
      const handle = log.producer({ leaseMs: 100 });
      const shard = log.shard(0);
      assert.equal(shard.tryAppend({ value: "a" }), 0);
      new ClaimBlock(contentOf(handle).shards[0].block).claim(2);
      await fails("CONFLICT", () => log.append({ value: "b" }, { ifOffset: 1 }));
      await shard.flush();
      assert.deepEqual(await texts(log.read()), ["a"]);
    }));
});
