import assert from "node:assert/strict";
import { rmSync, statSync } from "node:fs";
import { describe, it } from "node:test";
import type { Log, OpenOptions } from "../../mod.ts";
import { runtimeVfs } from "../../adapters/runtime.ts";
import type { End } from "../../src/anchor/end.ts";
import { noCodecs } from "../../src/batch/codecs.ts";
import type { EmbeddedLog } from "../../src/log/log.ts";
import { BlockCache } from "../../src/read/block_cache.ts";
import { ShardView } from "../../src/read/shard_view.ts";
import type { MaybePromise, OpenMode, Vfs } from "../../src/vfs.ts";
import { announceSeed, makeRandom } from "../fixtures/seed.ts";
import { collect, fails, plain, reopen, take, useDirectory, useLog } from "../helpers.ts";
import { batchesOf, flip, indexOf, logFiles, shardOf } from "../recovery/damage.ts";
import { fillLog } from "./brute_force.ts";

const seed = announceSeed("get");
const OPTIONS: OpenOptions = { batchBytes: 1000, segmentBytes: 40_000, flushIntervalMs: Infinity, topic: "log" };

describe("getting a record", () => {
  it("answers what was appended, in any order, as often as it is asked", () =>
    useDirectory(async (directory) => {
      const random = makeRandom(seed);
      const check = async (log: Log): Promise<void> => {
        const all = [await collect(log.read({ shard: 0 })), await collect(log.read({ shard: 1 }))];
        for (let i = 0; i < 400; i++) {
          const shard = random(2);
          const offset = random(all[shard].length);
          assert.deepEqual(plain((await log.get({ shard, offset }))!), plain(all[shard][offset]));
          const limit = 1 + random(20);
          const few = await collect(log.read({ shard, from: offset, limit }));
          assert.deepEqual(few.map(plain), all[shard].slice(offset, offset + limit).map(plain), `${offset} + ${limit}`);
        }
      };
      await reopen(directory, { ...OPTIONS, shards: 2 }, async (log) => {
        await fillLog(log, 1500, random, (i) => i);
        await check(log);
      });
      await reopen(directory, {}, check);
      for (const file of logFiles(directory)) rmSync(indexOf(file));
      await reopen(directory, { readOnly: true }, check);
    }));

  it("sees a record as soon as it is acknowledged, beside those it has in memory", () =>
    useLog({ flushIntervalMs: 0 }, async (log) => {
      for (let i = 0; i < 300; i++) {
        const place = await log.append({ value: `${i}` });
        assert.equal((await log.get(place))!.text(), `${i}`);
        assert.equal((await log.get({ offset: i >> 1 }))!.text(), `${i >> 1}`);
      }
    }));

  it("keeps the bytes of records valid for as long as they are held", () =>
    useLog(OPTIONS, async (log) => {
      for (let i = 0; i < 300; i++) take(log.shard(0), { value: `${i}`.padEnd(100) });
      await log.flush();
      const records = await Promise.all(Array.from({ length: 300 }, (_, offset) => log.get({ offset })));
      assert.deepEqual(records.map((record) => record!.text()!.trim()), records.map((_, i) => `${i}`));
    }));

  it("refuses what is no place of a record", () =>
    useLog({ shards: 2 }, async (log) => {
      const { shard } = await log.append({ value: "x" });
      assert.equal(await log.get({ shard, offset: 1 }), undefined, "the next one to come");
      const error = await fails("OFFSET_OUT_OF_RANGE", () => log.get({ shard, offset: 2 }));
      assert.deepEqual(error.range, [0, 1]);
      await assert.rejects(log.get({ offset: 0 }), TypeError);
      await assert.rejects(log.get({ shard: 2, offset: 0 }), RangeError);
      for (const offset of [-1, 0.5, NaN, "0"]) {
        await assert.rejects(log.get({ shard, offset: offset as number }), TypeError);
      }
      await log.close();
      await fails("CLOSED", () => log.get({ shard, offset: 0 }));
    }));

  it("says what is damaged, and answers what is not", () =>
    useDirectory(async (directory) => {
      await reopen(directory, OPTIONS, (log) => {
        for (let i = 0; i < 100; i++) take(log.shard(0), { value: `${i}`.padEnd(100) });
      });
      const file = logFiles(directory)[0];
      const batch = batchesOf(file)[3];
      flip(file, batch.position + 100);
      await reopen(directory, {}, async (log) => {
        for (let offset = 0; offset < 100; offset++) {
          if (offset < batch.first || offset > batch.last) assert.equal((await log.get({ offset }))!.offset, offset);
          else assert.equal((await fails("CORRUPT_BATCH", () => log.get({ offset }))).position, batch.position);
        }
      });
    }));
});

describe("the cache of blocks", () => {
  it("holds no more than it may, and forgets what was used longest ago", () =>
    useDirectory(async (directory) => {
      const id = await reopen(directory, { ...OPTIONS, batchBytes: 30_000, segmentBytes: 2 ** 30 }, (log) => {
        for (let i = 0; i < 2000; i++) take(log.shard(0), { value: "x".repeat(100) });
        return (log as EmbeddedLog).id;
      });
      const [file] = logFiles(directory);
      const batches = batchesOf(file);
      assert.ok(batches.length >= 7);
      const end = { segment: 0, nextOffset: 2000, position: statSync(file).size } as End;
      const publication = { earliest: 0, end, ended: true, refresh: () => {}, onChange: () => () => {} };
      let reads = 0;
      const inner = runtimeVfs();
      const vfs = {
        list: (path: string) => inner.list(path),
        open: async (path: string, mode: OpenMode) => {
          const opened = await inner.open(path, mode);
          const read = (into: Uint8Array, position: number): MaybePromise<number> => {
            if (path.endsWith(".log")) reads++;
            return opened.read(into, position);
          };
          return { read, size: () => opened.size(), close: () => opened.close() };
        },
      } as unknown as Vfs;
      const view = new ShardView(vfs, shardOf(directory), id, 0, false, publication);
      const cache = new BlockCache(noCodecs, 130_000);
      const readsOf = async (batch: number): Promise<number> => {
        const before = reads;
        const { first } = batches[batch];
        assert.deepEqual((await cache.read(view, first + 3, 2))!.map(({ offset }) => offset), [first + 3, first + 4]);
        assert.ok(cache.bytes <= 130_000 && cache.bytes > 25_000, `${cache.bytes} bytes`);
        return reads - before;
      };
      try {
        const asked = [0, 0, 1, 2, 0, 3, 4, 0, 1, 5, 6, 1, 0];
        const counts: number[] = [];
        for (const batch of asked) counts.push(await readsOf(batch));
        assert.deepEqual(counts, [1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 1, 0, 0]);
        assert.equal(await new BlockCache(noCodecs, 100_000).read(view, 3, 1), undefined, "too large a piece");
      } finally {
        await cache.close();
      }
      assert.equal(cache.bytes, 0);
      assert.equal(await cache.read(view, 3, 1), undefined, "a closed one answers nothing");
    }));
});
