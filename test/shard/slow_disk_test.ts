/** A disk that takes its time while a program has none. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { BACKPRESSURE, type Rung } from "../../mod.ts";
import { collect, filled, useLog } from "../helpers.ts";
import { ControlledVfs } from "./controlled_vfs.ts";

const WRITE_MS = 12;
const SYNC_MS = 25;
const VALUE_BYTES = 1000;
const COUNT = 2500;
const MAX_BUFFER_BYTES = 100_000;

describe("a slow disk", () => {
  for (const rung of ["os", "disk"] as const satisfies readonly Rung[]) {
    it(`bounds what is held in memory and keeps acknowledgements in order, on ${rung} [fault 57]`, async () => {
      const vfs = new ControlledVfs(({ kind, path }) =>
        kind === "sync" ? sleep(SYNC_MS) : kind === "write" && path.endsWith(".log") ? sleep(WRITE_MS) : undefined
      );
      const options = { vfs, topic: "log", durability: rung, maxBufferPerShard: MAX_BUFFER_BYTES } as const;
      await useLog({ ...options, flushIntervalMs: 0, segmentBytes: 1_000_000 }, async (log) => {
        const shard = log.shard(0);
        const acknowledged: number[] = [];
        const waiting: Promise<void>[] = [];
        let refusals = 0;
        let mostBytes = 0;
        for (let i = 0; i < COUNT;) {
          const offset = shard.tryAppend({ value: filled(VALUE_BYTES, i) });
          mostBytes = Math.max(mostBytes, (shard.nextOffset - shard.written) * VALUE_BYTES);
          if (offset === BACKPRESSURE) {
            refusals++;
            await shard.writable();
            continue;
          }
          assert.equal(offset, i++);
          if (i % 10 === 0) waiting.push(shard.acknowledged(offset).then(() => void acknowledged.push(offset)));
        }
        assert.ok(refusals > 5, `${refusals} refusals`);
        assert.ok(mostBytes <= MAX_BUFFER_BYTES, `${mostBytes} bytes were held`);
        await log.flush(rung);
        await Promise.all(waiting);
        assert.deepEqual(acknowledged, [...acknowledged].sort((a, b) => a - b));
        assert.equal(acknowledged.length, COUNT / 10);
        const records = await collect(log.read({ shard: 0 }));
        assert.equal(records.length, COUNT);
        for (const { offset, value } of records) assert.deepEqual(value, filled(VALUE_BYTES, offset));
      });
    });
  }
});
