/** A log that compresses: same offsets, same records, smaller files, whoever appends. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { BACKPRESSURE, BatchBuilder, type CodecName, openLog } from "../../mod.ts";
import { noCodecs } from "../../src/batch/codecs.ts";
import { fails, plain, reopen, take, useDirectory, useLog } from "../helpers.ts";

const NAMES = ["gzip", "snappy", "lz4", "zstd"] as const;

function logBytes(directory: string): number {
  return readdirSync(directory, { recursive: true }).map(String).filter((path) => path.endsWith(".log"))
    .reduce((sum, path) => sum + statSync(join(directory, path)).size, 0);
}

function record(i: number): { key: string; value: string; headers: Record<string, string>; timestamp: number } {
  return {
    key: `user-${i % 10}`,
    value: `message number ${i} `.repeat(6),
    headers: { n: `${i}` },
    timestamp: 1e12 + i,
  };
}

for (const compression of NAMES) {
  describe(`a log with ${compression}`, () => {
    it("has the same records at the same offsets as a plain one", async () => {
      await useLog({ compression, segmentBytes: 20_000, shards: 2 }, async (packed, packedDirectory) => {
        await useLog({ shards: 2 }, async (raw, rawDirectory) => {
          for (let i = 0; i < 6000; i++) {
            const shard = i % 2;
            assert.equal(take(packed.shard(shard), record(i)), take(raw.shard(shard), record(i)));
            if (i % 1000 === 999) await packed.flush("disk");
          }
          await Promise.all([packed.flush(), raw.flush()]);
          assert.equal(packed.shard(1).written, 3000);
          const [a, b] = [packed.read({ shard: 0 }), raw.read({ shard: 0 })];
          let count = 0;
          for await (const expected of b) {
            assert.deepEqual(plain((await a.next()).value!), plain(expected));
            count++;
          }
          assert.equal(count, 3000);
          assert.equal((await a.next()).done, true);
          assert.ok(logBytes(packedDirectory) * 2 < logBytes(rawDirectory));
        });
      });
    });

    it("is opened again, goes on, and gives single records", async () => {
      await useDirectory(async (directory) => {
        for (let life = 0; life < 3; life++) {
          await reopen(directory, { compression, topic: "log" }, async (log) => {
            for (let i = 0; i < 700; i++) assert.equal(take(log.shard(0), record(i)), life * 700 + i);
            await log.flush();
            assert.equal((await log.get({ offset: life * 700 + 350 }))?.text(), record(350).value);
          });
        }
        await reopen(directory, { readOnly: true }, async (log) => {
          assert.deepEqual(log.recovery.map((report) => report.verdict), ["clean"]);
          const codecs = new Set<CodecName>();
          let count = 0;
          for await (const batch of log.batches()) {
            codecs.add(batch.codec);
            count += batch.count;
          }
          assert.equal(count, 2100);
          assert.deepEqual([...codecs], [compression]);
        });
      });
    });

    it("gives all memory back, however much smaller batches became", async () => {
      const limits = {
        compression,
        maxBufferPerShard: 300_000,
        batchBytes: 10_000,
        flushIntervalMs: Infinity,
      } as const;
      await useLog(limits, async (log) => {
        const shard = log.shard(0);
        let refused = 0;
        for (let i = 0; i < 20_000; i++) {
          while (
            shard.tryAppend(i % 7 === 0 ? { value: new Uint8Array(randomBytes(200)) } : record(i)) === BACKPRESSURE
          ) {
            refused++;
            await shard.writable();
          }
        }
        await log.flush();
        // As much as at the beginning fits again.
        let room = 0;
        while (shard.tryAppend({ value: new Uint8Array(1000) }) !== BACKPRESSURE) room++;
        assert.ok(room * 1000 > 250_000, `${room} after ${refused} refusals`);
        await log.flush();
        assert.equal((await log.get({ offset: 6 }))?.text(), record(6).value);
      });
    });

    it("takes ready-to-write blobs beside its own records", async () => {
      await useLog({ compression }, async (log) => {
        const builder = new BatchBuilder({ compression });
        const shard = log.shard(0);
        let expected = 0;
        for (let round = 0; round < 20; round++) {
          for (let i = 0; i < 30; i++) builder.add(record(expected + i));
          assert.equal(shard.tryAppendBatch(builder.finish()), expected);
          expected += 30;
          for (let i = 0; i < 30; i++) assert.equal(take(shard, record(expected++)), expected - 1);
        }
        await log.flush("disk");
        let offset = 0;
        for await (const found of log.read()) assert.equal(found.text(), record(offset++).value);
        assert.equal(offset, expected);
      });
    });

    it("compresses beside producers of other threads, too", async () => {
      await useLog({ compression }, async (log) => {
        log.producer();
        for (let i = 0; i < 3000; i++) assert.equal(take(log.shard(0), record(i)), i);
        await log.flush();
        let offset = 0;
        for await (const found of log.read()) assert.equal(found.text(), record(offset++).value);
        assert.equal(offset, 3000);
        for await (const batch of log.batches()) assert.equal(batch.codec, compression);
      });
    });
  });
}

describe("a log's option compression", () => {
  it("is UNSUPPORTED where the codec is missing: nothing is created [fault 51]", async () => {
    await useDirectory(async (directory) => {
      const path = join(directory, "new");
      const failure = await fails("UNSUPPORTED", () => openLog(path, { compression: "lz4", codecs: noCodecs }));
      assert.match(failure.message, /npm install lz4-napi/);
      assert.deepEqual(readdirSync(directory), []);
    });
  });

  it("must be a codec", async () => {
    await useDirectory(async (directory) => {
      await assert.rejects(openLog(directory, { compression: "rar" as CodecName }), RangeError);
    });
  });
});
