/** Consumers of a log on a cluster are members of Kafka's own groups, beside those of other clients. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { after, describe, it } from "node:test";
import { type KafkaLog, type KafkaLogOptions, openKafkaLog } from "../../kafka.ts";
import type { LogRecord } from "../../mod.ts";
import { CONTROL, readHeader, TRANSACTIONAL } from "../../src/batch/format.ts";
import {
  BALANCED,
  dealOut,
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  RANGE,
  type Subscriber,
} from "../../src/kafka/group/assignors.ts";
import { clusterConsumerHandle } from "../../src/kafka/group/consumer_handle.ts";
import { AbortedTransactions } from "../../src/kafka/log/aborted.ts";
import { WireWriter } from "../../src/kafka/wire/encoding.ts";
import { simpleBatch } from "../fixtures/reference_batch.ts";
import { collect, fails } from "../helpers.ts";
import { Broker, whyNoKafka } from "./broker.ts";
import { createTopic } from "./create_topics.ts";
import { startJava } from "./java.ts";

const skip = whyNoKafka();
let starting: Promise<Broker> | undefined;
let topics = 0;

/** A topic with `count` records, on the broker of this file. */
async function filled(partitions: number, count: number): Promise<{ broker: Broker; topic: string; log: KafkaLog }> {
  starting ??= Broker.create().then(async (broker) => {
    await broker.start();
    return broker;
  });
  const broker = await starting;
  const topic = `group-topic-${topics++}`;
  await createTopic(broker, topic, partitions);
  const log = await openKafkaLog({ brokers: broker.address, topic, requestTimeoutMs: 5000 });
  for (let i = 0; i < count; i++) log.shard(i % partitions).tryAppend({ value: `v${i}` });
  await log.flush();
  return { broker, topic, log };
}

