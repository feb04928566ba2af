/** Workers of one group: they share the shards; one that is terminated or hangs loses its own within its lease. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Log } from "../../mod.ts";
import { useLog } from "../helpers.ts";
import { type Consuming, useWorkers } from "./workers.ts";

async function fill(log: Log, count: number): Promise<void> {
  for (let i = 0; i < count; i++) log.shards[i % log.shards.length].tryAppend({ value: `${i}` });
  await log.flush();
}

const records = ({ delivered }: Consuming): string[] => delivered().map(({ shard, offset }) => `${shard}/${offset}`);

/** Resolves once the consumer has nothing more to do; rejects after 20 seconds. */
async function settled(log: Log, name: string): Promise<void> {
  const limit = Date.now() + 20_000;
  for (;;) {
    const info = (await log.consumers()).find((consumer) => consumer.name === name);
    if (info?.total === 0) return;
    if (Date.now() > limit) throw new Error(`a lag of ${info?.total} is left: ${JSON.stringify(info?.shards)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Resolves once the workers got so many different records. */
async function gotAll(workers: readonly Consuming[], count: number): Promise<void> {
  const limit = Date.now() + 20_000;
  for (;;) {
    const { size } = new Set(workers.flatMap(records));
    if (size === count) return;
    if (Date.now() > limit || size > count) throw new Error(`${size} records were delivered, not ${count}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe("workers of a group", () => {
  it("get every record once between them, and end with the log's records", () =>
    useLog({ shards: 4 }, (log) =>
      useWorkers(async (start) => {
        await fill(log, 400);
        const workers = [1, 2].map(() => start(log.consumerHandle("group"), {}));
        await settled(log, "group");
        await gotAll(workers, 400);
        for (const { said } of workers) assert.deepEqual(said.filter(({ is }) => is === "failed"), []);
        await fill(log, 100);
        await settled(log, "group");
        // One that starts late must find something to do.
        while (workers.some((worker) => records(worker).length === 0)) {
          await fill(log, 40);
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
        await settled(log, "group");
        await gotAll(workers, log.shards.reduce((sum, { written }) => sum + written, 0));
        await log.close();
        for (const worker of workers) await worker.until((said) => said.some(({ is }) => is === "done"));
      })));

  it("take over the shards of one that is terminated, and skip nothing", () =>
    useLog({ shards: 4 }, (log) =>
      useWorkers(async (start) => {
        await fill(log, 200);
        const leaseMs = 500;
        const first = start(log.consumerHandle("group", { leaseMs }), { pauseMs: 2 });
        const second = start(log.consumerHandle("group", { leaseMs }), { pauseMs: 2 });
        // One that starts late must find something to do.
        while ([first, second].some((worker) => records(worker).length < 10)) {
          await fill(log, 40);
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
        await first.end();
        await fill(log, 200);
        await settled(log, "group");
        await gotAll([first, second], log.shards.reduce((sum, { written }) => sum + written, 0));
      })));

  it("take over the shards of one that hangs; what it commits later is refused", () =>
    useLog({ shards: 2 }, (log) =>
      useWorkers(async (start) => {
        // Longer than any pause of a busy machine, shorter than the worker sleeps.
        const leaseMs = 500;
        await fill(log, 20);
        const other = start(log.consumerHandle("group", { leaseMs }), {});
        await settled(log, "group");
        const hanging = start(log.consumerHandle("group", { leaseMs }), { hangAfter: 1, hangMs: 3000 });
        while (!hanging.said.some(({ is }) => is === "hanging")) {
          await fill(log, 20);
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
        await settled(log, "group");
        await hanging.until((said) => said.some(({ is }) => is === "refused"));
        const [refused] = hanging.said.filter(({ is }) => is === "refused");
        assert.equal(refused.code, "CONFLICT");
        assert.ok(records(other).includes(`${refused.shard}/${refused.offset}`), "delivered to the other one");
        // It is a member again.
        await fill(log, 100);
        await settled(log, "group");
        await gotAll([hanging, other], log.shards.reduce((sum, { written }) => sum + written, 0));
      })));

  it("tell why the consumer cannot be opened", () =>
    useLog({}, async (log, directory) => {
      const { openLog } = await import("../../mod.ts");
      const reader = await openLog(directory, { readOnly: true });
      try {
        const own = reader.consumer("group", { follow: false });
        await own.lag();
        await useWorkers(async (start) => {
          const worker = start(log.consumerHandle("group"), {});
          await worker.until((said) => said.some(({ is }) => is === "failed"));
          assert.equal(worker.said.at(-1)!.code, "LOCKED");
        });
        await own.close();
      } finally {
        await reader.close();
      }
    }));
});
