/** What reading, trimming and looking at a log answer, wherever the log is. */
import assert from "node:assert/strict";
import type { Log, LogRecord, ReadOptions } from "../../mod.ts";
import { batchBytesAt, batchFault } from "../../src/batch/format.ts";
import { collect, fails, texts } from "../helpers.ts";
import { tester, type UsePlace } from "./place.ts";

const START = 1_760_000_000_000;

/** Registers the tests. */
export function sharedReading(skip: string | false, use: UsePlace): void {
  const test = tester(skip, use, { batchBytes: 4096 });

  /** 300 records over the shards, of seven keys, in several batches. */
  async function fill(log: Log): Promise<void> {
    for (let i = 0; i < 300; i++) {
      const headers: [string, string][] = i % 3 === 0 ? [["kind", `${i % 2}`]] : [];
      const value = `v${i} ${"x".repeat(i % 90)}`;
      log.shard(i % log.shards.length).tryAppend({ key: `k${i % 7}`, value, headers, timestamp: START + i });
      if (i % 50 === 49) await log.flush();
    }
  }

  test("every way of reading agrees with the same choice among all records", 3, async (log) => {
    await fill(log);
    const all = await collect(log.read());
    assert.equal(all.length, 300);
    const number = (record: LogRecord) => Number(/\d+/.exec(record.text()!)![0]);
    const isKey = (key: string) => (record: LogRecord) => record.keyText() === key;
    const cases: [ReadOptions, LogRecord[]][] = [
      [{ reverse: true }, all.toReversed()],
      [{ reverse: true, limit: 5 }, all.slice(-5).reverse()],
      [{ reverse: true, shard: 1 }, all.filter(({ shard }) => shard === 1).reverse()],
      [
        { reverse: true, shard: 1, from: 10, before: 40 },
        all.filter(({ shard, offset }) => shard === 1 && offset >= 10 && offset < 40).reverse(),
      ],
      [{ last: 7 }, all.slice(-7)],
      [{ last: 7, limit: 2 }, all.slice(-7, -5)],
      [{ last: 7, reverse: true }, all.slice(-7).reverse()],
      [{ last: 1000 }, all],
      [{ last: 3, before: new Date(START + 100) }, all.slice(97, 100)],
      [{ before: [10, 0, 1000] }, all.filter(({ shard, offset }) => shard === 2 || (shard === 0 && offset < 10))],
      [{ from: new Date(START + 20), before: new Date(START + 30) }, all.slice(20, 30)],
      [{ shard: 2, before: 5 }, all.filter(({ shard, offset }) => shard === 2 && offset < 5)],
      [{ shard: 0, before: 1000 }, all.filter(({ shard }) => shard === 0)],
      [{ where: { key: "k3" } }, all.filter(isKey("k3"))],
      [{ where: { key: "k3" }, last: 4 }, all.filter(isKey("k3")).slice(-4)],
      [{ where: { key: "k3" }, reverse: true, limit: 4 }, all.filter(isKey("k3")).reverse().slice(0, 4)],
      [{ where: { headers: { kind: "1" } } }, all.filter((record) => number(record) % 6 === 3)],
      [{ where: { headers: { kind: true } }, limit: 9 }, all.filter((record) => number(record) % 3 === 0).slice(0, 9)],
      [{ where: { key: "none" } }, []],
      [{ isolation: "committed" }, all],
      [{ isolation: "uncommitted", limit: 3 }, all.slice(0, 3)],
    ];
    const shown = (record: LogRecord) => `${record.shard}/${record.offset} ${record.text()}`;
    for (const [options, expected] of cases) {
      const found = await collect(log.read(options));
      assert.deepEqual(found.map(shown), expected.map(shown), JSON.stringify(options));
    }
    assert.throws(() => log.read({ follow: true, before: 3, shard: 0 }), TypeError);
    assert.throws(() => log.read({ before: 3 }), TypeError);
    assert.throws(() => log.read({ isolation: "committed", reverse: true }), TypeError);
    assert.throws(() => log.read({ where: { kee: "x" } as unknown as { key: string } }), TypeError);
    assert.throws(() => log.batches({ reverse: true }), TypeError);
    assert.throws(() => log.batches({ last: 3 }), TypeError);
  });

  test("batches can be chosen, too", 2, async (log) => {
    await fill(log);
    const offsets = async (options: ReadOptions): Promise<number[]> => {
      const found: number[] = [];
      for await (const batch of log.batches({ shard: 1, ...options })) {
        for (const cursor = batch.records(); cursor.next();) found.push(cursor.offset);
      }
      return found;
    };
    const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
    assert.deepEqual(await offsets({ last: 30 }), range(120, 150));
    assert.deepEqual(await offsets({ from: 5, before: 77 }), range(5, 77));
    assert.deepEqual(await offsets({ limit: 33 }), range(0, 33));
    const own = await collect(log.read({ shard: 1, where: { key: "k2" } }));
    assert.deepEqual(await offsets({ where: { key: "k2" } }), own.map(({ offset }) => offset));
    assert.deepEqual(await offsets({ where: { key: "k2" }, limit: 3 }), own.slice(0, 3).map(({ offset }) => offset));
  });

  test("raw ranges are the batches, one behind the other", 2, async (log) => {
    await fill(log);
    for (const maxBytes of [1, 10_000, 1_000_000]) {
      let next = 0;
      let bytes = 0;
      for await (const range of log.readRaw({ shard: 0, maxBytes })) {
        assert.equal(range.baseOffset, next);
        for (let at = 0; at < range.bytes.length; at += batchBytesAt(range.bytes, at)) {
          assert.equal(batchFault(range.bytes, at, range.bytes.length - at), undefined);
        }
        next = range.nextOffset;
        bytes += range.bytes.length;
      }
      assert.equal(next, 150);
      assert.ok(bytes > 150 * 40);
    }
    assert.throws(() => log.readRaw(), TypeError);
    assert.throws(() => log.readRaw({ shard: 0, maxBytes: 0 }), RangeError);
  });

  test("streams take records and hand them out", 2, async (log) => {
    const writer = log.toWritableStream({ highWaterMark: 4 }).getWriter();
    for (let i = 0; i < 50; i++) await writer.write({ key: `k${i}`, value: `v${i}`, timestamp: START + i });
    await writer.close();
    const values: string[] = [];
    for await (const record of log.toReadableStream({ highWaterMark: 2, limit: 40 })) values.push(record.text()!);
    assert.deepEqual(values, Array.from({ length: 40 }, (_, i) => `v${i}`));
    await log.toReadableStream({ follow: true }).cancel();
    assert.throws(() => log.toReadableStream({ highWaterMark: -1 }), RangeError);
  });

  test("a follower that opens while somebody writes misses nothing", 1, async (log) => {
    let isOver = false;
    let written = 0;
    const writing = (async () => {
      for (; !isOver; written++) {
        log.shard(0).tryAppend({ value: `${written}` });
        if (written % 5 === 0) await log.flush();
        if (written % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      }
      await log.flush();
    })();
    const followers = Array.from({ length: 12 }, async (_, i) => {
      await new Promise((resolve) => setTimeout(resolve, i * 20));
      const found = await collect(log.read({ follow: true, limit: 400 }));
      assert.deepEqual(found.map(({ offset }) => offset), Array.from({ length: 400 }, (_, offset) => offset));
    });
    await Promise.all(followers);
    isOver = true;
    await writing;
  });

  test("what is compressed is read as it was", 1, async (_log, place) => {
    await _log.close();
    const log = await place.open({ compression: "gzip" });
    for (let i = 0; i < 200; i++) log.shard(0).tryAppend({ value: `the same again ${i}`, timestamp: START });
    await log.flush();
    for await (const batch of log.batches()) assert.equal(batch.codec, "gzip");
    assert.deepEqual(await texts(log.read()), Array.from({ length: 200 }, (_, i) => `the same again ${i}`));
    await log.close();
  });

  test("what is trimmed is gone, and the log says so", 2, async (log, place) => {
    await fill(log);
    const shard = log.shard(1);
    assert.equal(await shard.trimBefore(60), 60);
    assert.equal(await shard.trimBefore(20), 60);
    assert.equal(shard.earliest, 60);
    assert.equal((await collect(log.read({ shard: 1 })))[0].offset, 60);
    await fails("OFFSET_OUT_OF_RANGE", () => collect(log.read({ shard: 1, from: 59 })));
    await fails("OFFSET_OUT_OF_RANGE", () => log.get({ shard: 1, offset: 59 }));
    await assert.rejects(shard.trimBefore(151), RangeError);
    await assert.rejects(shard.trimBefore(-1), RangeError);
    await log.close();
    const again = await place.open();
    assert.deepEqual(again.shards.map(({ earliest }) => earliest), [0, 60]);
    await again.close();
  });

  test("a log counts what it took, and says what an acknowledgement means", 2, async (log) => {
    await fill(log);
    const { total, shards, topic, directory } = log.stats();
    assert.deepEqual([total.messages, total.messagesWritten, total.bytesBuffered, shards.length], [300, 300, 0, 2]);
    assert.ok(
      total.bytesWritten > 300 * 40 && total.batches >= 12 && total.commits > 0 && total.flushLatency.count > 0,
    );
    assert.deepEqual([topic, directory], [log.topic, log.directory]);
    assert.match(log.statsText(), /^bimiplog_messages_total\{.*shard="1"\} 150$/m);
    const { text, rung, writeModes } = await log.guarantee();
    assert.match(text, /acknowledgement/);
    assert.ok(rung === "os" || rung === "disk");
    assert.equal(writeModes.length, 2);
  });
}
