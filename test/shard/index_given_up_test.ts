/** An index never stops a log: where it cannot be opened or replaced, appending goes on, and the next opening makes it again. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PlannedFault } from "../../adapters/memory.ts";
import { appendBatches, damages, makeLog, open, readShard, segmentFile } from "../recovery/repair_log.ts";

const NO_INDEX: readonly [string, PlannedFault["operation"]][] = [
  ["it cannot be created", { kind: "open", path: /0020\.idx$/ }],
  ["it cannot be written", { kind: "write", path: /0020\.idx$/ }],
  ["another one stands in its place and cannot be removed", { kind: "remove", path: /0020\.idx$/ }],
];

describe("a shard whose next index", () => {
  for (const [what, operation] of NO_INDEX) {
    it(`is not there, because ${what}: appends and reads go on`, async () => {
      const vfs = await makeLog({ lives: [1] });
      const log = await open(vfs);
      if (what.startsWith("another")) vfs.writeWhole(segmentFile(0, 20, "idx"), new Uint8Array([1, 2, 3]));
      vfs.plan({ operation, fault: { kind: "errorBefore", code: "NO_SPACE" }, times: Infinity });
      await appendBatches(log, 0, 8);
      assert.deepEqual([log.shard(0).state, log.shard(0).written], ["open", 45]);
      await log.close();
      vfs.clearFaults();
      await (await open(vfs)).close();
      assert.equal((await readShard(vfs, 0, "stop")).values.size, 45);
      const found = (await damages(vfs)).filter(({ file }) => !file?.endsWith(".idx"));
      assert.deepEqual(found, [], "nothing but an index is ever missing");
    });
  }

  it("is the one of a segment that is gone: it is replaced", async () => {
    const vfs = await makeLog({ lives: [1] });
    const log = await open(vfs);
    vfs.writeWhole(segmentFile(0, 20, "idx"), vfs.readWhole(segmentFile(0, 0, "idx")));
    await appendBatches(log, 0, 8);
    await log.close();
    assert.deepEqual(await damages(vfs), []);
  });
});
