/** What passes by waiting is waited out: every such answer of a broker, to every request, and nothing is lost or there twice. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { KafkaError, mirrorToKafka, openKafkaLog, restoreFromKafka } from "../../kafka.ts";
import { openLog } from "../../mod.ts";
import { fails, reopen, texts, useDirectory } from "../helpers.ts";
import { API, ScriptedBroker } from "./scripted_broker.ts";

const TOPIC = "waiting";
/** What brokers say while leaders move, replicas are away or a coordinator is being found. */
const PASSING: Readonly<Record<string, number>> = {
  LEADER_NOT_AVAILABLE: 5,
  NOT_LEADER_OR_FOLLOWER: 6,
  REQUEST_TIMED_OUT: 7,
  REPLICA_NOT_AVAILABLE: 9,
  NOT_ENOUGH_REPLICAS: 19,
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: 20,
  KAFKA_STORAGE_ERROR: 56,
  FENCED_LEADER_EPOCH: 74,
  UNKNOWN_LEADER_EPOCH: 75,
  OFFSET_NOT_AVAILABLE: 78,
};

async function useBroker(body: (broker: ScriptedBroker, to: { brokers: string; topic: string }) => Promise<void>) {
  const broker = new ScriptedBroker(TOPIC);
  const brokers = await broker.listen();
  try {
    await body(broker, { brokers, topic: TOPIC });
  } finally {
    await broker.close();
  }
}

function failEach(broker: ScriptedBroker, codes: readonly number[]): void {
  for (const api of Object.values(API)) broker.failures.set(api, [...codes]);
}

/** Each kind of request gets this answer once. */
function waitsOut(name: string, code: number): Promise<void> {
  return useBroker((broker, to) =>
    useDirectory(async (directory) => {
      const waits = new Set<string>();
      const options = { ...to, onWait: (error: Error) => void waits.add((error as KafkaError).kafka) };
      failEach(broker, [code]);
      const log = await openKafkaLog(options);
      failEach(broker, [code]);
      assert.equal((await log.append({ value: "a" })).offset, 0);
      failEach(broker, [code]);
      assert.deepEqual(await texts(log.read()), ["a"]);
      await log.close();
      assert.deepEqual([...waits], [name]);

      const restored = join(directory, "restored");
      failEach(broker, [code]);
      await restoreFromKafka(restored, options);
      assert.deepEqual(await reopen(restored, {}, (log) => texts(log.read())), ["a"], name);
      await reopen(join(directory, "log"), { topic: TOPIC }, async (log) => {
        for (const value of ["x", "y"]) await log.append({ value });
        const other = new ScriptedBroker(TOPIC);
        await other.listen();
        try {
          failEach(other, [code]);
          const { records } = await mirrorToKafka(log, { ...options, brokers: other.address });
          assert.deepEqual([records, other.batches.length], [2, 2], name);
        } finally {
          await other.close();
        }
      });
    })
  );
}

describe("an answer that passes", () => {
  it("is waited out by writers, readers, the mirror and the restore, whichever it is", async () => {
    await Promise.all(Object.entries(PASSING).map(([name, code]) => waitsOut(name, code)));
  });

  it("a mirror whose producer was forgotten asks the new leader for another", () =>
    useBroker((broker, to) =>
      useDirectory((directory) =>
        reopen(directory, { topic: TOPIC }, async (log) => {
          await log.append({ value: "x" });
          await mirrorToKafka(log, to);
          await log.append({ value: "y" });
          const [unknown, moved] = [59, 6];
          broker.failures.set(API.produce, [unknown]);
          broker.failures.set(API.producerId, [moved, moved]);
          const before = broker.requests.get(API.metadata)!;
          assert.equal((await mirrorToKafka(log, to)).records, 1);
          assert.ok(broker.requests.get(API.metadata)! >= before + 4, "it went on asking who was the leader");
        })
      )
    ));

  it("a restore does not take what a new leader does not show yet for nothing", () =>
    useBroker((broker, to) =>
      useDirectory(async (directory) => {
        await using log = await openKafkaLog(to);
        for (const value of ["a", "b", "c"]) await log.append({ value });
        broker.highWatermark = 1;
        const shown = setTimeout(() => broker.highWatermark = undefined, 200);
        const waits = new Set<string>();
        const onWait = (error: Error): void => void waits.add((error as KafkaError).kafka);
        const restored = join(directory, "restored");
        const { records } = await restoreFromKafka(restored, { ...to, onWait });
        clearTimeout(shown);
        assert.equal(records, 3);
        assert.deepEqual([...waits], ["OFFSET_NOT_AVAILABLE"]);
        assert.deepEqual(await reopen(restored, {}, (log) => texts(log.read())), ["a", "b", "c"]);
        broker.highWatermark = 1;
        const never = join(directory, "never");
        const failure = await fails("IO", () => restoreFromKafka(never, { ...to, patienceMs: 300 }));
        assert.ok(failure instanceof KafkaError && failure.kafka === "OFFSET_NOT_AVAILABLE", failure.message);
        await fails("NOT_A_LOG", () => openLog(never));
      })
    ));
});
