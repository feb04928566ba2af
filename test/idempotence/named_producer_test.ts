/** `log.idempotentProducer`: the records of one source, counted under its name. */
import assert from "node:assert/strict";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { BACKPRESSURE, type OpenOptions } from "../../mod.ts";
import { producerIdOf } from "../../src/log/idempotent_producer.ts";
import { CrashError, openMemoryLog } from "../../testing.ts";
import { fails, outcomeOf, reopen, useDirectory, useLog } from "../helpers.ts";
import { embedded } from "../kafka/embedded_place.ts";
import { sharedNumbered } from "../kafka/shared_numbered.ts";
import { produced, send, values } from "./batches.ts";

const OPTIONS: OpenOptions = { topic: "log" };

describe("a named producer", () => {
  sharedNumbered(false, embedded);

  it("takes a record alone that is larger than several in one call may be", () =>
    useLog(OPTIONS, async (log) => {
      const producer = await log.idempotentProducer("n");
      assert.notEqual(producer.tryAppend({ value: "x".repeat(2_000_000) }), BACKPRESSURE);
    }));

  it("asks for a log that can be written", () =>
    useDirectory(async (directory) => {
      await reopen(directory, OPTIONS, () => {});
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

describe("a batch that is sent again before it is written", () => {
  it("is acknowledged once that is, on the rung that was asked for", () =>
    useLog({ flushIntervalMs: Infinity }, async (log) => {
      const lines = await log.idempotentProducer("lines");
      const first = lines.append([{ value: "a" }, { value: "b" }]);
      const again = lines.append([{ value: "a" }, { value: "b" }], { sequence: 0 });
      const durable = lines.append([{ value: "a" }, { value: "b" }], { sequence: 0, durability: "disk" });
      for (const one of [first, again, durable]) assert.equal(await outcomeOf(one), "pending");
      assert.equal(log.shard(0).written, 0);
      await log.flush();
      assert.deepEqual([(await first).offset, (await again).offset], [0, 0]);
      await log.flush("disk");
      assert.equal((await durable).offset, 0);
      assert.equal(log.shard(0).nextOffset, 2);
    }));
});
