/** What producers in worker threads do, wherever their log is. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { BACKPRESSURE, BatchBuilder, type Log, type LogError, type LogRecord } from "../../mod.ts";
import { connectProducer, type ProducerHandle } from "../../producer.ts";
import { collect, fails, take, until } from "../helpers.ts";
import { byName, expectUnion } from "../producer/expect.ts";
import { type startThread, useThreads } from "../producer/threads.ts";
import { life, type Place, type PlaceOptions, type UsePlace } from "./place.ts";

const leaseMs = 300;

/** All records by shard. */
function readAll(log: Log): Promise<LogRecord[][]> {
  return Promise.all(log.shards.map(({ id }) => collect(log.read({ shard: id }))));
}

/** Appends `main:0` and on in pieces, so that others get their turn; answers which place each one has. */
async function appendHere(log: Log, count: number, keys = 0): Promise<{ shard: number; offset: number }[]> {
  const places: { shard: number; offset: number }[] = [];
  for (let i = 0; i < count; i++) {
    const record = { ...(keys > 0 ? { key: `user ${i % keys}` } : {}), value: `main:${i}` };
    const shard = keys > 0 ? log.shardFor(`user ${i % keys}`) : log.shard(0);
    for (;;) {
      const offset = shard.tryAppend(record);
      if (offset !== BACKPRESSURE) {
        places.push({ shard: shard.id, offset });
        break;
      }
      await shard.writable();
    }
    if (i % 100 === 99) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await log.flush();
  return places;
}

/** Registers the tests. */
export function sharedProducers(skip: string | false, use: UsePlace): void {
  const test = (
    title: string,
    shards: number,
    options: PlaceOptions,
    body: (log: Log, start: typeof startThread, place: Place) => Promise<void>,
  ) =>
    it(
      title,
      { skip },
      () =>
        use(shards, (place) =>
          useThreads((start) =>
            life(place, (log) => body(log, start, place), { flushIntervalMs: 2, ...options })
          )),
    );

  test(
    "workers append beside the log's own thread, and all know where their records are",
    1,
    {},
    async (log, start) => {
      const count = 10_000;
      await log.append({ value: "main:0" });
      const threads = ["a", "b"].map((name) => start(log.producer(), { kind: "append", name, count }));
      const places = await appendHere(log, count);
      const said = await Promise.all(threads.map((thread) => thread.next()));
      const [records] = await readAll(log);
      assert.equal(records.shift()!.text(), "main:0");
      expectUnion([records], { a: count, b: count, main: count });
      for (const [i, { offset }] of places.entries()) assert.equal(records[offset - 1].text(), `main:${i}`);
      const numbers = [0, 1, count / 2, count - 1];
      for (const [i, name] of ["a", "b"].entries()) {
        for (const [k, { offset }] of said[i].places!.entries()) {
          assert.equal(records[offset - 1].offset, offset);
          assert.equal(records[offset - 1].text(), `${name}:${numbers[k]}`);
        }
      }
      assert.deepEqual([log.shard(0).nextOffset, log.shard(0).written], [3 * count + 1, 3 * count + 1]);
    },
  );

  test("they append by key, without one, and to one shard only", 3, { compression: "gzip" }, async (log, start) => {
    const count = 5000;
    const keyed = start(log.producer(), { kind: "append", name: "keyed", count, keys: 50 });
    const one = start(log.producer({ shard: 1 }), { kind: "append", name: "one", count });
    const all = start(log.producer(), { kind: "append", name: "all", count, bytes: 1000 });
    await appendHere(log, count, 50);
    const [, said] = await Promise.all([keyed.next(), one.next(), all.next()]);
    assert.deepEqual(new Set(said.places!.map(({ shard }) => shard)), new Set([1]));
    const shards = await readAll(log);
    expectUnion(shards, { keyed: count, one: count, all: count, main: count });
    for (const [id, records] of shards.entries()) {
      assert.ok(records.some((record) => record.text()!.startsWith("all:")));
      for (const record of records.filter(({ key }) => key !== null)) {
        assert.equal(log.shardFor(record.keyText()!).id, id);
      }
    }
    assert.equal(log.stats().total.messagesWritten, 4 * count);
  });

  test("they wait for room in their own memory", 1, {}, async (log, start) => {
    const count = 20_000;
    const handle = log.producer({ bufferBytes: 131_072 });
    const said = await start(handle, { kind: "append", name: "a", count, bytes: 100 }).next();
    assert.ok(said.refusals! > 0, "there was no backpressure");
    expectUnion(await readAll(log), { a: count });
  });

  test("nobody waits longer than the lease for a worker that was terminated in a claim", 1, {}, async (log, start) => {
    const dead = start(log.producer({ leaseMs }), { kind: "hang", offsets: 7, shard: 0 });
    await dead.next();
    await dead.end();
    const began = performance.now();
    const said = start(log.producer({ leaseMs }), { kind: "append", name: "a", count: 1000 }).next();
    const place = await log.append({ value: "main:0" });
    const tookMs = performance.now() - began;
    assert.ok(tookMs >= leaseMs - 20 && tookMs < leaseMs + 2000, `the lease is ${leaseMs} ms, it took ${tookMs} ms`);
    await said;
    assert.equal((await log.get(place))?.text(), "main:0");
    assert.equal(log.shard(0).state, "open");
    expectUnion(await readAll(log), { a: 1000, main: 1 });
  });

  test("closing waits for a worker that hangs in a claim, by its lease", 1, {}, async (log, start, place) => {
    await log.append({ value: "main:0" });
    const hanging = start(log.producer({ leaseMs }), { kind: "hang", offsets: 3, shard: 0 });
    await hanging.next();
    const began = performance.now();
    await log.close();
    const tookMs = performance.now() - began;
    assert.ok(tookMs >= leaseMs - 20 && tookMs < leaseMs + 2000, `the lease is ${leaseMs} ms, it took ${tookMs} ms`);
    const again = await place.open();
    expectUnion(await readAll(again), { main: 1 });
    await again.close();
  });

  test("a worker that only slept in a claim loses nothing, and writes nothing twice", 1, {}, async (log, start) => {
    const slow = start(log.producer({ leaseMs: 50 }), { kind: "stall", name: "slow", count: 500, sleepMs: 600 });
    assert.equal((await slow.next()).is, "ready");
    await log.append({ value: "main:0" });
    await log.append({ value: "main:1" });
    assert.equal((await slow.next()).is, "done");
    expectUnion(await readAll(log), { slow: 500, main: 2 });
  });

  test("the log's own thread may append so much behind it, and no more", 1, {
    flushIntervalMs: Infinity,
  }, async (log, start) => {
    const dead = start(log.producer({ leaseMs: 1500 }), { kind: "hang", offsets: 2, shard: 0 });
    await dead.next();
    const shard = log.shard(0);
    const flushed: Promise<number>[] = [];
    while (shard.tryAppend({ value: `main:${flushed.length}` }) !== BACKPRESSURE) flushed.push(shard.flush());
    assert.equal(flushed.length, 1024);
    assert.equal(shard.written, 0);
    await shard.writable();
    assert.equal(shard.tryAppend({ value: `main:${flushed.length}` }), 2 + flushed.length);
    await Promise.all(flushed);
    await shard.flush();
    expectUnion(await readAll(log), { main: flushed.length + 1 });
  });

  it(
    "what is no batch is not written, and its worker is locked out",
    { skip },
    () =>
      use(1, (place) =>
        useThreads(async (start) => {
          const errors: LogError[] = [];
          const log = await place.open({ flushIntervalMs: 2, onError: (error) => errors.push(error) });
          const bad = start(log.producer({ leaseMs }), { kind: "garbage", offsets: 11 });
          assert.equal((await bad.next()).is, "done");
          await until(() => errors.length > 0, "the error");
          const said = start(log.producer({ leaseMs }), { kind: "append", name: "a", count: 1000 }).next();
          await log.append({ value: "main:0" });
          await said;
          assert.deepEqual(errors.map(({ code }) => code), ["BATCH_INVALID"]);
          assert.equal(log.shard(0).state, "open");
          expectUnion(await readAll(log), { a: 1000, main: 1 });
          await log.close();
        })),
  );

  test("one that was fenced is refused, and what it had published is there", 1, {}, async (log, start) => {
    const handle = log.producer();
    const endless = start(handle, { kind: "endless", name: "a" });
    await endless.next();
    await until(() => log.shard(0).written > 0, "the first records");
    log.fence(handle);
    let said = await endless.next();
    while (said.is === "ready") said = await endless.next();
    assert.deepEqual([said.code, said.flushed], ["CLOSED", "CLOSED"]);
    await log.append({ value: "main:0" });
    const [records] = await readAll(log);
    const numbers = byName(records).get("a")!;
    assert.ok(numbers.length >= said.acknowledged!);
    assert.deepEqual(numbers, numbers.map((_, i) => i));
  });

  test("they learn that the log was closed", 1, {}, async (log, start, place) => {
    const threads = ["a", "b"].map((name) => start(log.producer(), { kind: "endless", name }));
    await Promise.all(threads.map((thread) => thread.next()));
    await until(() => log.shard(0).written > 0, "the first records");
    const closing = log.close();
    await fails("CLOSED", () => log.producer());
    await closing;
    let kept = 0;
    for (const thread of threads) {
      let said = await thread.next();
      while (said.is === "ready") said = await thread.next();
      assert.equal(said.code, "CLOSED");
      assert.match(said.flushed!, /^(all|CLOSED)$/);
      assert.ok(said.acknowledged! <= log.shard(0).written);
      if (said.flushed === "all") kept += said.taken!;
    }
    assert.ok(log.shard(0).written >= kept);
    const again = await place.open();
    const [records] = await readAll(again);
    assert.equal(records.length, log.shard(0).written);
    for (const [name, numbers] of byName(records)) assert.deepEqual(numbers, numbers.map((_, i) => i), name);
    await again.close();
  });

  test("batches and records larger than one come in between, from both", 1, {
    batchBytes: 1024,
    flushIntervalMs: Infinity,
  }, async (log) => {
    const producer = connectProducer(log.producer());
    const batch = (...values: string[]) => {
      const builder = new BatchBuilder({ compression: "gzip" });
      for (const value of values) builder.add({ value, timestamp: 1 });
      return builder.finish();
    };
    const shard = log.shard(0);
    assert.equal(take(shard, { value: "a".repeat(500_000) }), 0);
    assert.equal(shard.tryAppendBatch(batch("b".repeat(1000), "c")), 1);
    assert.equal(take(shard, { value: "d" }), 3);
    const large = producer.tryAppend({ key: "k", value: "e".repeat(500_000), headers: [["h", "1"]], timestamp: 42 });
    assert.equal(producer.tryAppendBatch(batch("f", "g".repeat(1000))), 1);
    await producer.flush();
    assert.deepEqual(await producer.acknowledged(large as number), { shard: 0, offset: 4 });
    assert.equal(shard.tryAppendBatch(batch("h")), 7);
    assert.equal(take(shard, { value: "i" }), 8);
    await shard.flush("disk");
    assert.equal(shard.synced, 9);
    const records = await collect(log.read());
    assert.deepEqual(records.map((record) => record.text()![0]).join(""), "abcdefghi");
    assert.deepEqual([records[4].keyText(), records[4].timestamp, records[4].headers.length], ["k", 42, 1]);
    await producer.close();
  });

  test("they refuse what they cannot do", 2, {}, async (log) => {
    const handle = log.producer({ bufferBytes: 262_144 });
    const producer = connectProducer(structuredClone(handle));
    assert.deepEqual(producer.shards, [0, 1]);
    await fails("CONFLICT", () => connectProducer(handle));
    assert.throws(() => connectProducer({} as ProducerHandle), TypeError);
    await fails("RECORD_TOO_LARGE", () => producer.tryAppend({ value: "x".repeat(300_000) }));
    await fails("BATCH_INVALID", () => producer.tryAppendBatch(new Uint8Array(100), 0));
    for (const ticket of [0, -1, 0.5]) await assert.rejects(producer.acknowledged(ticket), RangeError);
    assert.throws(() => log.producer({ shard: 2 }), RangeError);
    for (const options of [{ leaseMs: 1 }, { bufferBytes: 10 }]) assert.throws(() => log.producer(options), RangeError);
    await producer.close();
    await fails("CLOSED", () => producer.tryAppend({ value: "late" }));
    await log.close();
    await fails("CLOSED", () => log.producer());
    log.fence(handle);
  });
}
