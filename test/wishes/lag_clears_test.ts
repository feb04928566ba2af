/**
 * kafkajs 1066: the lag of a consumer that has read everything never comes down to 0, as what is committed stays in front of offsets
 * without a record. Here it does: whatever lies at the end, whoever dropped it, and in every thread.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Consumer, Log } from "../../mod.ts";
import { connectConsumer } from "../../consumer.ts";
import { take, until, useLog } from "../helpers.ts";

const OPTIONS = { topic: "log", shards: 3, segmentBytes: 2048, flushIntervalMs: 0 };

async function append(log: Log, count: number): Promise<void> {
  for (let n = 0; n < count; n++) take(log.shards[n % 3], { value: "x".repeat(100) });
  await log.flush();
}

async function drain(consumer: Consumer): Promise<number> {
  let count = 0;
  for await (const _ of consumer) count++;
  await consumer.commit();
  return count;
}

async function lagOf(log: Log, name: string): Promise<number> {
  return (await log.consumers()).find((info) => info.name === name)!.total;
}

describe("the lag, as kafkajs 1066 asks for", () => {
  it("is 0 once all is consumed, in the consumer, in the log and in its stats, and grows and clears again", () =>
    useLog(OPTIONS, async (log) => {
      await using consumer = log.consumer("c", { follow: false });
      for (const count of [30, 0, 1, 100]) {
        await append(log, count);
        assert.equal((await consumer.lag()).total, count);
        assert.equal(await drain(consumer), count);
        assert.deepEqual((await consumer.lag()).shards.map(({ lag }) => lag), [0, 0, 0]);
        assert.equal(await lagOf(log, "c"), 0);
        assert.deepEqual(log.stats().consumers.map(({ lag }) => lag), [0, 0, 0]);
      }
    }));

  it("clears while a loop follows, one that commits record by record, and one that lets the loop do it", () =>
    useLog(OPTIONS, async (log) => {
      await append(log, 50);
      const ends: Promise<void>[] = [];
      const consumers = [log.consumer("by_hand"), log.consumer("by_itself", { autoCommit: true })];
      for (const [i, consumer] of consumers.entries()) {
        ends.push((async () => {
          for await (const record of consumer) {
            // The last one may meet the end of its consumer.
            if (i === 0) await consumer.commit(record).catch((error) => assert.equal(error.code, "CLOSED"));
          }
        })());
      }
      for (let round = 0; round < 3; round++) {
        for (const name of ["by_hand", "by_itself"]) {
          let lag = -1;
          const look = setInterval(() => void lagOf(log, name).then((found) => lag = found, () => {}), 5);
          await until(() => lag === 0, `the lag of ${name}`);
          clearInterval(look);
        }
        await append(log, 20);
      }
      for (const consumer of consumers) await consumer.close();
      await Promise.all(ends);
    }));

  it("clears where the rest was dropped: nobody can consume it any more", () =>
    useLog(OPTIONS, async (log) => {
      await append(log, 90);
      await using consumer = log.consumer("c", { follow: false, onGap: () => {} });
      for await (const record of consumer) {
        await consumer.commit(record);
        break;
      }
      for (const shard of log.shards) await shard.trimBefore(shard.nextOffset);
      assert.equal((await consumer.lag()).total, 0);
      assert.equal(await lagOf(log, "c"), 0);
      assert.equal(await drain(consumer), 0);
      await append(log, 9);
      assert.equal(await drain(consumer), 9);
      assert.equal((await consumer.lag()).total, 0);
    }));

  it("clears for a member that was made from a handle", () =>
    useLog(OPTIONS, async (log) => {
      await append(log, 40);
      const member = connectConsumer(log.consumerHandle("c"), { follow: false });
      assert.equal(await drain(member), 40);
      assert.equal((await member.lag()).total, 0);
      await member.close();
      assert.equal(await lagOf(log, "c"), 0);
    }));
});
