/** A reader beside the writer cannot read where the log begins now: what was dropped is not called damaged. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { memoryVfs, seededRandom, simulatedClock } from "../../adapters/memory.ts";
import { noCodecs } from "../../src/batch/codecs.ts";
import { openWith } from "../../src/log/open.ts";
import { fails } from "../helpers.ts";

const DIRECTORY = "/d/log";

describe("a state that cannot be read for a while", () => {
  it("fails a read with the error of the system, until it can be told that the records were dropped", async () => {
    const vfs = memoryVfs({ seed: 3 });
    const engine = { vfs, clock: simulatedClock(), random: seededRandom(7).fill, codecs: noCodecs };
    const options = { topic: "t", segmentBytes: 1024, flushIntervalMs: Infinity };
    const log = await openWith(engine, DIRECTORY, options);
    const shard = log.shard(0);
    for (let i = 0; i < 8; i++) {
      shard.tryAppend({ value: "x".repeat(300) });
      await shard.flush("disk");
    }
    const reader = await openWith(engine, DIRECTORY, { readOnly: true });
    await shard.trimBefore(6);
    const read = async (): Promise<void> => {
      for await (const record of reader.read({ shard: 0, from: 0 })) assert.ok(record.offset >= 0);
    };
    const heal = vfs.plan({
      operation: { kind: ["open", "read"], path: /state$/ },
      fault: { kind: "errorBefore" },
      times: Infinity,
    });
    await fails("IO", read);
    heal();
    const error = await fails("OFFSET_OUT_OF_RANGE", read);
    assert.deepEqual((error as { range?: unknown }).range, [6, 8]);
    await reader.close();
    await log.close();
  });
});
