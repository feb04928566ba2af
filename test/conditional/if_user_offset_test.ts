/** `append(record, { ifUserOffset })`: only where the key has no newer record. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { gzipSync } from "node:zlib";
import { BatchBuilder, type Log, LogError, type OpenOptions } from "../../mod.ts";
import { crc32c } from "../../src/batch/crc32c.ts";
import { openMemoryLog } from "../../testing.ts";
import { share } from "../fixtures/share.ts";
import { fails, useLog } from "../helpers.ts";
import { readShards, useProducers } from "../producer/expect.ts";

const OPTIONS: OpenOptions = { topic: "log" };

/** Reads and writes until nobody was in between, as an optimistic writer does. */
async function increment(log: Log, key: string, known: number): Promise<{ offset: number; tries: number }> {
  for (let tries = 1;; tries++) {
    try {
      const { offset } = await log.append({ key, value: `after ${known}` }, { ifUserOffset: known });
      return { offset, tries };
    } catch (error) {
      if (!(error instanceof LogError) || error.reason !== "USER_OFFSET_MISMATCH") throw error;
      assert.ok(error.actual! > known, error.message);
      known = error.actual!;
    }
  }
}

describe("ifUserOffset", () => {
  it("appends behind the key's last record, or the first one, and nowhere else", () =>
    useLog(OPTIONS, async (log) => {
      assert.equal((await log.append({ key: "a", value: "1" }, { ifUserOffset: -1 })).offset, 0);
      await log.append({ key: "b", value: "1" });
      assert.equal((await log.append({ key: "a", value: "2" }, { ifUserOffset: 0 })).offset, 2);
      for (const ifUserOffset of [-1, 0, 1, 3]) {
        const error = await fails("CONFLICT", () => log.append({ key: "a", value: "3" }, { ifUserOffset }));
        assert.deepEqual([error.reason, error.expected, error.actual], ["USER_OFFSET_MISMATCH", ifUserOffset, 2]);
      }
      const none = await fails("CONFLICT", () => log.append({ key: "c", value: "3" }, { ifUserOffset: 0 }));
      assert.equal(none.actual, -1);
      assert.equal(
        (await log.append({ key: new TextEncoder().encode("b"), value: "2" }, { ifUserOffset: 1 })).offset,
        3,
      );
    }));

  it("sees what is not written yet, whichever way it came", () =>
    useLog({ ...OPTIONS, flushIntervalMs: 5 }, async (log) => {
      const shard = log.shard(0);
      const seen = async (expected: number): Promise<void> => {
        const error = await fails("CONFLICT", () => log.append({ key: "a", value: "x" }, { ifUserOffset: 1_000_000 }));
        assert.equal(error.actual, expected);
      };
      for (let n = 0; n < 20; n++) shard.tryAppend({ key: "a", value: new Uint8Array(30) });
      await seen(19);
      for (let n = 0; n < 20; n++) shard.tryAppend({ key: "a", value: new Uint8Array(30) });
      shard.tryAppend({ value: "no key" });
      await seen(39);
      const batch = new BatchBuilder();
      for (const key of ["b", "a", "c"]) batch.add({ key, value: "1" });
      shard.tryAppendBatch(batch.finish());
      await seen(42);
      batch.add({ key: "a", value: "packed" });
      shard.tryAppendBatch(gzipped(batch.finish()));
      await seen(44);
    }));

  it("lets one of those win who expect the same, at once and later", () =>
    useLog({ ...OPTIONS, flushIntervalMs: 1 }, async (log) => {
      let head = -1;
      for (let round = 0; round < 40; round++) {
        const results = await Promise.allSettled(
          [1, 2, 3, 4].map((n) => log.append({ key: "a", value: `${n}` }, { ifUserOffset: head })),
        );
        const won = results.filter((result) => result.status === "fulfilled");
        assert.equal(won.length, 1);
        head = won[0].value.offset;
        log.shard(0).tryAppend({ key: `other ${round}`, value: "x" });
      }
    }));

  it("goes together with ifOffset", () =>
    useLog(OPTIONS, async (log) => {
      await log.append({ key: "a", value: "1" }, { ifUserOffset: -1, ifOffset: 0 });
      await log.append({ key: "b", value: "1" });
      const moved = await fails(
        "CONFLICT",
        () => log.append({ key: "a", value: "2" }, { ifUserOffset: 0, ifOffset: 1 }),
      );
      assert.equal(moved.reason, "OFFSET_MISMATCH");
      const newer = await fails(
        "CONFLICT",
        () => log.append({ key: "a", value: "2" }, { ifUserOffset: 1, ifOffset: 2 }),
      );
      assert.equal(newer.reason, "USER_OFFSET_MISMATCH");
      assert.equal((await log.append({ key: "a", value: "2" }, { ifUserOffset: 0, ifOffset: 2 })).offset, 2);
    }));

  it("needs a key, and a number", () =>
    useLog(OPTIONS, async (log) => {
      await assert.rejects(log.append({ value: "1" }, { ifUserOffset: -1 }), TypeError);
      for (const ifUserOffset of [-2, 0.5, NaN]) {
        await assert.rejects(log.append({ key: "a", value: "1" }, { ifUserOffset }), RangeError);
      }
    }));

  it("gives up with its signal, while it looks the key up and while it waits for room", () =>
    useLog({ ...OPTIONS, flushIntervalMs: Infinity }, async (log) => {
      await log.append({ key: "a", value: "1" }, { signal: AbortSignal.timeout(10) }).catch(() => {});
      const controller = new AbortController();
      const looking = log.append({ key: "b", value: "1" }, { ifUserOffset: -1, signal: controller.signal });
      controller.abort(new Error("enough"));
      await assert.rejects(looking, /enough/);
      await log.flush();
      const later = log.append({ key: "b", value: "1" }, { ifUserOffset: -1 });
      await new Promise((resolve) => setTimeout(resolve, 5));
      await log.flush();
      assert.equal((await later).offset, log.shard(0).nextOffset - 1);
    }));

  it("ends watching after many records without a question, and begins again", () =>
    useLog(OPTIONS, async (log) => {
      const shard = log.shard(0);
      let head = (await log.append({ key: "a", value: "1" }, { ifUserOffset: -1 })).offset;
      for (let n = 0; n < 70_000; n++) {
        if (n % 1000 === 0) await shard.flush();
        head = shard.tryAppend({ key: n === 69_000 ? "a" : "b", value: new Uint8Array(8) }) === 69_001 ? 69_001 : head;
      }
      assert.equal(head, 69_001);
      assert.equal((await log.append({ key: "a", value: "2" }, { ifUserOffset: head })).offset, 70_001);
    }));

  it("holds beside workers that write the same keys", () =>
    useProducers({ flushIntervalMs: 1 }, async (log, _directory, start) => {
      const count = 4000;
      const workers = ["a", "b"].map((name) =>
        start(log.producer({ shard: 0 }), { kind: "append", name, count, bytes: 30, keys: 5 })
      );
      let ended = false;
      const said = Promise.all(workers.map((worker) => worker.next())).then(() => ended = true);
      const mine: { key: string; offset: number }[] = [];
      let tries = 0;
      const writer = async (key: string): Promise<void> => {
        let known = -1;
        for (let n = 0; n < 30 || !ended; n++) {
          const done = await increment(log, key, known);
          known = done.offset;
          tries += done.tries;
          mine.push({ key, offset: known });
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
      };
      await Promise.all([writer("user 0"), writer("user 1"), writer("user 1"), writer("main")]);
      await said;
      await log.flush();
      const [records] = await readShards(log);
      const heads = new Map<string, number>();
      let checked = 0;
      for (const record of records) {
        const text = record.text()!;
        const key = record.keyText()!;
        if (text.startsWith("after ")) {
          assert.equal(Number(text.slice(6)), heads.get(key) ?? -1, `offset ${record.offset} of ${key}`);
          checked++;
        }
        heads.set(key, record.offset);
      }
      assert.equal(checked, mine.length);
      assert.ok(tries >= checked);
    }));

  it("answers as a plain list of records does, whatever comes between", async () => {
    const keys = fc.constantFrom("a", "b", "c", "");
    const step = fc.oneof(
      fc.record({ kind: fc.constant("plain" as const), key: fc.option(keys) }),
      fc.record({
        kind: fc.constant("if" as const),
        key: keys,
        off: fc.constantFrom(0, 0, 0, -1, 1),
        wait: fc.boolean(),
      }),
      fc.record({ kind: fc.constant("blob" as const), keys: fc.array(keys, { minLength: 1, maxLength: 4 }) }),
      fc.record({ kind: fc.constant("flush" as const) }),
      fc.record({ kind: fc.constant("reopen" as const), how: fc.constantFrom("close", "process", "power") }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.integer({ min: 1, max: 1e6 }), async (steps, seed) => {
        let log = await openMemoryLog({ seed, segmentBytes: 1024 });
        let model: (string | null)[] = [];
        for (const s of steps) {
          if (s.kind === "plain") {
            assert.equal(log.shard(0).tryAppend({ key: s.key, value: new Uint8Array(9) }), model.length);
            model.push(s.key);
          } else if (s.kind === "blob") {
            const batch = new BatchBuilder();
            for (const key of s.keys) batch.add({ key, value: "blob", timestamp: 1 });
            assert.equal(log.shard(0).tryAppendBatch(batch.finish()), model.length);
            model.push(...s.keys);
          } else if (s.kind === "if") {
            const ifUserOffset = Math.max(-1, model.lastIndexOf(s.key) + s.off);
            const holds = model.lastIndexOf(s.key) === ifUserOffset;
            const result = log.append({ key: s.key, value: "if" }, { ifUserOffset });
            if (holds) {
              assert.equal((await result).offset, model.length);
              model.push(s.key);
            } else assert.equal((await fails("CONFLICT", () => result)).actual, model.lastIndexOf(s.key));
          } else if (s.kind === "flush") await log.flush();
          else {
            if (s.how === "close") {
              await log.close();
              log = await log.reopen();
            } else log = await log.crash(s.how as "process" | "power");
            const found: (string | null)[] = [];
            for await (const record of log.read()) found.push(record.keyText());
            assert.deepEqual(found, model.slice(0, found.length));
            model = found;
          }
        }
        await log.close();
      }),
      { numRuns: share(60) },
    );
  });
});

/** The same batch with compressed records. */
function gzipped(blob: Uint8Array): Uint8Array {
  const packed = gzipSync(blob.subarray(61));
  const batch = new Uint8Array(61 + packed.length);
  batch.set(blob.subarray(0, 61));
  batch.set(packed, 61);
  const view = new DataView(batch.buffer);
  view.setInt32(8, batch.length - 12);
  view.setInt16(21, 1);
  view.setUint32(17, crc32c(batch, 21, batch.length));
  return batch;
}
