/** The broker has a batch, its answer is lost, and the broker forgets the producer before the batch is sent again: it is there once. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { openKafkaLog } from "../../kafka.ts";
import { until } from "../helpers.ts";
import { send, values } from "../idempotence/batches.ts";
import { produced } from "../idempotence/batches.ts";
import { Broker, whyNoKafka } from "./broker.ts";
import { createTopic } from "./create_topics.ts";
import { LossyProxy } from "./lossy_proxy.ts";

/** Brokers forget producers at their start whose last record is older than a day. */
const LONG_AGO = 1_500_000_000_000;

describe("a batch whose answer got lost", () => {
  it("is there once, also where the broker has forgotten its producer meanwhile", { skip: whyNoKafka() }, async () => {
    const proxy = await LossyProxy.create();
    const broker = await Broker.create({
      settings: { "advertised.listeners": `PLAINTEXT://127.0.0.1:${proxy.port}` },
    });
    proxy.target = broker.port;
    try {
      await broker.start();
      await createTopic(broker, "lost", 1);
      const log = await openKafkaLog({ brokers: broker.address, topic: "lost", requestTimeoutMs: 3000 });
      const producer = await log.idempotentProducer("lines");
      const shard = log.shard(0);
      let plain = 0;
      const expected: string[] = [];
      const ways: (() => Promise<unknown>)[] = [
        () => log.append({ value: `plain ${plain}`, timestamp: LONG_AGO }),
        () => producer.append({ value: `line ${producer.nextSequence}`, timestamp: LONG_AGO }),
        () => send(shard, produced(2 ** 40, 0, plain)).then(() => shard.flush()),
      ];
      for (const way of ways) {
        const before = await values(log);
        await way();
        plain++;
        proxy.lose();
        const task = way();
        plain++;
        await until(() => proxy.requests > 0, "a request");
        await new Promise((resolve) => setTimeout(resolve, 300));
        await broker.kill();
        proxy.restore();
        await broker.start();
        await task;
        await way();
        plain++;
        const found = await values(log);
        assert.equal(found.length, before.length + 3, String(found));
        assert.equal(new Set(found).size, found.length, String(found));
        expected.push(...found.slice(before.length));
      }
      assert.deepEqual(await values(log), expected);
      await log.close();
    } finally {
      proxy.close();
      await broker.remove();
    }
  });
});
