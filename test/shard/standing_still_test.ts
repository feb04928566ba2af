import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { filled, take, texts, useLog } from "../helpers.ts";

/** So long that a writer looks whether it is still the only one. */
const STILL_MS = 300;

describe("a shard that stood still", () => {
  for (const chunks of [1, 2, 5, 9, 20]) {
    it(`goes on with ${chunks} chunks at once`, () =>
      useLog({ flushBytes: 50_000, maxBufferPerShard: 4_000_000 }, async (log) => {
        const shard = log.shard(0);
        take(shard, { value: "first" });
        await shard.flush();
        await new Promise((resolve) => setTimeout(resolve, STILL_MS));
        const count = 52 * chunks;
        for (let i = 0; i < count; i++) take(shard, { value: filled(1000, i) });
        assert.equal(await shard.flush(), count + 1);
        assert.equal((await texts(log.read({ shard: 0 }))).length, count + 1);
      }));
  }
});
