import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BACKPRESSURE, BatchBuilder, type RecordInput } from "../../mod.ts";
import { crc32c } from "../../src/batch/crc32c.ts";
import { CRC_AT, CRC_FROM, HEADER_BYTES, readHeader } from "../../src/batch/format.ts";
import { collect, fails, filled, reopen, take, texts, useDirectory, useLog } from "../helpers.ts";

describe("tryAppend", () => {
  it("answers consecutive offsets at once, before anything is written", () =>
    useLog({}, async (log) => {
      const shard = log.shard(0);
      const offsets = Array.from({ length: 1000 }, (_, i) => shard.tryAppend({ value: `${i}` }));
      assert.deepEqual(offsets, Array.from({ length: 1000 }, (_, i) => i));
      assert.equal(shard.nextOffset, 1000);
      assert.equal(shard.written, 0);
      await shard.flush();
      assert.equal(shard.written, 1000);
    }));

  it("goes on counting where the log ended before", () =>
    useDirectory(async (directory) => {
      await reopen(directory, {}, (log) => [take(log.shard(0), { value: "a" }), take(log.shard(0), { value: "b" })]);
      await reopen(directory, {}, async (log) => {
        assert.equal(log.shard(0).nextOffset, 2);
        assert.equal(take(log.shard(0), { value: "c" }), 2);
        await log.flush();
        assert.deepEqual(await texts(log.read()), ["a", "b", "c"]);
      });
    }));

  it("counts each shard for itself", () =>
    useLog({ shards: 3 }, (log) => {
      for (let i = 0; i < 5; i++) for (const shard of log.shards) assert.equal(take(shard, { value: "x" }), i);
      return Promise.resolve();
    }));

  it("copies: the caller's bytes are free for other use when it returns", () =>
    useLog({}, async (log) => {
      const value = new Uint8Array([1, 2, 3]);
      const key = new Uint8Array([4]);
      const header = new Uint8Array([5, 6]);
      take(log.shard(0), { key, value, headers: { h: header } });
      for (const bytes of [value, key, header]) bytes.fill(0xff);
      await log.flush();
      const [record] = await collect(log.read());
      assert.deepEqual([...record.value!], [1, 2, 3]);
      assert.deepEqual([...record.key!], [4]);
      assert.deepEqual(record.headers.map(([name, bytes]) => [name, [...bytes!]]), [["h", [5, 6]]]);
    }));

  it("keeps key, value, headers and timestamp as they were given", () =>
    useLog({}, async (log) => {
      const records: RecordInput[] = [
        { key: "k", value: "text: ä €  \u{1f600}", timestamp: 0 },
        { key: null, value: null, timestamp: 5 },
        { key: "", value: "", timestamp: 4 },
        { key: new Uint8Array([0, 255]), value: new Uint8Array([128, 0]), timestamp: 2 ** 50 },
        {
          value: "v",
          headers: [["twice", "1"], ["twice", new Uint8Array([2])], ["none", null], ["", ""]],
          timestamp: 7,
        },
        { value: "\ufeffwith a byte order mark", headers: { one: "1" }, timestamp: 8 },
        { value: filled(200_000, 1), timestamp: 9 },
      ];
      for (const record of records) take(log.shard(0), record);
      await log.flush();
      const read = await collect(log.read());
      const bytes = (input: string | Uint8Array | null | undefined): Uint8Array | null =>
        typeof input === "string" ? new TextEncoder().encode(input) : input ?? null;
      for (const [i, record] of records.entries()) {
        assert.deepEqual(read[i].key, bytes(record.key));
        assert.deepEqual(read[i].value, bytes(record.value));
        assert.equal(read[i].timestamp, record.timestamp);
        const pairs = Array.isArray(record.headers) ? record.headers : Object.entries(record.headers ?? {});
        assert.deepEqual(read[i].headers, pairs.map(([name, value]) => [name, bytes(value)]));
        if (typeof record.value === "string") assert.equal(read[i].text(), record.value);
        if (typeof record.key === "string") assert.equal(read[i].keyText(), record.key);
      }
      assert.equal(read[1].text(), null);
      assert.equal(read[1].keyText(), null);
    }));

  it("stamps a record with the time where none is given", () =>
    useLog({}, async (log) => {
      const before = Date.now();
      take(log.shard(0), { value: "x" });
      const after = Date.now();
      await log.flush();
      const [record] = await collect(log.read());
      assert.ok(record.timestamp >= before && record.timestamp <= after, String(record.timestamp));
    }));

  it("reads JSON values, and null for a tombstone", () =>
    useLog({}, async (log) => {
      take(log.shard(0), { value: JSON.stringify({ a: [1, null] }) });
      take(log.shard(0), { value: null });
      take(log.shard(0), { value: "{" });
      await log.flush();
      const [object, tombstone, broken] = await collect(log.read());
      assert.deepEqual(object.json<{ a: unknown[] }>(), { a: [1, null] });
      assert.equal(tombstone.json(), null);
      assert.throws(() => broken.json(), SyntaxError);
    }));

  const mistakes: readonly (readonly [what: string, record: unknown, error: ErrorConstructor])[] = [
    ["a number as value", { value: 1 }, TypeError],
    ["no value", {}, TypeError],
    ["a number as key", { key: 1, value: "x" }, TypeError],
    ["an ArrayBuffer as value", { value: new ArrayBuffer(1) }, TypeError],
    ["headers that are text", { value: "x", headers: "a" }, TypeError],
    ["a header without a name", { value: "x", headers: [[1, "a"]] }, TypeError],
    ["a negative timestamp", { value: "x", timestamp: -1 }, RangeError],
    ["half a millisecond", { value: "x", timestamp: 0.5 }, RangeError],
  ];
  for (const [what, record, error] of mistakes) {
    it(`takes nothing of a record with ${what}`, () =>
      useLog({}, async (log) => {
        const shard = log.shard(0);
        take(shard, { value: "before" });
        assert.throws(() => shard.tryAppend(record as RecordInput), error);
        assert.equal(take(shard, { value: "after" }), 1);
        await log.flush();
        assert.deepEqual(await texts(log.read()), ["before", "after"]);
      }));
  }

  it("refuses a record that the buffer can never hold, and takes nothing of it", () =>
    useLog({ maxBufferPerShard: 10_000 }, async (log) => {
      const shard = log.shard(0);
      take(shard, { value: "before" });
      const error = await fails("RECORD_TOO_LARGE", () => shard.tryAppend({ value: filled(10_000, 1) }));
      assert.equal(error.shard, 0);
      await fails("RECORD_TOO_LARGE", () => log.append({ value: filled(10_000, 1) }));
      assert.equal(take(shard, { value: "after" }), 1);
      await log.flush();
      assert.deepEqual(await texts(log.read()), ["before", "after"]);
    }));

  it("takes a record that just fits the buffer", () =>
    useLog({ maxBufferPerShard: 10_000 }, async (log) => {
      await log.append({ value: filled(9_800, 1) });
      const [record] = await collect(log.read());
      assert.deepEqual(record.value, filled(9_800, 1));
    }));
});

