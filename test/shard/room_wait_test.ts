/** Somebody waits for more room than a commit gives: what was taken meanwhile is written for them. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BACKPRESSURE } from "../../mod.ts";
import { take, useLog } from "../helpers.ts";
import { ControlledVfs } from "./controlled_vfs.ts";

describe("a wait for room", () => {
  it("ends although what was taken during the commit leaves too little", () => {
    let release = (): void => {};
    const held = new Promise<void>((resolve) => release = resolve);
    const vfs = new ControlledVfs(({ kind, path }) => kind === "write" && path.endsWith(".log") ? held : undefined);
    const never = { flushIntervalMs: Infinity, flushBytes: 1024 * 1024 };
    return useLog({ vfs, maxBufferPerShard: 8192, ...never }, async (log) => {
      const shard = log.shard(0);
      take(shard, { value: "x".repeat(3000) });
      // Too large beside what is there: it waits for nearly everything.
      assert.equal(shard.tryAppend({ value: "x".repeat(7000) }), BACKPRESSURE);
      const writable = shard.writable();
      // More than half is in use again, and nobody has asked for this to be written.
      take(shard, { value: "y".repeat(4500) });
      release();
      await writable;
      assert.equal(take(shard, { value: "x".repeat(7000) }), 2);
      await shard.flush();
      assert.equal(shard.written, 3);
    });
  });
});
