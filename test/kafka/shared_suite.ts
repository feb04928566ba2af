/** What a program may rely on wherever its log is: the same tests for the embedded log and for a topic of a cluster. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { BACKPRESSURE, BatchBuilder, type LogErrorCode } from "../../mod.ts";
import type { LogRecord, RecordInput } from "../../mod.ts";
import { collect, fails, texts } from "../helpers.ts";
import { tester, type UsePlace } from "./place.ts";

const START = 1_760_000_000_000;

/** Registers the tests. */
export function sharedSuite(skip: string | false, use: UsePlace): void {
  const test = tester(skip, use);

  test("append answers shard and offset, and every field is read as it was written", 3, async (log) => {
    const inputs: (RecordInput & { key: string })[] = [
      { key: "alice", value: "hällo", timestamp: START, headers: [["a", "1"], ["a", null], ["ä", ""]] },
      { key: "bob", value: null, timestamp: START + 1 },
      { key: "", value: "", timestamp: START - 5 },
      { key: "alice", value: "😀", timestamp: START + 2, headers: { trace: "x" } },
    ];
    for (const input of inputs) {
      const { shard, offset } = await log.append(input);
      assert.equal(shard, log.shardFor(input.key).id);
      const record = await log.get({ shard, offset });
      const text = (value: unknown) => typeof value === "string" ? [...new TextEncoder().encode(value)] : value;
      const bytes = (value: Uint8Array | null) => value === null ? null : [...value];
      assert.deepEqual(bytes(record!.key), text(input.key));
      assert.deepEqual(bytes(record!.value), text(input.value));
      assert.equal(record!.timestamp, input.timestamp);
      const pairs = Array.isArray(input.headers) ? input.headers : Object.entries(input.headers ?? {});
      assert.deepEqual(
        record!.headers.map(([name, value]) => [name, bytes(value)]),
        pairs.map(([n, v]) => [n, text(v)]),
      );
    }
    const { id } = log.shardFor("alice");
    const alice = await collect(log.read({ shard: id }));
    assert.deepEqual(alice.filter((record) => record.keyText() === "alice").map((record) => record.text()), [
      "hällo",
      "😀",
    ]);
  });

  test("tryAppend hands out offsets in order, and flush, acknowledged and the ends agree", 1, async (log) => {
    const shard = log.shard(0);
    const offsets = Array.from({ length: 500 }, (_, i) => shard.tryAppend({ value: `v${i}`, timestamp: START + i }));
    assert.deepEqual(offsets, Array.from({ length: 500 }, (_, i) => i));
    const builder = new BatchBuilder();
    for (let i = 500; i < 520; i++) builder.add({ value: `v${i}`, timestamp: START + i });
    assert.equal(shard.tryAppendBatch(builder.finish()), 500);
    await shard.acknowledged(519);
    assert.equal(await shard.flush(), 520);
    assert.deepEqual([shard.nextOffset, shard.written, shard.state], [520, 520, "open"]);
    assert.deepEqual(await texts(log.read({ shard: 0 })), Array.from({ length: 520 }, (_, i) => `v${i}`));
    await assert.rejects(shard.acknowledged(520), RangeError);
    assert.throws(() => shard.tryAppendBatch(new Uint8Array(61)), { code: "BATCH_INVALID" satisfies LogErrorCode });
    assert.throws(() => shard.tryAppend({ value: 7 as unknown as string }), TypeError);
  });

  test("reads begin where they are told, and end with what was there", 2, async (log) => {
    for (let i = 0; i < 100; i++) log.shard(i % 2).tryAppend({ value: `v${i}`, timestamp: START + i });
    await log.flush();
    const all = Array.from({ length: 100 }, (_, i) => `v${i}`);
    assert.deepEqual(await texts(log.read()), all);
    assert.deepEqual(await texts(log.read({ last: 7 })), all.slice(-7));
    assert.deepEqual(await texts(log.read({ limit: 3 })), all.slice(0, 3));
    assert.deepEqual(await texts(log.read({ from: [49, 50] })), ["v98"]);
    assert.deepEqual(await texts(log.read({ from: new Date(START + 90) })), all.slice(90));
    assert.deepEqual(await texts(log.read({ from: new Date(START + 1000) })), []);
    assert.deepEqual(await texts(log.read({ from: "latest" })), []);
    assert.deepEqual(await texts(log.read({ shard: 1, from: 48 })), ["v97", "v99"]);
    assert.deepEqual(await texts(log.read({ shard: 1, last: 2 })), ["v97", "v99"]);
    assert.deepEqual(await texts(log.read({ shard: 0, last: 0 })), []);
    await fails("OFFSET_OUT_OF_RANGE", () => collect(log.read({ shard: 0, from: 51 })));
    assert.throws(() => log.read({ from: 3 }), TypeError);
    assert.throws(() => log.read({ shard: 2 }), RangeError);
    assert.throws(() => log.read({ limit: -1 }), RangeError);
    assert.equal((await log.get({ shard: 0, offset: 3 }))?.text(), "v6");
    assert.equal(await log.get({ shard: 0, offset: 50 }), undefined);
    await fails("OFFSET_OUT_OF_RANGE", () => log.get({ shard: 0, offset: 51 }));
  });

  test("batches hold the same records", 2, async (log) => {
    for (let i = 0; i < 300; i++) log.shard(i % 2).tryAppend({ value: `v${i}`, timestamp: START + i });
    await log.flush();
    const values: string[] = [];
    let records = 0;
    for await (const batch of log.batches({ shard: 1, from: 10 })) {
      assert.equal(batch.bytes.length, batch.byteLength);
      assert.equal(batch.codec, "none");
      const cursor = batch.records();
      for (; cursor.next(); records++) values.push(String(cursor.offset));
    }
    assert.deepEqual(values, Array.from({ length: 140 }, (_, i) => String(i + 10)));
    for await (const batch of log.batches()) records += batch.count;
    assert.equal(records, 440);
  });

  test("a follower sees what was there and what comes, until the log is closed", 2, async (log) => {
    await log.append({ key: "a", value: "before" });
    const seen: string[] = [];
    const following = (async () => {
      for await (const record of log.read({ follow: true })) seen.push(record.text()!);
    })();
    const latest = log.read({ from: "latest", follow: true, limit: 1 });
    const first = latest.next();
    await new Promise((resolve) => setTimeout(resolve, 300));
    for (let i = 0; i < 20; i++) await log.append({ key: `k${i}`, value: `v${i}` });
    assert.match((await first).value!.text()!, /^v/);
    for (let i = 0; seen.length < 21 && i < 200; i++) await new Promise((resolve) => setTimeout(resolve, 50));
    await log.close();
    await following;
    assert.deepEqual(seen.toSorted(), ["before", ...Array.from({ length: 20 }, (_, i) => `v${i}`)].toSorted());
  });

  test("a signal ends a follower with its reason", 1, async (log) => {
    const reason = new Error("enough");
    await assert.rejects(
      collect(log.read({ follow: true, signal: AbortSignal.any([AbortSignal.timeout(200)]) })),
      { name: "TimeoutError" },
    );
    await assert.rejects(collect(log.read({ signal: AbortSignal.abort(reason) })), reason);
    await assert.rejects(log.append({ value: "v" }, { signal: AbortSignal.abort(reason) }), reason);
  });

  it("a full buffer refuses, and everything that was taken arrives in order", { skip }, () =>
    use(1, async (place) => {
      const log = await place.open({ maxBufferPerShard: 262_144, batchBytes: 16_384 });
      const [shard] = log.shards;
      const value = "x".repeat(1000);
      let refusals = 0;
      for (let i = 0; i < 2000;) {
        if (shard.tryAppend({ key: `${i}`, value }) !== BACKPRESSURE) i++;
        else {
          refusals++;
          await shard.writable();
        }
      }
      assert.ok(refusals > 0);
      await log.close();
      const again = await place.open();
      const records: LogRecord[] = await collect(again.read({ shard: 0 }));
      assert.deepEqual(records.map((record) => record.keyText()), Array.from({ length: 2000 }, (_, i) => `${i}`));
      assert.equal(again.shard(0).nextOffset, 2000);
      await again.close();
    }));

  test("records without a key spread over the shards", 3, async (log) => {
    for (let i = 0; i < 3; i++) {
      await log.append({ value: `v${i}` });
      await log.flush();
    }
    const shards = new Set((await collect(log.read())).map((record) => record.shard));
    assert.equal(shards.size, 3);
  });

  test("what is closed says so", 1, async (log) => {
    await log.append({ value: "v" });
    await log.close();
    await log.close();
    await fails("CLOSED", () => log.append({ value: "w" }));
    await fails("CLOSED", () => log.shard(0).tryAppend({ value: "w" }));
    await fails("CLOSED", () => log.read());
    await fails("CLOSED", () => log.flush());
  });
}
