/** An opening that fails leaves nobody behind who drops segments. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { memoryVfs, seededRandom, simulatedClock } from "../../adapters/memory.ts";
import { noCodecs } from "../../src/batch/codecs.ts";
import { openWith } from "../../src/log/open.ts";

describe("an opening that fails", () => {
  it("has dropped nothing, and drops nothing later", async () => {
    const vfs = memoryVfs();
    const engine = { vfs, clock: simulatedClock(), random: seededRandom(7).fill, codecs: noCodecs };
    const options = { topic: "t", segmentBytes: 1024, flushIntervalMs: Infinity };
    const log = await openWith(engine, "/d/log", options);
    for (let n = 0; n < 20; n++) {
      log.shard(0).tryAppend({ value: "x".repeat(300) });
      await log.flush("disk");
    }
    const consumer = log.consumer("c", { follow: false });
    await consumer.lag();
    await consumer.close();
    await log.close();
    const content = (): string[] => vfs.paths().filter((path) => /\.log$|state$/.test(path));
    const before = content();
    vfs.plan({ operation: { kind: "open", path: /cursor-c-[0-9a-f]+$/ }, fault: { kind: "errorBefore" } });
    await assert.rejects(() => openWith(engine, "/d/log", { ...options, retention: { maxRecords: 1 } }), {
      code: "IO",
    });
    let after = 0;
    vfs.onOperation(() => after++);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(after, 0);
    assert.deepEqual(content(), before);
  });
});
