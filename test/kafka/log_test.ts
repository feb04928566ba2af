/** `openKafkaLog` against a real broker: the shared suite, and what only a cluster can do to a program. */
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { KafkaError, type KafkaLogOptions, openKafkaLog } from "../../kafka.ts";
import { type Codec, json, type Log, type LogRecord, type TypedRecord } from "../../mod.ts";
import { collect, fails } from "../helpers.ts";
import { Broker, whyNoKafka } from "./broker.ts";
import { createTopic } from "./create_topics.ts";
import type { UsePlace } from "./place.ts";
import { sharedBackup } from "./shared_backup.ts";
import { sharedConsumers } from "./shared_consumers.ts";
import { sharedProducers } from "./shared_producers.ts";
import { sharedNumbered } from "./shared_numbered.ts";
import { sharedReading } from "./shared_reading.ts";
import { sharedSuite } from "./shared_suite.ts";
import { sharedWorkers } from "./shared_workers.ts";

const skip = whyNoKafka();
let starting: Promise<Broker> | undefined;
let topics = 0;

/** One broker for the whole file. */
function theBroker(): Promise<Broker> {
  starting ??= Broker.create().then(async (broker) => {
    await broker.start();
    return broker;
  });
  return starting;
}

async function newTopic(
  partitions: number,
  settings: Record<string, string> = {},
): Promise<KafkaLogOptions & { broker: Broker }> {
  const broker = await theBroker();
  const topic = `topic-${topics++}`;
  await createTopic(broker, topic, partitions, settings);
  return { broker, brokers: broker.address, topic };
}

const cluster: UsePlace = async (shards, body) => {
  const { brokers, topic } = await newTopic(shards);
  // A program that moves changes this line.
  await body({ open: (options): Promise<Log> => openKafkaLog({ brokers, topic, shards, ...options }) });
};

// What holds on the embedded log as well; there the tests of its directories run these.
const suites = [
  sharedSuite,
  sharedReading,
  sharedConsumers,
  sharedNumbered,
  sharedBackup,
  sharedWorkers,
  sharedProducers,
];
for (const suite of suites) describe(`${suite.name} on a broker`, () => suite(skip, cluster));

describe("a log on a cluster", () => {
  after(async () => {
    await (await starting)?.remove();
  });

  it("says what is wrong with a topic, a number of shards, a record", { skip }, async () => {
    const { brokers, topic } = await newTopic(2, { "max.message.bytes": "20000" });
    const unknown = await fails("CONFLICT", () => openKafkaLog({ brokers, topic: "nowhere" }));
    assert.ok(unknown instanceof KafkaError || /UNKNOWN_TOPIC/.test(unknown.message), unknown.message);
    assert.match(
      (await fails("CONFLICT", () => openKafkaLog({ brokers, topic, shards: 3 }))).message,
      /2 partitions, not 3/,
    );
    const log = await openKafkaLog({ brokers, topic });
    const tooLarge = await fails("RECORD_TOO_LARGE", () => log.append({ key: "k", value: "x".repeat(30_000) }));
    assert.match(tooLarge.message, /20000/);
    const { shard, offset } = await log.append({ key: "k", value: "x".repeat(15_000) });
    assert.equal((await log.get({ shard, offset }))?.value?.length, 15_000);
    await fails("UNSUPPORTED", () => log.user("k"));
    await log.close();
  });

  it("takes and hands out messages, with a codec, and its shards take bytes", { skip }, async () => {
    const { brokers, topic } = await newTopic(2);
    await using log = await openKafkaLog({ brokers, topic, codec: json<{ item: string }>() });
    const place = await log.append({ key: "alice", message: { item: "tea" } });
    await log.append({ key: "alice", message: null });
    const shard = log.shardFor("alice");
    shard.tryAppend({ key: "alice", value: "no JSON" });
    assert.equal(await shard.placed(2), 2);
    assert.deepEqual((await log.get(place))?.message, { item: "tea" });
    const records: TypedRecord<{ item: string }>[] = [];
    for await (const record of log.read({ follow: true, limit: 3 })) records.push(record);
    assert.deepEqual(records.slice(0, 2).map(({ message }) => message), [{ item: "tea" }, null]);
    assert.throws(() => records[2].message, { code: "UNSUPPORTED" });
    assert.equal(records[2].text(), "no JSON");
    const codec = { encode: 1 } as unknown as Codec<string>;
    await assert.rejects(openKafkaLog({ brokers, topic, codec }), TypeError);
  });

  it("numbers are offsets again once nobody else writes", { skip }, async () => {
    const { brokers, topic } = await newTopic(1);
    const [one, other] = [await openKafkaLog({ brokers, topic }), await openKafkaLog({ brokers, topic })];
    await one.append({ value: "a" });
    await one.append({ value: "b" });
    assert.deepEqual(await other.append({ value: "c" }), { shard: 0, offset: 2 });
    assert.equal(other.shard(0).nextOffset, 3);
    await Promise.all([one.close(), other.close()]);
  });

  it("every record arrives once and in order, whenever the broker is killed", { skip }, async () => {
    const { broker, brokers, topic } = await newTopic(2);
    const log = await openKafkaLog({ brokers, topic, batchBytes: 4096, requestTimeoutMs: 5000 });
    const seen: LogRecord[] = [];
    const following = (async () => {
      for await (const record of log.read({ follow: true })) seen.push(record);
    })();
    let appended = 0;
    let isOver = false;
    const writing = [0, 1, 2, 3].map(async (writer) => {
      for (let i = 0; !isOver; i++) {
        await log.append({ key: `writer-${writer}`, value: `${i}` });
        appended++;
      }
    });
    for (let kill = 0; kill < 2; kill++) {
      await new Promise((resolve) => setTimeout(resolve, 700));
      await broker.kill();
      await broker.start();
    }
    await new Promise((resolve) => setTimeout(resolve, 1500));
    isOver = true;
    await Promise.all(writing);
    const stored = await collect(log.read());
    for (let i = 0; seen.length < stored.length && i < 100; i++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await log.close();
    await following;
    assert.ok(appended > 50, `only ${appended} records`);
    assert.equal(stored.length, appended);
    for (const records of [stored, seen]) {
      for (const writer of [0, 1, 2, 3]) {
        const own = records.filter((record) => record.keyText() === `writer-${writer}`).sort((a, b) =>
          a.offset - b.offset
        );
        assert.deepEqual(own.map((record) => Number(record.text())), own.map((_, i) => i), `writer ${writer}`);
      }
    }
  });

  it("gives up on a broker that stays away, and says what is not acknowledged", { skip }, async () => {
    const { broker, brokers, topic } = await newTopic(1);
    const errors: string[] = [];
    const onError = (error: Error) => void errors.push(error.message);
    const log = await openKafkaLog({ brokers, topic, patienceMs: 500, requestTimeoutMs: 1000, onError });
    await log.append({ value: "a" });
    await broker.stop();
    await fails("IO", () => log.append({ value: "b" }));
    const { message } = await fails("POISONED", () => log.append({ value: "c" }));
    assert.match(message, /offset 1 on are not acknowledged/);
    assert.equal(errors.length, 1);
    await fails("POISONED", () => log.close());
    await fails("IO", () => openKafkaLog({ brokers, topic, patienceMs: 300 }));
    await broker.start();
    const again = await openKafkaLog({ brokers, topic });
    assert.equal((await collect(again.read()))[0].text(), "a");
    await again.close();
  });
});
