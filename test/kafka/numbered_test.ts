/** Named producers and numbered batches on a real broker: what only a cluster can do to them. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { handoverToKafka, KafkaError, type KafkaLog, openKafkaLog } from "../../kafka.ts";
import { LogError, openLog } from "../../mod.ts";
import { announceSeed, makeRandom } from "../fixtures/seed.ts";
import { fails, texts, useDirectory } from "../helpers.ts";
import { produced, send, values } from "../idempotence/batches.ts";
import { whySkipped } from "../runtimes/children.ts";
import { importThroughKills } from "../runtimes/importing.ts";
import { Broker, whyNoKafka } from "./broker.ts";
import { createTopic } from "./create_topics.ts";

const skip = whyNoKafka();
const ID = 2 ** 40;
/** Brokers forget producers at their start whose last record is older than a day. */
const LONG_AGO = 1_500_000_000_000;
const seed = announceSeed("numbered");
let starting: Promise<Broker> | undefined;
let topics = 0;

async function newTopic(
  settings: Record<string, string> = {},
): Promise<{ broker: Broker; brokers: string; topic: string }> {
  starting ??= Broker.create().then(async (broker) => {
    await broker.start();
    return broker;
  });
  const broker = await starting;
  const topic = `numbered-${topics++}`;
  await createTopic(broker, topic, 1, settings);
  return { broker, brokers: broker.address, topic };
}

/** Two programs that use the same topic. */
async function useTwo(body: (one: KafkaLog, other: KafkaLog) => Promise<void>): Promise<void> {
  const { brokers, topic } = await newTopic();
  const logs = [await openKafkaLog({ brokers, topic }), await openKafkaLog({ brokers, topic })] as const;
  try {
    await body(...logs);
  } finally {
    await Promise.all(logs.map((log) => log.close()));
  }
}

