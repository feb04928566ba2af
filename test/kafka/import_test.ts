/** What a real broker has written becomes a log: every record is what the console consumer says. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { importFromKafka, openKafkaLog } from "../../kafka.ts";
import { openLog } from "../../mod.ts";
import { concat, referenceBatch, simpleBatch } from "../fixtures/reference_batch.ts";
import { collect, fails, namesIn, take, texts, until, useDirectory } from "../helpers.ts";
import { type Broker, useBroker, whyNoKafka } from "./broker.ts";
import { consoleLine, consumeLines, sortLines } from "./console.ts";
import { createTopic } from "./create_topics.ts";

const FIRST = "00000000000000000000.log";
const PARSE = ["--reader-property", "parse.key=true", "--reader-property", "key.separator=:"];
const HEADERS = ["--reader-property", "parse.headers=true", "--reader-property", "headers.delimiter=\t"];

async function produce(
  broker: Broker,
  topic: string,
  lines: readonly string[],
  words: readonly string[] = [],
): Promise<void> {
  const input = lines.join("\n") + "\n";
  await broker.tool("org.apache.kafka.tools.ConsoleProducer", ["--topic", topic, ...PARSE, ...words], { input });
}

/** Three rounds of the same keys, and a last segment in front of which everything may be compacted. */
async function compacted(broker: Broker): Promise<void> {
  const settings = { "cleanup.policy": "compact", "segment.ms": "200", "min.cleanable.dirty.ratio": "0.01" };
  await createTopic(broker, "compacted", 1, settings);
  // One producer: its last batch is the only one that a broker keeps although nothing is left in it.
  const log = await openKafkaLog({ brokers: broker.address, topic: "compacted" });
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 20; i++) take(log.shard(0), { key: `k${i}`, value: `round ${round}` });
    await log.flush();
    await new Promise((resolve) => setTimeout(resolve, 300)); // The next round begins a segment.
  }
  await log.close();
  const directory = join(broker.dataDirectory, "compacted-0");
  const oldest = () =>
    namesIn(directory, ".log").filter((name) => readFileSync(join(directory, name)).includes("round 0"));
  await until(() => oldest().length === 0, "the topic is compacted", 30_000);
}