describe("tryAppendBatch", () => {
  function blobOf(...values: string[]): Uint8Array {
    const builder = new BatchBuilder();
    for (const value of values) assert.ok(builder.add({ value, timestamp: 1 }));
    return builder.finish();
  }

  it("answers the base offset, and patches base offset and epoch in place", () =>
    useLog({}, async (log) => {
      const shard = log.shard(0);
      for (let i = 0; i < 3; i++) take(shard, { value: `${i}` });
      const blob = blobOf("3", "4");
      const untouched = blob.slice();
      assert.equal(shard.tryAppendBatch(blob), 3);
      assert.equal(readHeader(blob, 0).baseOffset, 3);
      assert.equal(readHeader(blob, 0).epoch, 1);
      assert.deepEqual(blob.subarray(8, 12), untouched.subarray(8, 12));
      assert.deepEqual(blob.subarray(16), untouched.subarray(16));
      assert.equal(shard.nextOffset, 5);
      assert.equal(take(shard, { value: "5" }), 5);
      await log.flush();
      assert.deepEqual(await texts(log.read()), ["0", "1", "2", "3", "4", "5"]);
    }));

  it("keeps the order of the calls, whatever is mixed", () =>
    useLog({ batchBytes: 500, stride: 17 }, async (log) => {
      const shard = log.shard(0);
      const expected: string[] = [];
      for (let i = 0; i < 300; i++) {
        const values = Array.from({ length: i % 5 }, (_, k) => `${i}.${k}`);
        if (i % 3 === 0 && values.length > 0) assert.equal(shard.tryAppendBatch(blobOf(...values)), expected.length);
        else for (const [k, value] of values.entries()) assert.equal(take(shard, { value }), expected.length + k);
        expected.push(...values);
      }
      await log.flush();
      assert.deepEqual(await texts(log.read()), expected);
    }));

  it("refuses what is not exactly one finished batch, and takes nothing", () =>
    useLog({}, async (log) => {
      const shard = log.shard(0);
      const flipped = blobOf("a");
      flipped[flipped.length - 1] ^= 1;
      const two = new Uint8Array([...blobOf("a"), ...blobOf("b")]);
      for (const bad of [new Uint8Array(0), new Uint8Array(100), blobOf("a").subarray(0, 65), flipped, two]) {
        await fails("BATCH_INVALID", () => shard.tryAppendBatch(bad));
      }
      assert.throws(() => shard.tryAppendBatch([] as unknown as Uint8Array), TypeError);
      assert.equal(shard.nextOffset, 0);
    }));

  it("leaves what was appended before a refused blob as it is, and goes on behind it", () =>
    useLog({ flushIntervalMs: Infinity }, async (log) => {
      const shard = log.shard(0);
      const flipped = blobOf("lost");
      flipped[flipped.length - 1] ^= 1;
      take(shard, { value: "a" });
      await fails("BATCH_INVALID", () => shard.tryAppendBatch(flipped));
      take(shard, { value: "b" });
      assert.equal(shard.tryAppendBatch(blobOf("c")), 2);
      await fails("BATCH_INVALID", () => shard.tryAppendBatch(flipped));
      await log.flush();
      assert.deepEqual(await texts(log.read()), ["a", "b", "c"]);
    }));

  it("looks at the records of a blob that was changed after it was finished, although its checksum was made right", () =>
    useLog({}, async (log) => {
      const shard = log.shard(0);
      // The length of a record, its offset delta, the length of its key.
      for (const at of [0, 3, 4]) {
        const blob = blobOf("one", "two");
        blob[HEADER_BYTES + at] ^= 0x10;
        new DataView(blob.buffer).setUint32(CRC_AT, crc32c(blob, CRC_FROM));
        await fails("BATCH_INVALID", () => shard.tryAppendBatch(blob));
      }
      assert.equal(shard.nextOffset, 0);
    }));

  it("refuses with backpressure without touching the blob", () =>
    useLog({ maxBufferPerShard: 2000, flushIntervalMs: Infinity }, async (log) => {
      const shard = log.shard(0);
      take(shard, { value: filled(1500, 1) });
      const blob = blobOf("x".repeat(700));
      const untouched = blob.slice();
      assert.equal(shard.tryAppendBatch(blob), BACKPRESSURE);
      assert.deepEqual(blob, untouched);
      await shard.writable();
      assert.equal(shard.tryAppendBatch(blob), 1);
    }));
});
