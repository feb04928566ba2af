/** A consumer in the thread of its log: delivering, committing, going on, lag. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LogRecord, openLog } from "../../mod.ts";
import { fails, reopen, useDirectory, useLog } from "../helpers.ts";

/** Appends `count` records and waits until they are written. */
async function fill(log: Awaited<ReturnType<typeof openLog>>, count: number, from = 0): Promise<void> {
  for (let i = from; i < from + count; i++) log.shards[i % log.shards.length].tryAppend({ value: `${i}` });
  await log.flush();
}

describe("a consumer", () => {
  it("delivers every record once where each is committed, and goes on behind them", () =>
    useDirectory(async (directory) => {
      const seen: string[] = [];
      await reopen(directory, { shards: 3, topic: "log" }, async (log) => {
        await fill(log, 30);
        const consumer = log.consumer("mailer", { follow: false });
        for await (const record of consumer) {
          seen.push(record.text()!);
          await consumer.commit(record);
        }
        assert.deepEqual(await consumer.lag().then((lag) => lag.total), 0);
        await consumer.close();
      });
      await reopen(directory, {}, async (log) => {
        await fill(log, 30, 30);
        const consumer = log.consumer("mailer", { follow: false });
        assert.equal((await consumer.lag()).total, 30);
        for await (const record of consumer) seen.push(record.text()!);
        await consumer.commit();
        assert.equal((await consumer.lag()).total, 0);
        await consumer.close();
      });
      assert.deepEqual(seen.map(Number).sort((a, b) => a - b), Array.from({ length: 60 }, (_, i) => i));
    }));

  it("delivers again what was not committed when the loop is left by an error", () =>
    useLog({}, async (log) => {
      await fill(log, 10);
      const consumer = log.consumer("a.b-C_1", { follow: false });
      await assert.rejects(async () => {
        for await (const record of consumer) {
          if (record.offset === 4) throw new Error("oh");
          if (record.offset === 2) await consumer.commit(record);
        }
      }, /oh/);
      const again: number[] = [];
      for await (const record of consumer) again.push(record.offset);
      assert.deepEqual(again, [3, 4, 5, 6, 7, 8, 9]);
      await consumer.close();
      await fails("CLOSED", () => consumer.commit());
    }));

  it("keeps the furthest of commits that overtake each other", () =>
    useDirectory(async (directory) => {
      await reopen(directory, { topic: "log" }, async (log) => {
        await fill(log, 10);
        const consumer = log.consumer("mailer", { follow: false });
        const records: LogRecord[] = [];
        for await (const record of consumer) records.push(record);
        await Promise.all([7, 3, 5].map((offset) => consumer.commit(records[offset])));
        assert.deepEqual([...consumer.committed], [[0, 8]]);
        await consumer.close();
      });
      await reopen(directory, {}, async (log) => {
        const consumer = log.consumer("mailer", { follow: false });
        const again: number[] = [];
        for await (const record of consumer) again.push(record.offset);
        assert.deepEqual(again, [8, 9]);
        await consumer.close();
      });
    }));

  it("is refused to a second log that reads the same directory, and told who has it", () =>
    useLog({}, async (log, directory) => {
      await fill(log, 1);
      const consumer = log.consumer("mailer", { follow: false });
      for await (const _ of consumer);
      await reopen(directory, { readOnly: true }, async (other) => {
        const second = other.consumer("mailer", { follow: false });
        const error = await fails("LOCKED", () => second.commit());
        assert.match(error.message, new RegExp(`process ${process.pid} `));
        await consumer.commit();
        await consumer.close();
        for await (const _ of second) assert.fail("delivered again");
        await second.close();
      });
    }));
});
