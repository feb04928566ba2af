/**
 * A consistent copy of an open store, as users of lmdb-js ask for in its issue 153: while one process writes as fast as it can, another
 * one makes copies. Each is whole, without a gap, and has everything that was acknowledged before it was begun.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { runtimeCodecs } from "../../adapters/codecs.ts";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { systemClock } from "../../adapters/system.ts";
import { backupLog, openLog } from "../../mod.ts";
import { verifyLog } from "../../src/verify/verify_log.ts";
import { useDirectory } from "../helpers.ts";
import { start } from "../runtimes/children.ts";

const COPIES = 5;

describe("lmdb-js 153: a copy of an open store", () => {
  it("is consistent while another process writes", () =>
    useDirectory(async (parent) => {
      const directory = join(parent, "log");
      const request = { directory, shards: 2, seconds: 4, rate: 40_000, segmentBytes: 200_000 };
      const writer = start("../readers/writer.ts", request);
      try {
        await writer.line("open");
        writer.send("go");
        let last = 0;
        for (let i = 0; i < COPIES; i++) {
          await new Promise((resolve) => setTimeout(resolve, 300));
          const reader = await openLog(directory, { readOnly: true });
          const acknowledged = reader.shards.map((shard) => shard.written);
          await reader.close();
          const copy = join(parent, `copy-${i}`);
          const { shards } = await backupLog(directory, copy);
          const damages: unknown[] = [];
          const tools = { vfs: runtimeVfs(), clock: systemClock, codecs: runtimeCodecs };
          await verifyLog(tools, copy, { damage: (one) => damages.push(one), note: () => {}, progress: () => {} });
          assert.deepEqual(damages, []);
          const log = await openLog(copy);
          assert.deepEqual(log.recovery.map(({ verdict, cutBytes }) => [verdict, cutBytes]), [["clean", 0], [
            "clean",
            0,
          ]]);
          let records = 0;
          for (const { id } of log.shards) {
            let next = 0;
            for await (const batch of log.batches({ shard: id })) {
              const cursor = batch.records();
              while (cursor.next()) {
                const { value } = cursor;
                assert.equal(cursor.offset, next);
                assert.equal(new DataView(value!.buffer, value!.byteOffset).getFloat64(0), next++);
              }
            }
            assert.equal(next, shards[id].nextOffset);
            assert.ok(next >= acknowledged[id], `${next} of ${acknowledged[id]} acknowledged`);
            records += next;
          }
          assert.ok(records >= last);
          last = records;
          await log.close();
        }
        assert.ok(last > 1000, `${last}`);
      } finally {
        await writer.kill();
      }
    }));
});
