/** The harness itself: a broker comes up, goes, is killed and comes back, and leaves nothing behind. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import process from "node:process";
import { describe, it } from "node:test";
import { Broker, whyNoKafka } from "./broker.ts";
import { createTopic } from "./create_topics.ts";

describe("the real broker", () => {
  it("starts, keeps what it was sent over stop and kill, and is gone at the end", { skip: whyNoKafka() }, async () => {
    const broker = await Broker.create();
    try {
      await broker.start();
      await createTopic(broker, "chat", 2);
      const producer = "org.apache.kafka.tools.ConsoleProducer";
      const words = ["--topic", "chat", "--reader-property", "parse.key=true", "--reader-property", "key.separator=:"];
      await broker.tool(producer, words, { input: "alice:hällo\nbob:hi\n" });
      await broker.stop();
      const before = broker.log().length;
      await broker.start();
      assert.deepEqual(broker.recoveries("chat", before), []);
      const pid = await broker.pid();
      await broker.kill();
      assert.throws(() => process.kill(pid, 0), "it still runs");
      const killed = broker.log().length;
      await broker.start();
      assert.ok(broker.recoveries("chat", killed).length > 0, "else nothing above was proved");
      const { stdout } = await broker.tool("org.apache.kafka.tools.consumer.ConsoleConsumer", [
        ...["--topic", "chat", "--from-beginning", "--max-messages", "2", "--timeout-ms", "20000"],
        ...["--formatter-property", "print.key=true"],
      ]);
      assert.deepEqual(stdout.trim().split("\n").sort(), ["alice\thällo", "bob\thi"]);
    } finally {
      await broker.remove();
    }
    assert.equal(existsSync(broker.directory), false);
  });
});