describe("import from Kafka", () => {
  it(
    "takes what a broker wrote: codecs, a transaction, compaction, times of the broker",
    { skip: whyNoKafka() },
    () =>
      useDirectory((directory) =>
        useBroker(async (broker) => {
          await createTopic(broker, "codecs", 2);
          await createTopic(broker, "stamped", 1, { "message.timestamp.type": "LogAppendTime" });
          await createTopic(broker, "transaction", 1);
          const lines = (codec: string) =>
            Array.from({ length: 100 }, (_, i) => `trace:t${i},again:x\tkey-${i}:${codec} ${i} ä`);
          for (const codec of ["gzip", "zstd"]) {
            await produce(broker, "codecs", lines(codec), [...HEADERS, "--compression-codec", codec]);
          }
          const stamped = await openKafkaLog({ brokers: broker.address, topic: "stamped" });
          for (const value of ["1", "2"]) await stamped.append({ key: "k", value, timestamp: 1 });
          await stamped.close();
          await broker.tool("org.apache.kafka.tools.ProducerPerformance", [
            ...["--topic", "transaction", "--num-records", "500", "--record-size", "60", "--throughput", "-1"],
            ...["--transactional-id", "perf", "--transaction-duration-ms", "1"],
          ]);
          await compacted(broker);
          const counts = { codecs: 200, stamped: 2, transaction: 500, compacted: 60 };
          const expected = new Map<string, string[]>();
          for (const [topic, count] of Object.entries(counts)) {
            // How many compaction left is not known: there it ends when nothing more comes.
            const words = ["--from-beginning", ...(topic === "compacted" ? ["--timeout-ms", "8000"] : [])];
            expected.set(topic, sortLines(await consumeLines(broker, topic, count, words)));
          }
          await broker.stop();

          for (const topic of Object.keys(counts)) {
            const target = join(directory, topic);
            const { shards } = await importFromKafka(broker.dataDirectory, target, { topic });
            assert.equal(shards.some(({ holes }) => holes), topic === "compacted", topic);
            for (const name of namesIn(join(target, `${topic}-0`), ".log")) {
              const original = readFileSync(join(broker.dataDirectory, `${topic}-0`, name));
              assert.deepEqual(readFileSync(join(target, `${topic}-0`, name)), original);
            }
            const log = await openLog(target);
            const records = [];
            for (const { id } of log.shards) records.push(...await collect(log.read({ shard: id })));
            const type = topic === "stamped" ? "LogAppendTime" : "CreateTime";
            assert.deepEqual(records.map((record) => consoleLine(record, type)), expected.get(topic), topic);
            // It is a log like any other: it goes on, and comes back.
            const next = take(log.shard(0), { key: "k", value: "new" });
            await log.close();
            const again = await openLog(target);
            assert.deepEqual(again.recovery.map(({ verdict }) => verdict), log.shards.map(() => "clean"));
            assert.equal((await again.get({ shard: 0, offset: next }))?.text(), "new");
            await again.close();
          }
          assert.ok(expected.get("compacted")!.length < 60, "nothing was compacted");
          assert.ok(expected.get("compacted")!.length >= 20, "the consumer gave up too early");
        })
      ),
  );

  it("keeps offsets that are missing, leaves out a torn tail, and says both", () =>
    useDirectory(async (directory) => {
      const source = join(directory, "chat-0");
      mkdirSync(source);
      const torn = simpleBatch(40, 2).subarray(0, 50);
      writeFileSync(join(source, FIRST), concat(simpleBatch(2, 2), simpleBatch(10, 1, "b", { epoch: 4 })));
      writeFileSync(join(source, "00000000000000000020.log"), concat(simpleBatch(20, 2, "c", { epoch: 4 }), torn));
      writeFileSync(join(directory, "log-start-offset-checkpoint"), "0\n1\nchat 0 3\n");
      const { topic, shards: [shard] } = await importFromKafka(source, join(directory, "log"));
      assert.deepEqual([topic, shard.earliest, shard.nextOffset, shard.holes, shard.tornBytes], [
        "chat",
        3,
        22,
        true,
        50,
      ]);
      const log = await openLog(join(directory, "log"));
      const records = await collect(log.read());
      assert.deepEqual(records.map(({ offset }) => offset), [3, 10, 20, 21]);
      assert.equal(take(log.shard(0), { value: "d" }), 22);
      await log.close();
      assert.equal((await texts((await openLog(join(directory, "log"), { readOnly: true })).read())).at(-1), "d");
    }));

  it("begins a partition whose records are all gone where it was", () =>
    useDirectory(async (directory) => {
      mkdirSync(join(directory, "chat-0"));
      writeFileSync(join(directory, "chat-0", "00000000000000000077.log"), "");
      const { shards: [shard] } = await importFromKafka(directory, join(directory, "log"));
      assert.deepEqual([shard.earliest, shard.nextOffset, shard.segments], [77, 77, 1]);
      const log = await openLog(join(directory, "log"));
      assert.equal(take(log.shard(0), { value: "v" }), 77);
      await log.close();
      const again = await openLog(join(directory, "log"));
      assert.deepEqual(await texts(again.read()), ["v"]);
      await again.close();
    }));

  it("begins where the broker did, although compaction has emptied the first segment", () =>
    useDirectory(async (directory) => {
      mkdirSync(join(directory, "chat-0"));
      writeFileSync(join(directory, "chat-0", FIRST), "");
      writeFileSync(join(directory, "chat-0", "00000000000000000010.log"), simpleBatch(12, 2));
      const target = join(directory, "log");
      const { shards: [shard] } = await importFromKafka(directory, target);
      assert.deepEqual([shard.earliest, shard.nextOffset, shard.holes], [0, 14, true]);
      const log = await openLog(target);
      assert.deepEqual((await collect(log.read({ shard: 0, from: 0 }))).map(({ offset }) => offset), [12, 13]);
      assert.deepEqual((await collect(log.read())).map(({ offset }) => offset), [12, 13]);
      assert.equal(take(log.shard(0), { value: "v" }), 14);
      await log.close();
      const again = await openLog(target);
      assert.equal((await collect(again.read({ from: 3 }))).length, 3);
      await again.close();
    }));

  it("links what is finished, and copies what goes on", () =>
    useDirectory(async (directory) => {
      const source = join(directory, "chat-3");
      mkdirSync(source);
      writeFileSync(join(source, FIRST), simpleBatch(0, 2));
      writeFileSync(join(source, "00000000000000000002.log"), simpleBatch(2, 2));
      const linked: string[] = [];
      const link = (from: string, to: string) => {
        linked.push(from);
        writeFileSync(to, readFileSync(from));
      };
      await importFromKafka(source, join(directory, "log"), { link });
      assert.deepEqual(linked, [join(source, FIRST)]);
      assert.deepEqual(readdirSync(join(directory, "log")).filter((name) => name.startsWith("chat")), ["chat-0"]);
    }));

  for (
    const [what, code, bytes, message] of [
      [
        "a flipped bit",
        "CORRUPT_BATCH",
        () => simpleBatch(0, 2).map((byte, i) => i === 65 ? byte ^ 1 : byte),
        /checksum/,
      ],
      ["an older format", "UNSUPPORTED", () => referenceBatch({ magic: 1 }, new Uint8Array(9)), /format 1, older/],
      ["offsets that go back", "CORRUPT_BATCH", () => concat(simpleBatch(1, 2), simpleBatch(0, 1)), /below 3/],
      [
        "epochs that fall",
        "CORRUPT_BATCH",
        () => concat(simpleBatch(0, 2, "a", { epoch: 5 }), simpleBatch(2, 1, "b", { epoch: 4 })),
        /leader epoch 4 is below 5/,
      ],
      ["a segment that reaches into the next", "CORRUPT_BATCH", () => simpleBatch(8, 3), /begin of the next segment/],
    ] as const
  ) {
    it(`refuses ${what}, and makes no log of it`, () =>
      useDirectory(async (directory) => {
        mkdirSync(join(directory, "chat-0"));
        writeFileSync(join(directory, "chat-0", FIRST), bytes());
        writeFileSync(join(directory, "chat-0", "00000000000000000010.log"), simpleBatch(10, 1, "c", { epoch: 9 }));
        const error = await fails(code, () => importFromKafka(directory, join(directory, "log"), { topic: "chat" }));
        assert.match(error.message, message);
        assert.equal(error.shard, 0);
        await assert.rejects(openLog(join(directory, "log"), { shards: 1 }));
      }));
  }

  it("says which directory it wants", () =>
    useDirectory(async (directory) => {
      const target = join(directory, "log");
      await fails("NOT_A_LOG", () => importFromKafka(join(directory, "nowhere"), target));
      await fails("NOT_A_LOG", () => importFromKafka(directory, target));
      for (const name of ["a-0", "a-2", "b-0"]) mkdirSync(join(directory, name));
      assert.match(
        (await fails("CONFLICT", () => importFromKafka(directory, target))).message,
        /several topics \(a, b\)/,
      );
      assert.match(
        (await fails("CONFLICT", () => importFromKafka(directory, target, { topic: "a" }))).message,
        /a-1 is missing/,
      );
      await fails("NOT_A_LOG", () => importFromKafka(directory, target, { topic: "a", shard: 1 }));
      await assert.rejects(importFromKafka(directory, target, { topic: "a/b" }), RangeError);
      await assert.rejects(importFromKafka("", target), TypeError);
      await fails("CONFLICT", () => importFromKafka(directory, directory, { topic: "b" }));
      const { shards } = await importFromKafka(directory, target, { topic: "a", shard: 2 });
      assert.equal(shards.length, 1);
    }));
});