async function until(isSo: () => boolean, limitMs = 40_000): Promise<void> {
  const end = performance.now() + limitMs;
  while (!isSo()) {
    assert.ok(performance.now() < end, `not so within ${limitMs} ms: ${isSo}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => `v${i}`).sort();
const CONSOLE = "org.apache.kafka.tools.consumer.ConsoleConsumer";

describe("dealing out", () => {
  const subscriber = (id: string, owned: number[] = [], accepts?: number[]): Subscriber => ({
    id,
    topics: ["t"],
    owned,
    accepts,
  });
  const deal = (protocol: string, subscribers: Subscriber[], count: number) =>
    [...dealOut(protocol, subscribers, new Map([["t", count]]))].map(([id, dealt]) =>
      `${id}: ${(dealt.get("t") ?? []).join(" ")}`
    );

  it("by range is Kafka's", () => {
    assert.deepEqual(deal(RANGE, [subscriber("b"), subscriber("a"), subscriber("c")], 8), [
      "b: 3 4 5",
      "a: 0 1 2",
      "c: 6 7",
    ]);
    assert.deepEqual(deal(RANGE, [subscriber("a"), subscriber("b"), subscriber("c")], 2), ["a: 0", "b: 1", "c: "]);
    const other = { ...subscriber("z"), topics: ["other"] };
    assert.deepEqual(deal(RANGE, [subscriber("a"), other], 2), ["a: 0 1", "z: "]);
  });

  it("among members of this log moves few, and minds what a member takes", () => {
    assert.deepEqual(deal(BALANCED, [subscriber("a", [0, 1, 2, 3]), subscriber("b")], 4), ["a: 2 3", "b: 0 1"]);
    assert.deepEqual(deal(BALANCED, [subscriber("a", [1, 3]), subscriber("b", [0, 2])], 4), ["a: 1 3", "b: 0 2"]);
    assert.deepEqual(deal(BALANCED, [subscriber("a", [], [2]), subscriber("b")], 4), ["a: 2", "b: 0 1 3"]);
    assert.deepEqual(deal(BALANCED, [subscriber("a", [], [2])], 4), ["a: 2"]);
  });

  it("is written as other clients write it, and whatever they add is passed over", () => {
    const said = { topics: ["t", "u"], accepts: [1], owned: [0, 3] };
    assert.deepEqual(decodeSubscription(encodeSubscription(said)), said);
    const foreign = new WireWriter().int16(3).int32(1).string("t").sized(new Uint8Array([255, 0])).int32(0).bytes;
    assert.deepEqual(decodeSubscription(foreign), { topics: ["t"], accepts: undefined, owned: [] });
    const bytes = encodeAssignment(new Map([["t", [0, 2]], ["u", [1]]]));
    assert.deepEqual([decodeAssignment(bytes, "t"), decodeAssignment(bytes, "u"), decodeAssignment(bytes, "v")], [
      [0, 2],
      [1],
      [],
    ]);
    assert.deepEqual(decodeAssignment(new Uint8Array(0), "t"), []);
    for (let size = 1; size < bytes.length - 4; size++) {
      assert.throws(() => decodeAssignment(bytes.subarray(0, size), "t"), { name: "WireError" });
    }
  });

  it("hides what was aborted, and nothing else", () => {
    const header = (attributes: number, producerId: number, offset: number) => ({
      ...readHeader(simpleBatch(offset, 1), 0),
      attributes,
      producerId,
    });
    const aborted = new AbortedTransactions([[7, 20], [7, 0]]);
    const seen = [
      [TRANSACTIONAL, 7, 0],
      [TRANSACTIONAL, 8, 1],
      [0, 7, 2],
      [TRANSACTIONAL, 7, 3],
      [TRANSACTIONAL | CONTROL, 7, 4],
      [TRANSACTIONAL, 7, 5],
      [TRANSACTIONAL | CONTROL, 7, 6],
      [TRANSACTIONAL, 7, 20],
    ].filter(([attributes, id, offset]) => !aborted.hides(header(attributes, id, offset)));
    assert.deepEqual(seen.map(([, , offset]) => offset), [1, 2, 5, 6]);
  });
});

describe("a handle of a consumer on a cluster", () => {
  const codecs = { decompress: () => undefined };
  const handleFor = (options: Partial<KafkaLogOptions>) => {
    const closed = new AbortController().signal;
    const brokers = "127.0.0.1:1";
    return clusterConsumerHandle(
      { options: { brokers, topic: "t", ...options }, partitions: 2, closed },
      "n",
      {},
    );
  };

  it("has a copy of what reaches the cluster", () => {
    const tls = { ca: Buffer.from("a certificate") };
    const sasl = { username: "alice", password: "secret" };
    const { cluster } = handleFor({ tls, sasl, onWait: () => {}, codecs }).content as { cluster: object };
    tls.ca[0] = 0;
    assert.deepEqual(
      Object.entries(cluster).filter(([, value]) => value !== undefined),
      Object.entries({
        brokers: "127.0.0.1:1",
        topic: "t",
        tls: { ca: new TextEncoder().encode("a certificate") },
        sasl,
      }),
    );
  });

  it("is refused where a thread cannot be given that", async () => {
    await fails("UNSUPPORTED", () => handleFor({ tls: { checkServerIdentity: () => undefined } }));
  });
});

describe("a consumer on a cluster", () => {
  after(async () => {
    await (await starting)?.remove();
  });

  it("takes turns with Kafka's own consumer: what one has committed the other does not get", { skip }, async () => {
    const { broker, topic, log } = await filled(1, 30);
    const consumer = log.consumer("turns", { follow: false, autoCommit: true });
    const first = [];
    for await (const record of consumer) {
      if (first.push(record.text()) === 10) break;
    }
    await consumer.close();
    const words = ["--topic", topic, "--group", "turns", "--max-messages", "12", "--timeout-ms", "30000"];
    const { stdout } = await broker.tool(CONSOLE, words);
    // The loop was left at the tenth: it was not done.
    assert.deepEqual(stdout.trim().split("\n"), Array.from({ length: 12 }, (_, i) => `v${i + 9}`));
    await using again = log.consumer("turns", { follow: false });
    assert.deepEqual(
      (await collect(again)).map((record) => record.text()),
      Array.from({ length: 9 }, (_, i) => `v${i + 21}`),
    );
    assert.deepEqual((await log.consumers()).map(({ name, total }) => [name, total]), [["turns", 9]]);
    await log.close();
  });

  it("shares partitions with Kafka's own consumer, and refuses to where it wants certain ones", { skip }, async () => {
    const { broker, topic, log } = await filled(4, 0);
    const words = ["--bootstrap-server", broker.address, "--topic", topic, "--group", "mixed"];
    const other = startJava(CONSOLE, words, { heap: "128m", directory: broker.directory, definitions: [] });
    let printed = "";
    other.child.stdout!.setEncoding("utf8").on("data", (text: string) => printed += text);
    try {
      const seen: LogRecord[] = [];
      const consumer = log.consumer("mixed", { autoCommit: true });
      const loop = (async () => {
        for await (const record of consumer) seen.push(record);
      })();
      await until(() => consumer.position.size === 2);
      for (let i = 0; i < 20; i++) log.shard(i % 4).tryAppend({ value: `v${i}` });
      await log.flush();
      const lines = () => printed.split("\n").filter((line) => line !== "");
      await until(() => seen.length + lines().length >= 20);
      assert.deepEqual([...seen.map((record) => record.text()!), ...lines()].sort(), numbers(20));
      assert.equal(seen.length, 10);
      const picky = log.consumer("mixed", { shards: [1] });
      assert.match((await fails("CONFLICT", () => collect(picky))).message, /INCONSISTENT_GROUP_PROTOCOL/);
      await picky.close();
      await consumer.close();
      await loop;
    } finally {
      other.child.kill("SIGKILL");
      other.child.stdin!.end();
      await other.ended.catch(() => {});
      await log.close();
    }
  });

  it("tells a member that was too slow, and delivers its records to another", { skip }, async () => {
    const { log } = await filled(2, 20);
    const slow = log.consumer("slow", { leaseMs: 6000 });
    const loop = slow[Symbol.asyncIterator]();
    const { value: record } = await loop.next();
    // It stays away longer than its lease, while another one wants a share.
    const fast = log.consumer("slow", { autoCommit: true });
    const seen: string[] = [];
    const running = (async () => {
      for await (const record of fast) seen.push(record.text()!);
    })();
    await until(() => seen.length === 20);
    await fails("CONFLICT", () => slow.commit(record));
    assert.deepEqual(seen.toSorted(), numbers(20));
    await Promise.all([slow.close(), fast.close()]);
    await running;
    await log.close();
  });

  it("goes on when its broker is killed, and delivers everything", { skip }, async () => {
    const { broker, log } = await filled(2, 200);
    const seen = new Set<string>();
    const consumer = log.consumer("patient");
    const running = (async () => {
      for await (const record of consumer) {
        seen.add(record.text()!);
        if (seen.size % 20 === 0) await consumer.commit(record);
      }
    })();
    await until(() => seen.size >= 100);
    await broker.kill();
    await broker.start();
    for (let i = 200; i < 300; i++) await log.append({ key: `k${i}`, value: `v${i}` });
    await until(() => seen.size === 300);
    await consumer.commit();
    assert.equal((await consumer.lag()).total, 0);
    await consumer.close();
    await running;
    await log.close();
  });
});
