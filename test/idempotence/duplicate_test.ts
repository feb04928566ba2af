/** A batch that is sent again while the first one is under way is acknowledged with it, never before. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { outcomeOf, useLog } from "../helpers.ts";

describe("a batch that is sent again before it is written", () => {
  it("is acknowledged once that is, on the rung that was asked for", () =>
    useLog({ flushIntervalMs: Infinity }, async (log) => {
      const lines = await log.idempotentProducer("lines");
      const first = lines.append([{ value: "a" }, { value: "b" }]);
      const again = lines.append([{ value: "a" }, { value: "b" }], { sequence: 0 });
      const durable = lines.append([{ value: "a" }, { value: "b" }], { sequence: 0, durability: "disk" });
      for (const one of [first, again, durable]) assert.equal(await outcomeOf(one), "pending");
      assert.equal(log.shard(0).written, 0);
      await log.flush();
      assert.deepEqual([(await first).offset, (await again).offset], [0, 0]);
      await log.flush("disk");
      assert.equal((await durable).offset, 0);
      assert.equal(log.shard(0).nextOffset, 2);
    }));
});
