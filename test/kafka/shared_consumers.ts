/** What a consumer does, wherever its log is. */
import assert from "node:assert/strict";
import type { ConsumerOptions, Log, LogRecord } from "../../mod.ts";
import { collect, fails } from "../helpers.ts";
import { tester, type UsePlace } from "./place.ts";

async function fill(log: Log, from: number, to: number): Promise<void> {
  for (let i = from; i < to; i++) log.shard(i % log.shards.length).tryAppend({ key: `k${i}`, value: `v${i}` });
  await log.flush();
}

/** What one loop delivers up to the end. */
async function deliveries(log: Log, name: string, options: ConsumerOptions = {}): Promise<string[]> {
  await using consumer = log.consumer(name, { follow: false, autoCommit: true, ...options });
  return (await collect(consumer)).map((record) => record.text()!).sort();
}

const values = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, i) => `v${from + i}`).sort();

/** Registers the tests. */
export function sharedConsumers(skip: string | false, use: UsePlace): void {
  const test = tester(skip, use);

  test("a consumer goes on where it has committed, also in another opening", 3, async (log, place) => {
    await fill(log, 0, 30);
    assert.deepEqual(await deliveries(log, "mailer"), values(0, 30));
    await fill(log, 30, 40);
    assert.deepEqual(await deliveries(log, "mailer"), values(30, 40));
    assert.deepEqual(await deliveries(log, "other"), values(0, 40));
    await fill(log, 40, 45);
    assert.deepEqual(await deliveries(log, "late", { from: "latest" }), []);
    await log.close();
    const again = await place.open();
    assert.deepEqual(await deliveries(again, "mailer"), values(40, 45));
    assert.deepEqual(await deliveries(again, "late"), []);
    const infos = (await again.consumers()).toSorted((a, b) => a.name < b.name ? -1 : 1);
    assert.deepEqual(infos.map(({ name, total }) => [name, total]), [["late", 0], ["mailer", 0], ["other", 5]]);
    assert.deepEqual(infos[2].shards.map(({ shard, end }) => [shard, end]), [[0, 15], [1, 15], [2, 15]]);
    await again.close();
  });

  test("what was not committed is delivered again, and what was is not", 1, async (log) => {
    await fill(log, 0, 20);
    const consumer = log.consumer("worker", { follow: false });
    for await (const record of consumer) {
      if (record.offset === 7) await consumer.commit(record);
      if (record.offset === 12) break;
    }
    assert.equal(consumer.committed.get(0), 8);
    assert.equal((await consumer.lag()).total, 12);
    const again: number[] = [];
    for await (const { offset } of consumer) again.push(offset);
    assert.deepEqual(again, Array.from({ length: 12 }, (_, i) => i + 8));
    assert.equal(consumer.position.get(0), 20);
    await consumer.commit({ shard: 0, offset: 3 });
    assert.equal(consumer.committed.get(0), 8);
    await consumer.commit();
    assert.equal(consumer.committed.get(0), 20);
    assert.equal((await consumer.lag()).total, 0);
    await assert.rejects(consumer.commit({ shard: 0, offset: -1 }), TypeError);
    await assert.rejects(consumer.commit({ shard: 5, offset: 1 }), RangeError);
    await fails("OFFSET_OUT_OF_RANGE", () => consumer.commit({ shard: 0, offset: 20 }));
    await consumer.close();
    await consumer.close();
    await fails("CLOSED", () => consumer.commit());
    // Who keeps his place elsewhere commits without a loop.
    await using other = log.consumer("elsewhere", { follow: false });
    await other.commit({ shard: 0, offset: 14 });
    assert.deepEqual((await collect(other)).map(({ offset }) => offset), [15, 16, 17, 18, 19]);
  });

  test("with autoCommit what a loop was left at is delivered again", 1, async (log) => {
    await fill(log, 0, 10);
    const consumer = log.consumer("worker", { follow: false, autoCommit: true });
    for await (const { offset } of consumer) if (offset === 4) break;
    await consumer.close();
    assert.deepEqual(await deliveries(log, "worker"), values(4, 10));
  });

  test("a follower is told of what comes, and ends with its log", 2, async (log) => {
    const consumer = log.consumer("follower", { autoCommit: true });
    const seen: string[] = [];
    const following = (async () => {
      for await (const record of consumer) seen.push(record.text()!);
    })();
    await fill(log, 0, 10);
    await until(() => seen.length === 10);
    await fill(log, 10, 20);
    await until(() => seen.length === 20);
    assert.deepEqual(seen.toSorted(), values(0, 20));
    assert.throws(() => consumer[Symbol.asyncIterator](), TypeError);
    await log.close();
    await following;
  });

  test("a signal ends a loop with its reason, and close ends it quietly", 1, async (log) => {
    await fill(log, 0, 3);
    const reason = new Error("enough");
    const stop = new AbortController();
    const consumer = log.consumer("a", { signal: stop.signal });
    const running = collect(consumer);
    await until(() => (consumer.position.get(0) ?? 0) === 3);
    stop.abort(reason);
    await assert.rejects(running, reason);
    await consumer.close();
    const other = log.consumer("b");
    const quiet = collect(other);
    await until(() => (other.position.get(0) ?? 0) === 3);
    await other.close();
    assert.equal((await quiet).length, 3);
    assert.throws(() => log.consumer("no/name"), RangeError);
    assert.throws(() => log.consumer("n", { shards: [1] }), RangeError);
    assert.throws(() => log.consumer("n", { leaseMs: 1 }), RangeError);
  });

  test("members of one name share the shards, and one that leaves hands its own over", 4, async (log) => {
    const members = ["a", "b"].map((id) => ({
      id,
      seen: [] as LogRecord[],
      consumer: log.consumer("shared", { autoCommit: true }),
    }));
    const loops = members.map(async ({ consumer, seen }) => {
      for await (const record of consumer) seen.push(record);
    });
    await until(() => members.every(({ consumer }) => consumer.position.size === 2), 30_000);
    await fill(log, 0, 40);
    const count = () => members.reduce((sum, { seen }) => sum + seen.length, 0);
    await until(() => count() === 40);
    const shardsOf = (records: LogRecord[]) => new Set(records.map(({ shard }) => shard));
    assert.deepEqual(members.map(({ seen }) => shardsOf(seen).size), [2, 2]);
    await members[0].consumer.close();
    await loops[0];
    await until(() => members[1].consumer.position.size === 4, 30_000);
    await fill(log, 40, 60);
    await until(() => count() === 60);
    const texts = members.flatMap(({ seen }) => seen.map((record) => record.text()!));
    assert.deepEqual(texts.sort(), values(0, 60));
    await members[1].consumer.close();
    await loops[1];
  });

  test("a member takes only the shards that it wants", 3, async (log) => {
    await fill(log, 0, 30);
    const only = await deliveries(log, "picky", { shards: [1] });
    assert.deepEqual(only, Array.from({ length: 10 }, (_, i) => `v${i * 3 + 1}`).sort());
    assert.equal((await deliveries(log, "picky")).length, 20);
  });

  test("stats say how far the consumers of this program are behind, also those that are closed", 2, async (log) => {
    await fill(log, 0, 6);
    assert.deepEqual(log.stats().consumers, []);
    const [consumer, other] = [log.consumer("mailer", { follow: false }), log.consumer("other", { follow: false })];
    for await (const record of consumer) if (record.offset === 0) await consumer.commit(record);
    for await (const _ of other);
    await other.commit();
    const lags = () =>
      log.stats().consumers.map(({ consumer, shard, committed, lag }) => [consumer, shard, committed, lag]);
    assert.deepEqual(lags().sort(), [["mailer", 0, 1, 2], ["mailer", 1, 1, 2], ["other", 0, 3, 0], ["other", 1, 3, 0]]);
    assert.match(log.statsText(), /bimiplog_consumer_lag[^\n]*mailer[^\n]* 2\n/);
    await Promise.all([consumer.close(), other.close()]);
    await fill(log, 6, 8);
    assert.deepEqual(lags().sort(), [["mailer", 0, 1, 3], ["mailer", 1, 1, 3], ["other", 0, 3, 1], ["other", 1, 3, 1]]);
  });

  test("dropped records are told, or stop the loop", 1, async (log) => {
    await fill(log, 0, 20);
    const first = log.consumer("slow", { follow: false });
    for await (const record of first) {
      await first.commit(record);
      if (record.offset === 4) break;
    }
    await first.close();
    await log.shard(0).trimBefore(10);
    await fails("OFFSET_OUT_OF_RANGE", () => deliveries(log, "slow"));
    const gaps: number[][] = [];
    const found = await deliveries(log, "slow", { onGap: ({ shard, from, to }) => gaps.push([shard, from, to]) });
    assert.deepEqual(found, values(10, 20));
    assert.deepEqual(gaps, [[0, 5, 9]]);
  });
}

async function until(isSo: () => boolean, limitMs = 20_000): Promise<void> {
  const end = performance.now() + limitMs;
  while (!isSo()) {
    assert.ok(performance.now() < end, `not so within ${limitMs} ms: ${isSo}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
