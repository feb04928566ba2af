/** What workers of a consumer do, wherever its log is. */
import assert from "node:assert/strict";
import { connectConsumer } from "../../consumer.ts";
import type { Log } from "../../mod.ts";
import { type Consuming, useWorkers } from "../consumers/workers.ts";
import { collect, fails } from "../helpers.ts";
import { tester, type UsePlace } from "./place.ts";

const LIMIT_MS = 40_000;
/** Names of their own: a group of a broker spans its topics, and keeps the dead for a while. */
let groups = 0;

async function fill(log: Log, count: number): Promise<void> {
  for (let i = 0; i < count; i++) log.shard(i % log.shards.length).tryAppend({ value: `v${i}` });
  await log.flush();
}

/** Resolves once the group has nothing more to do. */
async function settled(log: Log, group: string): Promise<void> {
  await until(async () => (await log.consumers()).find(({ name }) => name === group)?.total === 0);
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + LIMIT_MS;
  while (!(await isSo())) {
    assert.ok(performance.now() < end, `not so within ${LIMIT_MS} ms: ${isSo}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const records = ({ delivered }: Consuming): string[] => delivered().map(({ shard, offset }) => `${shard}/${offset}`);

/** Nothing was skipped. */
function assertAll(log: Log, workers: readonly Consuming[]): void {
  const all = log.shards.flatMap(({ id, written }) =>
    Array.from({ length: written }, (_, offset) => `${id}/${offset}`)
  );
  assert.deepEqual([...new Set(workers.flatMap(records))].sort(), all.sort());
}

/** Fills until every worker has got so many: one that starts late must find something to do. */
async function busy(log: Log, workers: readonly Consuming[], count: number): Promise<void> {
  await until(async () => {
    for (const { said } of workers) assert.deepEqual(said.filter(({ is }) => is === "failed"), []);
    if (workers.every((worker) => records(worker).length >= count)) return true;
    await fill(log, 20);
    return false;
  });
}

/** Registers the tests. */
export function sharedWorkers(skip: string | false, use: UsePlace): void {
  const test = (title: string, shards: number, body: (log: Log, group: string) => Promise<void>) =>
    tester(skip, use)(title, shards, (log) => body(log, `workers-${groups++}`));

  test(
    "workers share the records with the log's own thread, and end with the log",
    4,
    (log, group) =>
      useWorkers(async (start) => {
        await fill(log, 100);
        const workers = [1, 2].map(() => start(log.consumerHandle(group), {}));
        await busy(log, workers, 1);
        await settled(log, group);
        assertAll(log, workers);
        const before = workers.flatMap(records).length;
        const own = log.consumer(group, { autoCommit: true });
        const seen: string[] = [];
        const loop = (async () => {
          for await (const { shard, offset } of own) seen.push(`${shard}/${offset}`);
        })();
        await until(async () => {
          if (seen.length > 0) return true;
          await fill(log, 20);
          return false;
        });
        await settled(log, group);
        assert.ok(workers.flatMap(records).length > before);
        await log.close();
        await loop;
        for (const worker of workers) await worker.until((said) => said.some(({ is }) => is === "done"));
      }),
  );

  test(
    "the shards of a worker that is terminated go to another, and nothing is skipped",
    4,
    (log, group) =>
      useWorkers(async (start) => {
        const leaseMs = 500;
        const [first, second] = [1, 2].map(() => start(log.consumerHandle(group, { leaseMs }), { pauseMs: 2 }));
        await busy(log, [first, second], 10);
        await first.end();
        await fill(log, 100);
        await settled(log, group);
        assertAll(log, [first, second]);
      }),
  );

  test(
    "the shards of a worker that hangs go to another, and what it commits later is refused",
    2,
    (log, group) =>
      useWorkers(async (start) => {
        const leaseMs = 500;
        const other = start(log.consumerHandle(group, { leaseMs }), {});
        await busy(log, [other], 1);
        const hanging = start(log.consumerHandle(group, { leaseMs }), { hangAfter: 1 });
        await busy(log, [hanging], 1);
        await fill(log, 20);
        await settled(log, group);
        hanging.release();
        await hanging.until((said) => said.some(({ is }) => is === "refused"));
        const [refused] = hanging.said.filter(({ is }) => is === "refused");
        assert.equal(refused.code, "CONFLICT");
        assert.ok(records(other).includes(`${refused.shard}/${refused.offset}`), "delivered to the other one");
        // It is a member again.
        const before = records(hanging).length;
        await busy(log, [hanging], before + 1);
        await settled(log, group);
        assertAll(log, [hanging, other]);
      }),
  );

  test("a handle is plain data for one worker, and connects while its log is open", 2, async (log, group) => {
    await fill(log, 20);
    const handle = structuredClone(log.consumerHandle(group, { shards: [1] }));
    const consumer = connectConsumer(handle, { follow: false });
    assert.deepEqual([consumer.name, consumer.position.size, consumer.committed.size], [group, 0, 0]);
    assert.deepEqual(consumer.report, []);
    await fails("CONFLICT", () => connectConsumer(handle));
    const loop = consumer[Symbol.asyncIterator]();
    assert.throws(() => consumer[Symbol.asyncIterator](), TypeError);
    assert.deepEqual((await collect(loop)).map(({ shard }) => shard), Array.from({ length: 10 }, () => 1));
    assert.equal(consumer.position.get(1), 10);
    assert.equal((await consumer.lag()).total, 20);
    await consumer.commit({ shard: 1, offset: 6 });
    assert.equal(consumer.committed.get(1), 7);
    assert.deepEqual((await collect(consumer)).map(({ offset }) => offset), [7, 8, 9]);
    await consumer.commit();
    assert.equal((await consumer.lag()).total, 10);
    await consumer.close();
    await consumer.close();
    await fails("CLOSED", () => consumer.commit());
    await fails("CLOSED", () => consumer[Symbol.asyncIterator]());

    // Closed before anything was asked of it.
    const unused = connectConsumer(log.consumerHandle(group));
    await unused.close();
    await fails("CLOSED", () => unused.lag());
    await fails("CLOSED", () => unused[Symbol.asyncIterator]());
    const ended = connectConsumer(log.consumerHandle(group));
    const over = ended[Symbol.asyncIterator]();
    assert.deepEqual(await over.return!(), { done: true, value: undefined });
    assert.deepEqual(await over.next(), { done: true, value: undefined });
    await ended.close();

    assert.throws(() => log.consumerHandle("no/name"), RangeError);
    assert.throws(() => log.consumerHandle(group, { shards: [2] }), RangeError);
    const late = log.consumerHandle(group);
    await log.close();
    await fails("CLOSED", () => connectConsumer(late));
    await fails("CLOSED", () => log.consumerHandle(group));
  });
}