describe("numbers that two programs use at the same time", () => {
  it("are answered with the other's offset where the batch is the same", { skip }, () =>
    useTwo(async (one, other) => {
      await other.append({ value: "first" });
      const [a, b] = [await one.idempotentProducer("n"), await other.idempotentProducer("n")];
      assert.deepEqual(await a.append([{ value: "x" }, { value: "y" }]), { shard: 0, offset: 1 });
      assert.deepEqual(await b.append([{ value: "x" }, { value: "y" }]), { shard: 0, offset: 1 });
      assert.deepEqual([b.nextSequence, b.lastOffset], [2, 2]);
      assert.deepEqual(await other.append({ value: "last" }), { shard: 0, offset: 3 });
      assert.deepEqual(await values(one), ["first", "x", "y", "last"]);
    }));

  it(
    "are refused at the acknowledgement, with all that follows, and the shard goes on",
    { skip },
    () =>
      useTwo(async (one, other) => {
        const [a, b] = [await one.idempotentProducer("n"), await other.idempotentProducer("n")];
        await a.append([{ value: "a0" }, { value: "a1" }]);
        const results = await Promise.allSettled([
          b.append({ value: "b0" }),
          b.append({ value: "b1" }),
          other.append({ value: "plain" }),
          b.append({ value: "b2" }),
        ]);
        const errors = results.map((result) => result.status === "rejected" ? result.reason as LogError : undefined);
        for (const [i, number, next] of [[0, 0, 2], [1, 1, 2], [3, 2, undefined]] as const) {
          const { code, reason, expected, actual } = errors[i]!;
          assert.deepEqual([code, reason, expected, actual], [
            "CONFLICT",
            "OUT_OF_ORDER_SEQUENCE_NUMBER",
            next,
            number,
          ]);
        }
        assert.match(errors[3]!.message, /one in front of it was refused/);
        assert.equal(errors[2], undefined);
        assert.equal(other.shard(0).state, "open");
        // Nobody counts from what was refused.
        assert.equal(b.nextSequence, 2);
        assert.deepEqual(await b.append({ value: "b2" }), { shard: 0, offset: 3 });
        assert.deepEqual(await values(one), ["a0", "a1", "plain", "b2"]);
        // With the same borders it would count as the same batch.
        const late = await fails("CONFLICT", () => a.append([{ value: "a2" }, { value: "a3" }]));
        assert.equal(late.expected, 3);
        await other.flush();
      }),
  );

  it(
    "are refused to whoever waits for them, now and later, and once to nobody in particular",
    { skip },
    () =>
      useTwo(async (one, other) => {
        await send(one.shard(0), produced(ID, 0, 0));
        await send(other.shard(0), produced(ID, 0, 1));
        await Promise.all([one.flush(), other.flush()]);
        const shard = one.shard(0);
        // Both believe that 1 is next, and 2.
        const number = await send(shard, produced(ID, 0, 1, 2));
        const behind = await send(shard, produced(ID, 0, 3));
        const plain = shard.tryAppend({ value: "plain" }) as number;
        const flushed = await fails("CONFLICT", () => shard.flush());
        assert.deepEqual([flushed.reason, flushed.expected, flushed.actual], ["OUT_OF_ORDER_SEQUENCE_NUMBER", 2, 1]);
        await shard.flush();
        for (const one of [number, number + 1, behind]) {
          await fails("CONFLICT", () => shard.acknowledged(one));
          await fails("CONFLICT", () => shard.placed(one));
        }
        await shard.acknowledged(plain);
        assert.equal(await send(shard, produced(ID, 0, 2)).then((n) => shard.placed(n)), 3);
        assert.deepEqual(await values(other), [`${ID}/0/0`, `${ID}/0/1`, "plain", `${ID}/0/2`]);
      }),
  );

  it("lock the earlier epoch out", { skip }, () =>
    useTwo(async (one, other) => {
      await send(one.shard(0), produced(ID, 0, 0));
      await one.flush();
      await send(other.shard(0), produced(ID, 1, 0));
      await other.flush();
      const number = await send(one.shard(0), produced(ID, 0, 1));
      const fenced = await fails("CONFLICT", () => one.shard(0).acknowledged(number));
      assert.deepEqual([fenced.reason, fenced.expected, fenced.actual], ["INVALID_PRODUCER_EPOCH", 1, 0]);
      await fails("CONFLICT", () => send(one.shard(0), produced(ID, 0, 1)));
      await send(one.shard(0), produced(ID, 1, 1));
      await one.close();
      assert.deepEqual(await values(other), [`${ID}/0/0`, `${ID}/1/0`, `${ID}/1/1`]);
    }));

  it("a batch that is refused for what it holds leaves no gap", { skip }, async () => {
    const { brokers, topic } = await newTopic({ "message.timestamp.after.max.ms": "60000" });
    const log = await openKafkaLog({ brokers, topic });
    const producer = await log.idempotentProducer("n");
    await producer.append({ value: "0" });
    const soon = Date.now() + 10 * 60_000;
    const [early, next] = await Promise.allSettled([
      producer.append({ value: "1", timestamp: soon }),
      producer.append({ value: "2" }),
    ]);
    assert.ok(early.status === "rejected" && early.reason instanceof KafkaError, String(early));
    assert.equal(early.reason.kafka, "INVALID_TIMESTAMP");
    assert.ok(next.status === "rejected" && next.reason instanceof LogError);
    assert.deepEqual([next.reason.reason, next.reason.expected], ["OUT_OF_ORDER_SEQUENCE_NUMBER", 1]);
    assert.equal(producer.nextSequence, 1);
    assert.equal((await producer.append({ value: "1" })).offset, 1);
    await log.append({ value: "plain" });
    assert.deepEqual(await texts(log.read()), ["0", "1", "plain"]);
    await log.close();
  });
});

