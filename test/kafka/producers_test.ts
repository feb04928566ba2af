/** Producers in worker threads of a log on a cluster: what only a cluster can do to them. */
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { type KafkaLog, type KafkaLogOptions, openKafkaLog } from "../../kafka.ts";
import { BatchBuilder, type LogError } from "../../mod.ts";
import { connectProducer } from "../../producer.ts";
import { ATTRIBUTES_AT, CRC_AT, CRC_FROM, TRANSACTIONAL } from "../../src/batch/format.ts";
import { crc32c } from "../../src/batch/crc32c.ts";
import { writeI32, writeU16 } from "../../src/bytes.ts";
import { collect, fails } from "../helpers.ts";
import { expectUnion } from "../producer/expect.ts";
import { useThreads } from "../producer/threads.ts";
import { Broker, whyNoKafka } from "./broker.ts";
import { createTopic } from "./create_topics.ts";

const skip = whyNoKafka();
let starting: Promise<Broker> | undefined;
let topics = 0;

/** One broker for the whole file. */
async function opened(
  partitions: number,
  options: Partial<KafkaLogOptions> = {},
  settings: Record<string, string> = {},
): Promise<{ broker: Broker; log: KafkaLog; again: () => Promise<KafkaLog> }> {
  starting ??= Broker.create().then(async (broker) => {
    await broker.start();
    return broker;
  });
  const broker = await starting;
  const topic = `producers-${topics++}`;
  await createTopic(broker, topic, partitions, settings);
  const again = () => openKafkaLog({ brokers: broker.address, topic, flushIntervalMs: 2, ...options });
  return { broker, log: await again(), again };
}

const texts = async (log: KafkaLog) => (await collect(log.read())).map((record) => record.text());

