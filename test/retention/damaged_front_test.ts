/** Damaged segments can be dropped, although nobody can read what they say of producers. */
import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { BACKPRESSURE, BatchBuilder } from "../../mod.ts";
import { namesIn, reopen, useDirectory } from "../helpers.ts";

const OPTIONS = { topic: "log", segmentBytes: 1024 };

describe("trimBefore in front of damage", () => {
  it("drops it, also where the only word of producers stood in it", () =>
    useDirectory(async (directory) => {
      await reopen(directory, OPTIONS, async (log) => {
        const shard = log.shard(0);
        for (let sequence = 0; sequence < 20; sequence++) {
          const builder = new BatchBuilder({ producer: { id: 5, epoch: 0, sequence } });
          builder.add({ value: "x".repeat(200) });
          const blob = builder.finish();
          while (shard.tryAppendBatch(blob) === BACKPRESSURE) await shard.writable();
          await shard.flush();
        }
      });
      const folder = join(directory, "log-0");
      for (const name of namesIn(folder, ".snapshot")) rmSync(join(folder, name));
      const logs = namesIn(folder, ".log");
      assert.ok(logs.length > 3);
      const bytes = readFileSync(join(folder, logs[0]));
      bytes[100] ^= 1;
      writeFileSync(join(folder, logs[0]), bytes);
      await reopen(directory, OPTIONS, async (log) => {
        assert.equal(await log.shard(0).trimBefore(18), 18);
        assert.ok(namesIn(folder, ".log").length < logs.length);
      });
    }));
});
