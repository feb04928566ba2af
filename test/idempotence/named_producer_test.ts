/** `log.idempotentProducer`: the records of one source, counted under its name. */
import assert from "node:assert/strict";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { BACKPRESSURE, type OpenOptions } from "../../mod.ts";
import { producerIdOf } from "../../src/log/idempotent_producer.ts";
import { SEQUENCES } from "../../src/batch/producer_fields.ts";
import { CrashError, openMemoryLog } from "../../testing.ts";
import { fails, reopen, useDirectory, useLog } from "../helpers.ts";
import { produced, send, values } from "./batches.ts";

const OPTIONS: OpenOptions = { topic: "log" };

describe("a named producer", () => {
  it("counts its records, over restarts, and knows the last one's offset", () =>
    useDirectory(async (directory) => {
      await reopen(directory, OPTIONS, async (log) => {
        const producer = await log.idempotentProducer("importer-7");
        assert.deepEqual([producer.nextSequence, producer.lastSequence, producer.lastOffset], [0, -1, -1]);
        assert.deepEqual(await producer.append({ value: "0" }), { shard: 0, offset: 0 });
        await log.append({ value: "other" });
        assert.deepEqual(await producer.append([{ value: "1" }, { key: "k", value: "2" }]), { shard: 0, offset: 2 });
        assert.equal(producer.tryAppend({ value: "3" }), 4);
        assert.deepEqual([producer.nextSequence, producer.lastSequence, producer.lastOffset], [4, 3, 4]);
      });
      await reopen(directory, OPTIONS, async (log) => {
        const producer = await log.idempotentProducer("importer-7");
        assert.deepEqual([producer.nextSequence, producer.lastOffset], [4, 4]);
        assert.equal((await log.idempotentProducer("importer-8")).nextSequence, 0);
        assert.deepEqual(await values(log), ["0", "other", "1", "2", "3"]);
      });
    }));

  it("does not write again what it is given again with its number", () =>
    useLog(OPTIONS, async (log) => {
      const producer = await log.idempotentProducer("n");
      for (let n = 0; n < 8; n++) await producer.append([{ value: "a" }, { value: "b" }], { sequence: n * 2 });
      assert.deepEqual(await producer.append([{ value: "a" }, { value: "b" }], { sequence: 8 }), {
        shard: 0,
        offset: 8,
      });
      assert.equal(log.shard(0).nextOffset, 16);
      const old = await fails("CONFLICT", () => producer.append([{ value: "a" }, { value: "b" }], { sequence: 2 }));
      assert.deepEqual([old.reason, old.expected, old.actual], ["DUPLICATE_SEQUENCE_NUMBER", 16, 2]);
      const gap = await fails("CONFLICT", () => producer.append({ value: "a" }, { sequence: 17 }));
      assert.deepEqual([gap.reason, gap.expected, gap.actual], ["OUT_OF_ORDER_SEQUENCE_NUMBER", 16, 17]);
      const far = await fails("CONFLICT", () => producer.append({ value: "a" }, { sequence: SEQUENCES }));
      assert.deepEqual([far.reason, far.expected, far.actual], ["OUT_OF_ORDER_SEQUENCE_NUMBER", 16, SEQUENCES]);
    }));

  it("goes on counting behind 2^31 records", () =>
    useLog(OPTIONS, async (log) => {
      const producer = await log.idempotentProducer("n", { firstSequence: SEQUENCES - 3 });
      assert.equal(producer.nextSequence, SEQUENCES - 3);
      await producer.append({ value: "a" });
      assert.throws(
        () => producer.tryAppend([{ value: "b" }, { value: "c" }, { value: "d" }]),
        /the first 2 on their own/,
      );
      await producer.append([{ value: "b" }, { value: "c" }]);
      assert.equal(producer.nextSequence, SEQUENCES);
      await producer.append({ value: "d" });
      assert.equal(producer.nextSequence, SEQUENCES + 1);
      assert.equal((await producer.append({ value: "d" }, { sequence: SEQUENCES })).offset, 3);
      const old = await fails("CONFLICT", () => producer.append({ value: "a" }, { sequence: SEQUENCES - 3 }));
      assert.equal(old.reason, "DUPLICATE_SEQUENCE_NUMBER");
    }));

  it("keeps the order of its calls where they wait for room, and gives up with a signal", () =>
    useLog({ ...OPTIONS, maxBufferPerShard: 1024, flushIntervalMs: 1 }, async (log) => {
      const producer = await log.idempotentProducer("n");
      const all = Array.from({ length: 50 }, (_, n) => producer.append({ value: String(n).padStart(300, "0") }));
      const controller = new AbortController();
      const late = producer.append({ value: "late" }, { signal: controller.signal });
      controller.abort(new Error("enough"));
      await assert.rejects(late, /enough/);
      assert.deepEqual((await Promise.all(all)).map(({ offset }) => offset), Array.from({ length: 50 }, (_, n) => n));
      assert.deepEqual((await values(log)).map(Number), Array.from({ length: 50 }, (_, n) => n));
    }));

  it("refuses what cannot be one call", () =>
    useLog(OPTIONS, async (log) => {
      const producer = await log.idempotentProducer("n");
      assert.throws(() => producer.tryAppend([]), RangeError);
      assert.throws(
        () => producer.tryAppend(Array.from({ length: 3 }, () => ({ value: "x".repeat(400_000) }))),
        /first 2/,
      );
      assert.throws(() => producer.tryAppend({ value: 5 as unknown as string }), TypeError);
      assert.throws(() => producer.tryAppend(null as unknown as []), TypeError);
      assert.throws(() => producer.tryAppend({ value: "x" }, { sequence: -1 }), RangeError);
      assert.equal(producer.nextSequence, 0);
      assert.notEqual(producer.tryAppend({ value: "x".repeat(2_000_000) }), BACKPRESSURE);
    }));

  it("asks for its shard, a name, and a log that can be written", () =>
    useDirectory(async (directory) => {
      await reopen(directory, { shards: 2 }, async (log) => {
        await assert.rejects(log.idempotentProducer("n"), TypeError);
        for (const name of ["", "x".repeat(1025), 5 as unknown as string]) {
          await assert.rejects(log.idempotentProducer(name, { shard: 0 }), TypeError);
        }
        await assert.rejects(log.idempotentProducer("n", { shard: 2 }), RangeError);
        await assert.rejects(log.idempotentProducer("n", { shard: 0, firstSequence: -1 }), RangeError);
        const [a, b] = [
          await log.idempotentProducer("n", { shard: 0 }),
          await log.idempotentProducer("n", { shard: 1 }),
        ];
        await a.append([{ value: "1" }, { value: "2" }]);
        await b.append({ value: "1" });
        assert.deepEqual([a.nextSequence, b.nextSequence, a.id === b.id], [2, 1, true]);
      });
      await reopen(
        directory,
        { readOnly: true },
        (log) => fails("READ_ONLY", () => log.idempotentProducer("n", { shard: 0 })),
      );
    }));

  it("has an id that depends on its name alone, beyond those of brokers", () => {
    assert.equal(producerIdOf("importer-7"), producerIdOf("importer-7"));
    assert.equal(producerIdOf("importer-7"), 5_872_409_451_566_438);
    const ids = new Set(Array.from({ length: 50_000 }, (_, n) => producerIdOf(`name ${n}`)));
    assert.equal(ids.size, 50_000);
    for (const id of ids) assert.ok(Number.isSafeInteger(id) && id >= 2 ** 52);
  });

  it("is not taken for new where nobody can tell", () =>
    useDirectory(async (directory) => {
      const options: OpenOptions = { ...OPTIONS, segmentBytes: 1024 };
      await reopen(directory, options, async (log) => {
        const producer = await log.idempotentProducer("n");
        for (let n = 0; n < 20; n++) await producer.append({ value: "x".repeat(200) });
      });
      const shard = join(directory, "log-0");
      const logs = readdirSync(shard).filter((name) => name.endsWith(".log")).sort();
      // As retention does; and then all snapshots are lost, too.
      for (const name of logs.slice(0, 2)) rmSync(join(shard, name));
      await reopen(directory, options, async (log) => {
        assert.equal((await log.idempotentProducer("n")).nextSequence, 20);
      });
      for (const name of readdirSync(shard)) if (name.endsWith(".snapshot")) rmSync(join(shard, name));
      await reopen(directory, options, async (log) => {
        assert.equal((await log.idempotentProducer("n")).nextSequence, 20, "found in the batches that are left");
        const error = await fails("CORRUPT_FILE", () => log.idempotentProducer("other"));
        assert.match(error.message, /firstSequence/);
        assert.equal((await log.idempotentProducer("other", { firstSequence: 12 })).nextSequence, 12);
        // What a broker calls a producer that it does not know.
        assert.equal(await send(log.shard(0), produced(3, 0, 100)), 20);
      });
    }));

  for (const kind of ["process", "power"] as const) {
    it(`goes on after a crash where it was, every record exactly once: ${kind}`, async () => {
      for (let seed = 1; seed <= 20; seed++) {
        let log = await openMemoryLog({ seed, segmentBytes: 2048 });
        for (let life = 0; life < 5; life++) {
          log.plan({ fault: "stop", nth: 1 + (seed * 11 + life * 29) % 90 });
          let acknowledged = 0;
          try {
            const producer = await log.idempotentProducer("importer");
            for (let n = producer.nextSequence; n < 60; n = producer.nextSequence) {
              await producer.append([{ value: `${n}` }, { value: `${n + 1}` }], {
                durability: n % 3 === 0 ? "disk" : "os",
              });
              if (kind === "process" || n % 3 === 0) acknowledged = n + 2;
            }
          } catch (error) {
            if (!(error instanceof CrashError)) throw error;
          }
          log = await log.crash(kind, seed + life);
          const found = await values(log);
          assert.deepEqual(found, Array.from({ length: found.length }, (_, n) => `${n}`), `seed ${seed}`);
          assert.ok(found.length >= acknowledged && found.length % 2 === 0, `seed ${seed}`);
        }
        const producer = await log.idempotentProducer("importer");
        assert.equal(producer.nextSequence, (await values(log)).length);
        await log.close();
      }
    });
  }
});
