/** What a producer promises, looked at from the log's own thread: a handle may be connected there, too. */
import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { describe, it } from "node:test";
import { BACKPRESSURE, type Log, type LogError, openLog, type OpenOptions } from "../../mod.ts";
import { BatchBuilder, connectProducer, type Producer, type ProducerHandle } from "../../producer.ts";
import { contentOf } from "../../src/claims/handle.ts";
import { ProducerMemory } from "../../src/claims/producer_memory.ts";
import { writeI32, writeU16 } from "../../src/bytes.ts";
import { crc32c } from "../../src/batch/crc32c.ts";
import {
  ATTRIBUTES_AT,
  BATCH_LENGTH_AT,
  CRC_AT,
  CRC_FROM,
  HEADER_BYTES,
  LENGTH_OVERHEAD,
} from "../../src/batch/format.ts";
import { collect, outcomeOf, useDirectory } from "../helpers.ts";
import { ControlledVfs, diskFailure, Gate } from "../shard/controlled_vfs.ts";
import { useProducers } from "./expect.ts";

/** A log and a producer of it. */
function useProducer(
  options: OpenOptions,
  body: (log: Log, producer: Producer) => Promise<void>,
  bufferBytes = 262_144,
): Promise<void> {
  return useProducers(options, async (log) => await body(log, connectProducer(log.producer({ bufferBytes }))));
}

function gzipped(values: readonly string[]): Uint8Array {
  const builder = new BatchBuilder();
  for (const value of values) builder.add({ value, timestamp: 1 });
  const plain = builder.finish();
  const body = gzipSync(plain.subarray(HEADER_BYTES));
  const batch = new Uint8Array(HEADER_BYTES + body.length);
  batch.set(plain.subarray(0, HEADER_BYTES));
  batch.set(body, HEADER_BYTES);
  writeI32(batch, BATCH_LENGTH_AT, batch.length - LENGTH_OVERHEAD);
  writeU16(batch, ATTRIBUTES_AT, 1);
  writeI32(batch, CRC_AT, crc32c(batch, CRC_FROM));
  return batch;
}

