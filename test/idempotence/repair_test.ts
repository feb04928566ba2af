/** What producers are known to have written after an explicit repair is what is still there. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { BatchBuilder } from "../../mod.ts";
import { connectProducer } from "../../producer.ts";
import { runtimeCodecs } from "../../adapters/codecs.ts";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { systemClock, systemRandom } from "../../adapters/system.ts";
import { repairLog } from "../../src/log/repair.ts";
import { fails, reopen, useDirectory, useLog } from "../helpers.ts";
import { produced, send } from "./batches.ts";

describe("after a repair", () => {
  it("a producer's batch that is void now is not answered as if it were there", () =>
    useDirectory(async (directory) => {
      const options = { topic: "log", segmentBytes: 1024 };
      await reopen(directory, options, async (log) => {
        await send(log.shard(0), produced(1, 0, 0, 3));
        await send(log.shard(0), produced(2, 0, 0, 3));
        await log.flush();
        for (let n = 0; n < 12; n++) {
          log.shard(0).tryAppend({ value: "x".repeat(300) });
          await log.flush();
        }
      });
      const shard = join(directory, "log-0");
      assert.ok(readdirSync(shard).some((name) => name.endsWith(".snapshot")));
      const first = join(shard, `${"0".repeat(20)}.log`);
      // The second batch of the log: that of producer 2.
      const bytes = readFileSync(first);
      bytes[bytes.readInt32BE(8) + 12 + 70] ^= 1;
      writeFileSync(first, bytes);
      const tools = { vfs: runtimeVfs(), clock: systemClock, random: systemRandom, codecs: runtimeCodecs };
      const { findings } = await repairLog(tools, directory, { apply: true });
      assert.ok(findings.length > 0);
      await reopen(directory, options, async (log) => {
        assert.equal(await send(log.shard(0), produced(1, 0, 0, 3)), 0);
        const end = log.shard(0).nextOffset;
        assert.equal(await send(log.shard(0), produced(2, 0, 0, 3)), end, "written again, as it is lost");
        assert.equal(await send(log.shard(0), produced(2, 0, 0, 3)), end);
      });
    }));
});

describe("a producer in a worker", () => {
  it("refuses batches with a producer id, and says where they belong", () =>
    useLog({ topic: "log" }, async (log) => {
      const worker = connectProducer(log.producer());
      const error = await fails("UNSUPPORTED", () => worker.tryAppendBatch(produced(1, 0, 0)));
      assert.match(error.message, /own thread/);
      const plain = new BatchBuilder();
      plain.add({ value: "x" });
      worker.tryAppendBatch(plain.finish());
      assert.equal(await send(log.shard(0), produced(1, 0, 0)), await send(log.shard(0), produced(1, 0, 0)));
      await worker.close();
    }));
});