describe("a producer in a worker of a log on a cluster", () => {
  after(async () => {
    await (await starting)?.remove();
  });

  it("is told numbers that are offsets as long as nobody else writes, and again once all is acknowledged", {
    skip,
  }, async () => {
    const { log, again } = await opened(1);
    const other = await again();
    const producer = connectProducer(log.producer());
    const place = async (value: string) => {
      const ticket = producer.tryAppend({ value }) as number;
      return (await producer.acknowledged(ticket)).offset;
    };
    assert.equal(await place("a"), 0);
    assert.equal((await other.append({ value: "x" })).offset, 1);
    assert.equal((await other.append({ value: "y" })).offset, 2);
    // Told where it was thought to be; now it is known.
    assert.equal(await place("b"), 1);
    assert.equal(await place("c"), 4);
    assert.equal(log.shard(0).tryAppend({ value: "d" }), 5);
    await producer.close();
    await Promise.all([log.flush(), other.close()]);
    assert.deepEqual(await texts(log), ["a", "x", "y", "b", "c", "d"]);
    await log.close();
  });

  it("leaves no hole where it dies in a claim: numbers are higher from then on, and append knows the offset", {
    skip,
  }, () =>
    useThreads(async (start) => {
      const { log } = await opened(1);
      await log.append({ value: "a" });
      const dead = start(log.producer({ leaseMs: 100 }), { kind: "hang", offsets: 5, shard: 0 });
      await dead.next();
      await dead.end();
      assert.equal(log.shard(0).tryAppend({ value: "b" }), 6);
      assert.equal((await log.append({ value: "c" })).offset, 2);
      const producer = connectProducer(log.producer({ leaseMs: 100 }));
      const ticket = producer.tryAppend({ value: "d" }) as number;
      assert.equal((await producer.acknowledged(ticket)).offset, 8);
      await producer.close();
      assert.deepEqual((await collect(log.read())).map(({ offset }) => offset), [0, 1, 2, 3]);
      assert.deepEqual(await texts(log), ["a", "b", "c", "d"]);
      await log.close();
    }));

  it("refuses a record above the topic's limit by itself", { skip }, async () => {
    const { log } = await opened(1, {}, { "max.message.bytes": "20000" });
    const producer = connectProducer(log.producer());
    const { message } = await fails("RECORD_TOO_LARGE", () => producer.tryAppend({ value: "x".repeat(19_960) }));
    assert.match(message, /20000/);
    await fails("RECORD_TOO_LARGE", () => log.append({ value: "x".repeat(19_960) }));
    for (let i = 0; i < 20; i++) producer.tryAppend({ value: `${i}`.padEnd(15_000) });
    producer.tryAppend({ value: "x".repeat(19_900) });
    const { offset } = await log.append({ value: "x".repeat(19_900) });
    await producer.close();
    assert.equal(offset, 20);
    assert.equal((await texts(log)).length, 22);
    await log.close();
  });

  it("is locked out where it gives a batch of somebody's transaction", { skip }, async () => {
    const errors: LogError[] = [];
    const { log } = await opened(1, { onError: (error) => errors.push(error) });
    const producer = connectProducer(log.producer({ leaseMs: 50 }));
    const builder = new BatchBuilder();
    builder.add({ value: "a" });
    const batch = builder.finish();
    writeU16(batch, ATTRIBUTES_AT, TRANSACTIONAL);
    writeI32(batch, CRC_AT, crc32c(batch, CRC_FROM, batch.length));
    producer.tryAppendBatch(batch);
    await fails("BATCH_INVALID", () => producer.flush());
    assert.deepEqual(errors.map(({ code }) => code), ["BATCH_INVALID"]);
    await log.append({ value: "b" });
    assert.deepEqual(await texts(log), ["b"]);
    await fails("BATCH_INVALID", () => producer.close());
    await log.close();
  });

  it(
    "brings every record once and in order, whenever the broker is killed",
    { skip },
    () =>
      useThreads(async (start) => {
        const { broker, log } = await opened(2, { requestTimeoutMs: 5000 });
        const count = 60_000;
        const threads = ["a", "b"].map((name) =>
          start(log.producer({ bufferBytes: 131_072 }), { kind: "append", name, count, bytes: 200, keys: 20 })
        );
        const said = Promise.all(threads.map((thread) => thread.next()));
        let isOver = false;
        void said.finally(() => isOver = true);
        let own = 0;
        const writing = (async () => {
          while (!isOver) await log.append({ key: "main", value: `main:${own++}` });
        })();
        while (log.stats().total.messagesWritten < count / 10) await new Promise((resolve) => setTimeout(resolve, 5));
        await broker.kill();
        await broker.start();
        for (const { is } of await said) assert.equal(is, "done");
        await writing;
        const shards = await Promise.all(log.shards.map(({ id }) => collect(log.read({ shard: id }))));
        expectUnion(shards, { a: count, b: count, main: own });
        for (const records of shards) {
          assert.deepEqual(records.map(({ offset }) => offset), records.map((_, offset) => offset));
        }
        await log.close();
      }),
  );

  it("learns that the broker stays away: who waits why, and who comes later what is not acknowledged", {
    skip,
  }, async () => {
    const { broker, log } = await opened(1, { patienceMs: 500, requestTimeoutMs: 1000 });
    const producer = connectProducer(log.producer({ bufferBytes: 131_072 }));
    producer.tryAppend({ value: "kept" });
    await producer.flush();
    await broker.stop();
    try {
      const lost = producer.tryAppend({ value: "lost" }) as number;
      // More than its memory holds, and its slabs come back.
      while (typeof producer.tryAppend({ value: "x".repeat(10_000) }) === "number");
      await fails("IO", () => producer.acknowledged(lost));
      const late = await fails("POISONED", () => producer.tryAppend({ value: "late" }));
      assert.match(late.message, /offset 1 on are not acknowledged/);
      assert.deepEqual(await producer.acknowledged(0), { shard: 0, offset: 0 });
      await fails("IO", () => producer.close());
      await fails("POISONED", () => log.producer());
      await fails("POISONED", () => log.close());
    } finally {
      await broker.start();
    }
  });
});
