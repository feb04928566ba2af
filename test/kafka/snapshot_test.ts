/** A snapshot of producers is read by Kafka's own tool. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { openLog } from "../../mod.ts";
import { dumpLogSegments } from "../../scripts/kafka_tools/dump_log_segments.ts";
import { missingPrograms } from "../../scripts/kafka_tools/jars.ts";
import { useDirectory } from "../helpers.ts";
import { produced, send } from "../idempotence/batches.ts";

function whyNot(): string | false {
  if ("Bun" in globalThis || "Deno" in globalThis) return "it runs on Node";
  const missing = process.env.KAFKA_TOOLS === "required" ? [] : missingPrograms();
  return missing.length > 0 && `${missing.join(" and ")} must be installed`;
}

describe("Kafka's DumpLogSegments", () => {
  it(
    "reads a snapshot, whose newest batch of a producer comes last",
    { skip: whyNot() },
    () =>
      useDirectory(async (directory) => {
        const log = await openLog(directory, { topic: "log", segmentBytes: 1024 });
        for (let n = 0; n < 12; n++) await send(log.shard(0), produced(40 + n % 2, 3, (n >> 1) * 5, 5));
        await log.flush();
        for (let n = 0; n < 2; n++) {
          log.shard(0).tryAppend({ value: "x".repeat(2000) });
          await log.flush();
        }
        await log.close();
        const shard = join(directory, "log-0");
        const snapshot = readdirSync(shard).filter((name) => name.endsWith(".snapshot")).sort().at(-1)!;
        const { stdout, stderr } = dumpLogSegments([join(shard, snapshot)]);
        const lines = stdout.split("\n").filter((line) => line.startsWith("producerId"));
        const found = lines.map((line) =>
          /producerId: (\d+) producerEpoch: 3 .*lastSequence: (\d+) lastOffset: (\d+) offsetDelta: 4/.exec(line)
        );
        assert.equal(stderr, "");
        assert.deepEqual(
          found.map((match) => match?.slice(1).map(Number)),
          [40, 41].flatMap((id) => [1, 2, 3, 4, 5].map((n) => [id, n * 5 + 4, n * 10 + (id - 40) * 5 + 4])),
          stdout,
        );
      }),
  );
});
