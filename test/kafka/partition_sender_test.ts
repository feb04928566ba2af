/** What a sender of batches does where it does not reach its broker. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BatchBuilder } from "../../mod.ts";
import { PartitionSender } from "../../src/kafka/log/partition_sender.ts";
import type { KafkaTopic } from "../../src/kafka/wire/cluster.ts";
import { brokerError } from "../../src/kafka/wire/kafka_error.ts";
import type { Patience } from "../../src/kafka/wire/patience.ts";

const NOT_LEADER = 6;

describe("a sender that reaches no leader", () => {
  it("does not take a batch without numbers that others have written for its own", async () => {
    let waits = 0;
    const topic = {
      topic: "topic",
      leader: () => Promise.reject(brokerError(NOT_LEADER, "append", {})),
      forget() {},
    } as unknown as KafkaTopic;
    const patience = {
      wait: (error: unknown) => ++waits < 3 ? Promise.resolve() : Promise.reject(error),
      succeeded() {},
    } as unknown as Patience;
    // A batch that was never sent has no number yet: one of others with as many records looks the same.
    const sender = new PartitionSender(topic, 0, patience, 0, () => Promise.resolve(0));
    const builder = new BatchBuilder();
    builder.add({ value: "v" });
    await assert.rejects(sender.send(builder.finish(), 1), { kafka: "NOT_LEADER_OR_FOLLOWER" });
    assert.equal(waits, 3);
  });
});