describe("a named producer that the broker has forgotten", () => {
  it("is found in the records, with its last batches, however far back", { skip }, async () => {
    const { broker, brokers, topic } = await newTopic();
    const old = { timestamp: LONG_AGO };
    const first = await openKafkaLog({ brokers, topic });
    const producer = await first.idempotentProducer("lines");
    for (let n = 0; n < 4; n++) {
      await producer.append([{ value: `${2 * n}`, ...old }, { value: `${2 * n + 1}`, ...old }]);
    }
    for (let n = 0; n < 5000; n++) first.shard(0).tryAppend({ value: `other ${n}`, ...old });
    await first.close();
    await broker.kill();
    await broker.start();
    const log = await openKafkaLog({ brokers, topic });
    const again = await log.idempotentProducer("lines");
    assert.deepEqual([again.nextSequence, again.lastOffset], [8, 7]);
    assert.equal((await log.idempotentProducer("lines of nobody")).nextSequence, 0);
    assert.equal((await again.append([{ value: "6" }, { value: "7" }], { sequence: 6 })).offset, 6);
    assert.equal((await again.append([{ value: "4" }, { value: "5" }], { sequence: 4 })).offset, 4);
    const gap = await fails("CONFLICT", () => again.append({ value: "9" }, { sequence: 9 }));
    assert.equal(gap.reason, "OUT_OF_ORDER_SEQUENCE_NUMBER");
    const other = await fails("CONFLICT", () => again.append({ value: "7" }, { sequence: 7 }));
    assert.equal(other.expected, 8);
    assert.deepEqual(await again.append({ value: "8", ...old }), { shard: 0, offset: 5008 });
    const own = (await values(log)).filter((value) => !value.startsWith("other"));
    assert.deepEqual(own, Array.from({ length: 9 }, (_, n) => `${n}`));
    await log.close();
  });

  it("is not taken for new where nobody can tell", { skip }, async () => {
    const { broker, brokers, topic } = await newTopic();
    const first = await openKafkaLog({ brokers, topic });
    const producer = await first.idempotentProducer("n");
    for (let n = 0; n < 5; n++) await producer.append({ value: `${n}`, timestamp: LONG_AGO });
    await first.append({ value: "other" });
    await first.shard(0).trimBefore(5);
    await first.close();
    // The broker remembers it still.
    const known = await openKafkaLog({ brokers, topic });
    const remembered = await known.idempotentProducer("n");
    assert.deepEqual([remembered.nextSequence, remembered.lastOffset], [5, -1]);
    await fails("OFFSET_OUT_OF_RANGE", () => known.idempotentProducer("another"));
    await known.close();
    await broker.stop();
    await broker.start();
    const log = await openKafkaLog({ brokers, topic });
    const error = await fails("OFFSET_OUT_OF_RANGE", () => log.idempotentProducer("n"));
    assert.match(error.message, /firstSequence/);
    assert.deepEqual(error.range, [0, 4]);
    const told = await log.idempotentProducer("n", { firstSequence: 5 });
    assert.deepEqual([told.nextSequence, (await told.append({ value: "5" })).offset], [5, 6]);
    await log.close();
  });
});

describe("producers that move", () => {
  it("go on in the cluster where the embedded log ended", { skip }, () =>
    useDirectory(async (directory) => {
      const path = join(directory, "log");
      const { broker, brokers, topic } = await newTopic();
      const embedded = await openLog(path, { topic, segmentBytes: 2000 });
      const producer = await embedded.idempotentProducer("lines");
      for (let n = 0; n < 40; n += 2) await producer.append([{ value: `${n}` }, { value: `${n + 1}` }]);
      for (let n = 0; n < 7; n++) await send(embedded.shard(0), produced(ID, 3, n));
      await embedded.close();
      await broker.stop();
      await handoverToKafka(path, broker.dataDirectory, { into: true });
      await broker.start();

      const log = await openKafkaLog({ brokers, topic });
      const moved = await log.idempotentProducer("lines");
      assert.deepEqual([moved.id, moved.nextSequence, moved.lastOffset], [producer.id, 40, 39]);
      assert.equal((await moved.append([{ value: "36" }, { value: "37" }], { sequence: 36 })).offset, 36);
      // Of the others a broker keeps the last batch alone where it starts.
      assert.equal(await send(log.shard(0), produced(ID, 3, 6)), 46);
      await fails("CONFLICT", () => send(log.shard(0), produced(ID, 3, 5)));
      await fails("CONFLICT", () => send(log.shard(0), produced(ID, 2, 7)));
      await moved.append({ value: "40" });
      await send(log.shard(0), produced(ID, 3, 7));
      await log.close();
      const again = await openKafkaLog({ brokers, topic });
      const lines = (await values(again)).filter((value) => !value.includes("/"));
      assert.deepEqual(lines, Array.from({ length: 41 }, (_, n) => `${n}`));
      assert.equal(again.shard(0).nextOffset, 49);
      await again.close();
    }));

  after(async () => {
    await (await starting)?.remove();
  });

  const COUNT = 2500;
  const ROUNDS = 9;
  it(
    "go on in another process after a kill -9 at any moment, on whichever runtime: every record once",
    { skip: skip || whySkipped(), timeout: 200_000 },
    async () => {
      const { broker, brokers, topic } = await newTopic();
      const random = makeRandom(seed);
      await importThroughKills({
        log: { brokers, options: { topic } },
        count: COUNT,
        rounds: ROUNDS,
        kill: async (child, round) => {
          await new Promise((resolve) => setTimeout(resolve, random(150)));
          // Now and then it is the broker that dies, and the program with it or after it.
          if (round % 4 === 3) {
            await broker.kill();
            await broker.start();
            await new Promise((resolve) => setTimeout(resolve, random(600)));
          }
          await child.kill();
        },
        values: async () => {
          await using log = await openKafkaLog({ brokers, topic });
          return await values(log);
        },
      });
    },
  );
});
