/** A condition on the offset where others claim offsets in shared memory: compared and claimed in one step. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ClaimBlock } from "../../src/claims/claim_block.ts";
import { contentOf } from "../../src/claims/handle.ts";
import type { ShardWriter } from "../../src/shard/shard_writer.ts";
import { collect, fails, texts, useLog } from "../helpers.ts";

/** Runs `body` while another claim comes in front of the `nth` call of a method of the claim word. Answers whether it came. */
function withClaimBefore(method: "load" | "claimAt", nth: number, body: () => void): boolean {
  const prototype = ClaimBlock.prototype as unknown as Record<string, (...args: unknown[]) => unknown>;
  const original = prototype[method];
  let calls = 0;
  prototype[method] = function (this: ClaimBlock, ...args: unknown[]): unknown {
    if (++calls === nth) this.claim(1);
    return original.apply(this, args);
  };
  try {
    body();
  } finally {
    prototype[method] = original;
  }
  return calls >= nth;
}

describe("ifOffset beside producers", () => {
  it("holds while nobody else claims, and fails once somebody has", () =>
    useLog({ flushIntervalMs: 2 }, async (log) => {
      const handle = log.producer({ leaseMs: 100 });
      for (let offset = 0; offset < 5; offset++) {
        assert.equal((await log.append({ value: `v${offset}` }, { ifOffset: offset })).offset, offset);
      }
      // What a worker does, up to the moment at which it ends.
      const { watch } = log.shard(0) as ShardWriter;
      assert.equal(watch.seenEnd(), 5);
      new ClaimBlock(contentOf(handle).shards[0].block).claim(3);
      assert.equal(watch.seenEnd(), -1);
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

  for (const method of ["load", "claimAt"] as const) {
    it(`is compared and claimed in one step, wherever another claim comes (${method})`, () =>
      useLog({ flushIntervalMs: Infinity }, async (log) => {
        log.producer({ leaseMs: 50 });
        const shard = log.shard(0) as ShardWriter;
        const taken = new Map<number, string>();
        let moved = 0;
        for (let nth = 1; nth <= 4; nth++) {
          for (const isOpen of [false, true]) {
            if (isOpen) taken.set(shard.tryAppend({ value: `open ${nth}` }) as number, `open ${nth}`);
            else await shard.flush();
            const only = shard.nextOffset;
            let answer = -1;
            withClaimBefore(method, nth, () => answer = shard.tryAppendAt({ value: `at ${only}` }, only) as number);
            assert.ok(answer === -1 || answer === only, `${answer}, not ${only}`);
            if (answer === -1) moved++;
            else taken.set(answer, `at ${only}`);
          }
        }
        assert.ok(moved > 0);
        await shard.flush();
        const found = (await collect(log.read())).map((record) => [record.offset, record.text()] as const);
        assert.deepEqual(found, [...taken]);
      }));
  }
});