describe("a producer", () => {
  it("keeps what the shard had before it, and every kind of record", () =>
    useProducer({}, async (log, producer) => {
      await log.append({ value: "before" });
      const ticket = producer.tryAppend({ key: "k", value: null, headers: [["h", "1"], ["h", null]], timestamp: 42 });
      const large = producer.tryAppend({ value: "x".repeat(200_000) });
      const blob = new BatchBuilder();
      blob.add({ value: "in a batch" });
      blob.add({ value: "and another" });
      const batch = producer.tryAppendBatch(blob.finish());
      const compressed = producer.tryAppendBatch(gzipped(["z0", "z1", "z2"]));
      await producer.flush();
      const after = await log.append({ value: "after" });
      assert.deepEqual([ticket, large, batch, compressed], [0, 1, 2, 4]);
      assert.deepEqual(await producer.acknowledged(0), { shard: 0, offset: 1 });
      assert.deepEqual(await producer.acknowledged(6), { shard: 0, offset: 7 });
      assert.equal(after.offset, 8);
      const records = await collect(log.read());
      assert.deepEqual(records.map(({ offset }) => offset), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
      assert.deepEqual([records[1].keyText(), records[1].value, records[1].timestamp], ["k", null, 42]);
      assert.equal(records[1].headers.length, 2);
      assert.equal(records[2].text()!.length, 200_000);
      assert.deepEqual(records.slice(3, 8).map((r) => r.text()), ["in a batch", "and another", "z0", "z1", "z2"]);
      await producer.close();
    }));

  it("flushes by itself after the interval, by stride and by bytes", () =>
    useProducer({ flushIntervalMs: 20, stride: 4, flushBytes: 100_000 }, async (log, producer) => {
      const byTime = producer.tryAppend({ value: "1" }) as number;
      assert.equal(await outcomeOf(producer.acknowledged(byTime)), "pending");
      await producer.acknowledged(byTime);
      for (let i = 0; i < 4; i++) producer.tryAppend({ value: "1" });
      assert.equal(log.shard(0).nextOffset, 5);
      producer.tryAppend({ value: "x".repeat(100_000) });
      assert.equal(log.shard(0).nextOffset, 6);
      await producer.close();
    }));

  it("brings its records to the disk where that is asked for", () =>
    useProducer({ flushIntervalMs: 1 }, async (log, producer) => {
      const ticket = producer.tryAppend({ value: "1" }) as number;
      await producer.acknowledged(ticket);
      assert.equal(log.shard(0).synced, 0);
      await producer.acknowledged(ticket, "disk");
      assert.equal(log.shard(0).synced, 1);
      producer.tryAppend({ value: "2" });
      await producer.flush("disk");
      assert.equal(log.shard(0).synced, 2);
      await producer.close();
    }));

  it("answers BACKPRESSURE while nothing is written, has taken nothing then, and goes on afterwards", async () => {
    const gate = new Gate();
    const vfs = new ControlledVfs(({ kind, path }) =>
      kind === "write" && path.endsWith(".log") ? gate.passed : undefined
    );
    await useProducer({ vfs, flushBytes: 65_536 }, async (log, producer) => {
      try {
        let taken = 0;
        while (producer.tryAppend({ value: "x".repeat(1000) }) !== BACKPRESSURE) taken++;
        assert.ok(taken > 200 && taken < 270, `took ${taken}`);
        assert.equal(producer.tryAppend({ value: "x".repeat(1000) }), BACKPRESSURE);
        const controller = new AbortController();
        const given = producer.writable({ signal: controller.signal });
        const writable = producer.writable();
        assert.equal(await outcomeOf(writable), "pending");
        controller.abort(new Error("enough"));
        await assert.rejects(given, /enough/);
        gate.open();
        await writable;
        assert.equal(producer.tryAppend({ value: "last" }), taken);
        await producer.close();
        assert.equal(log.shard(0).written, taken + 1);
      } finally {
        gate.open();
      }
    });
  });

  it("learns why a shard was poisoned: those who wait the failure, those who come later POISONED", () =>
    useDirectory(async (directory) => {
      let isBroken = false;
      const vfs = new ControlledVfs((operation) => {
        if (isBroken && operation.kind === "write" && operation.path.endsWith(".log")) {
          throw diskFailure(operation, "NO_SPACE");
        }
      });
      const log = await openLog(directory, { vfs, topic: "log" });
      const producer = connectProducer(log.producer());
      const kept = producer.tryAppend({ value: "kept" }) as number;
      await producer.flush();
      isBroken = true;
      const lost = producer.tryAppend({ value: "lost" }) as number;
      const [acknowledged, flushed] = await Promise.allSettled([producer.acknowledged(lost), producer.flush()]);
      for (const result of [acknowledged, flushed]) {
        assert.equal(result.status, "rejected");
        assert.equal((result.reason as LogError).code, "DISK_FULL");
      }
      assert.throws(() => producer.tryAppend({ value: "more" }), (error: LogError) => {
        assert.equal(error.code, "POISONED");
        assert.deepEqual(error.range, [1, 1]);
        return true;
      });
      await assert.rejects(producer.writable(), { code: "POISONED" });
      assert.deepEqual(await producer.acknowledged(kept), { shard: 0, offset: 0 });
      await assert.rejects(producer.acknowledged(lost), { code: "DISK_FULL" });
      assert.throws(() => log.producer(), { code: "POISONED" });
      await assert.rejects(producer.close(), { code: "DISK_FULL" });
      await log.close();
    }));

  it("refuses what it cannot do", () =>
    useProducer({ shards: 2 }, async (log, producer) => {
      assert.throws(() => producer.tryAppend({ value: 7 as unknown as string }), TypeError);
      assert.throws(() => producer.tryAppend({ value: "x".repeat(300_000) }), { code: "RECORD_TOO_LARGE" });
      assert.throws(() => producer.tryAppendBatch(new Uint8Array(100), 0), { code: "BATCH_INVALID" });
      assert.throws(() => producer.tryAppendBatch(gzipped(["1"])), RangeError);
      assert.throws(() => producer.tryAppendBatch("no" as unknown as Uint8Array, 0), TypeError);
      for (const ticket of [0, -1, 0.5, NaN]) await assert.rejects(producer.acknowledged(ticket), RangeError);
      assert.throws(() => log.producer({ shard: 2 }), RangeError);
      for (const options of [{ leaseMs: 1 }, { bufferBytes: 10 }, { leaseMs: NaN }]) {
        assert.throws(() => log.producer(options), RangeError);
      }
      assert.throws(() => connectProducer({} as ProducerHandle), TypeError);
      assert.throws(() => connectProducer({ ...log.producer(), version: 99 }), { code: "UNSUPPORTED" });
      const handle = log.producer();
      const other = connectProducer(structuredClone(handle));
      assert.throws(() => connectProducer(handle), { code: "CONFLICT" });
      await other.close();
      await producer.close();
      await producer.close();
      assert.throws(() => producer.tryAppend({ value: "late" }), { code: "CLOSED" });
      await assert.rejects(producer.flush(), { code: "CLOSED" });
    }));

  it("with checkCrc writes no batch whose memory was damaged, and is locked out", async () => {
    const codes: string[] = [];
    await useProducers({ flushIntervalMs: Infinity, onError: ({ code }) => codes.push(code) }, async (log) => {
      const handle = log.producer({ checkCrc: true });
      const producer = connectProducer(handle);
      const ticket = producer.tryAppend({ value: "damaged" }) as number;
      const flushed = producer.flush();
      // The log's thread has not looked yet: it is this one.
      new ProducerMemory(contentOf(handle)).slab(0)[70] ^= 1;
      await assert.rejects(flushed, { code: "BATCH_INVALID" });
      await assert.rejects(producer.acknowledged(ticket), { code: "BATCH_INVALID" });
      assert.throws(() => producer.tryAppend({ value: "more" }), { code: "BATCH_INVALID" });
      await log.shard(0).flush();
      assert.equal(log.shard(0).written, 1);
      assert.deepEqual(codes, ["BATCH_INVALID"]);
      await assert.rejects(producer.close(), { code: "BATCH_INVALID" });
    });
  });

  it("of a log that can only be read is not made", () =>
    useDirectory(async (directory) => {
      await (await openLog(directory)).close();
      const log = await openLog(directory, { readOnly: true });
      assert.throws(() => log.producer(), { code: "READ_ONLY" });
      await log.close();
    }));
});

describe("the log's own thread beside a producer", () => {
  it("knows its offsets at once, whatever comes between", () =>
    useProducer({ flushIntervalMs: Infinity, stride: 2 }, async (log, producer) => {
      const shard = log.shard(0);
      const own: (number | symbol)[] = [];
      for (let i = 0; i < 6; i++) {
        own.push(shard.tryAppend({ value: `m${2 * i}` }), shard.tryAppend({ value: `m${2 * i + 1}` }));
        producer.tryAppend({ value: `p${i}` });
      }
      assert.deepEqual(own, [0, 1, 2, 3, 6, 7, 8, 9, 12, 13, 14, 15]);
      await Promise.all([log.flush(), producer.flush()]);
      const values = (await collect(log.read())).map((record) => record.text());
      assert.deepEqual(values.filter((value) => value![0] === "m"), own.map((_, i) => `m${i}`));
      for (const [i, offset] of own.entries()) assert.equal(values[offset as number], `m${i}`);
      await producer.close();
    }));

  it("does not keep a producer waiting with what it has not flushed itself", () =>
    useProducer({ flushIntervalMs: Infinity }, async (log, producer) => {
      assert.equal(log.shard(0).tryAppend({ value: "first" }), 0);
      assert.equal(log.shard(0).tryAppend({ value: "second" }), 1);
      producer.tryAppend({ value: "third" });
      await producer.flush();
      assert.equal(log.shard(0).written, 3);
      assert.equal(log.shard(0).tryAppend({ value: "fourth" }), 3);
      await producer.close();
    }));
});
