/** A partition that a consumer has delivers every record, however often it is asked whether there is one. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { openKafkaLog } from "../../kafka.ts";
import { noCodecs } from "../../src/batch/codecs.ts";
import { ConsumerLags } from "../../src/kafka/group/consumer_lags.ts";
import { HeldPartition } from "../../src/kafka/group/held_partition.ts";
import { connectTopic } from "../../src/kafka/kafka_options.ts";
import { useBroker, whyNoKafka } from "./broker.ts";
import { createTopic } from "./create_topics.ts";

const COUNT = 20;

describe("a partition that a consumer has", () => {
  it(
    "loses no record that came in and was not taken when more is asked for",
    { skip: whyNoKafka() },
    () =>
      useBroker(async (broker) => {
        const options = { brokers: broker.address, topic: "held" };
        await createTopic(broker, options.topic, 1);
        await using log = await openKafkaLog(options);
        for (let i = 0; i < COUNT; i++) log.shard(0).tryAppend({ value: `v${i}` });
        await log.flush();
        const connections = connectTopic(options);
        const { signal } = new AbortController();
        const cluster = {
          options,
          codecs: noCodecs,
          partitions: 1,
          connections,
          lags: new ConsumerLags(),
          closed: signal,
        };
        const from = "earliest";
        const rest = { topic: connections, signal, from, onCorrupt: undefined, onGap: undefined } as const;
        const held = new HeldPartition({ shard: 0, from: 0 }, { cluster, ...rest });
        const offsets: number[] = [];
        for (let turn = 0; turn < 2 * COUNT && held.position < COUNT; turn++) {
          // A loop over several partitions asks all of them before it takes from one.
          for (let asked = 0; asked < 3; asked++) await held.fetch();
          const record = held.take();
          if (record !== undefined) offsets.push(record.offset);
        }
        connections.close();
        assert.deepEqual(offsets, Array.from({ length: COUNT }, (_, i) => i));
      }),
  );
});
