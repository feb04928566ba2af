/** The builder's batches against Kafka's own, and against a reference built with BigInt. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { BatchBuilder } from "../../src/batch/batch_builder.ts";
import { batchFault, HEADER_BYTES, patchBatch } from "../../src/batch/format.ts";
import { MAX_RECORD_BYTES } from "../../src/batch/record_input.ts";
import type { RecordInput } from "../../src/batch/record_input.ts";
import { validateBlob } from "../../src/batch/validate.ts";
import { LogError } from "../../src/errors.ts";
import { decodeBatch } from "../fixtures/decode.ts";
import { GOLDEN_BATCHES, goldenBytes } from "../fixtures/kafka_batches.ts";
import { plainRecord, recordInput, referenceOf } from "../fixtures/record_inputs.ts";
import { announceSeed } from "../fixtures/seed.ts";

announceSeed("batch_builder_test");

const TIMESTAMP = 1_760_000_000_000;

function golden(name: string): Uint8Array {
  return goldenBytes(GOLDEN_BATCHES.find((batch) => batch.name === name)!);
}

/** A builder that holds `inputs`; each of them has to be taken. */
function builderWith(inputs: readonly RecordInput[], maxBytes?: number): BatchBuilder {
  const builder = new BatchBuilder({ maxBytes });
  for (const input of inputs) assert.equal(builder.add(input), true);
  return builder;
}

describe("a built batch", () => {
  it("is the batch that Kafka writes of the same record", () => {
    const blob = builderWith([{ key: "k", value: "v", timestamp: TIMESTAMP }]).finish();
    assert.deepEqual(blob, golden("one record"));
  });

  it("is the batch that Kafka writes, once it has its place", () => {
    const blob = builderWith([{ value: "a".repeat(70), timestamp: TIMESTAMP }]).finish();
    patchBatch(blob, 0, 4, 0);
    assert.deepEqual(blob, golden("lengths that take two bytes"));
  });

  it("has Kafka's records where nulls, headers and an older record are among them", () => {
    const blob = builderWith([
      { value: "ä", headers: [["h", "x"], ["n", null], ["", ""]], timestamp: TIMESTAMP },
      { key: "", value: null, timestamp: TIMESTAMP - 1 },
      { key: "key", value: "", timestamp: TIMESTAMP + 300 },
    ]).finish();
    const expected = golden("idempotent producer, headers, nulls, a record older than the first");
    assert.deepEqual(blob.subarray(HEADER_BYTES), expected.subarray(HEADER_BYTES));
    // Between the attributes and the producer's fields: offsets and timestamps.
    assert.deepEqual(blob.subarray(21, 43), expected.subarray(21, 43));
  });

  it("is the reference's batch of any records, and is read back as what went in", () => {
    fc.assert(fc.property(fc.array(recordInput, { minLength: 1, maxLength: 12 }), (inputs) => {
      const blob = builderWith(inputs, 1_000_000).finish();
      const records = inputs.map(plainRecord);
      assert.deepEqual(blob, referenceOf(records));
      assert.equal(batchFault(blob, 0, blob.length), undefined);
      assert.equal(validateBlob(blob), inputs.length);
      assert.deepEqual(decodeBatch(blob), records.map((record, offset) => ({ offset, ...record })));
    }));
  });

  it("keeps timestamps that lie further apart than 32 bits, in both directions", () => {
    const timestamps = [2 ** 40, 0, Number.MAX_SAFE_INTEGER, 2 ** 40 - 2 ** 31, 2 ** 40 + 2 ** 32, 2 ** 40 - 1];
    const blob = builderWith(timestamps.map((timestamp) => ({ value: null, timestamp }))).finish();
    assert.deepEqual(decodeBatch(blob).map((record) => record.timestamp), timestamps);
    assert.deepEqual(blob, referenceOf(timestamps.map((timestamp) => plainRecord({ value: null, timestamp }))));
  });

  it("gives a record without a timestamp the time of adding it", () => {
    const before = Date.now();
    const builder = builderWith([{ value: "a" }]);
    const after = Date.now();
    const [{ timestamp }] = decodeBatch(builder.finish());
    assert.ok(timestamp >= before && timestamp <= after, `${before} ≤ ${timestamp} ≤ ${after}`);
  });
});

describe("a batch builder", () => {
  const inputs = Array.from({ length: 40 }, (_, i) => ({
    key: `user-${i % 3}`,
    value: "v".repeat(i * 7),
    timestamp: TIMESTAMP + i,
  }));
  const whole = builderWith(inputs, 1_000_000).finish();

  it("takes what fills it to the byte, and nothing of a record that is one byte too many", () => {
    assert.equal(builderWith(inputs, whole.length).byteLength, whole.length);
    const builder = builderWith(inputs.slice(0, -1), whole.length - 1);
    const { count, byteLength } = builder;
    for (let again = 0; again < 3; again++) assert.equal(builder.add(inputs[39]), false);
    assert.deepEqual([builder.count, builder.byteLength], [count, byteLength]);
    assert.deepEqual(builder.finish(), referenceOf(inputs.slice(0, -1).map(plainRecord)));
    assert.equal(builder.add(inputs[39]), true);
    assert.deepEqual(builder.finish(), referenceOf([plainRecord(inputs[39])]));
  });

  it("knows its size and count after each record", () => {
    const builder = new BatchBuilder({ maxBytes: 1_000_000 });
    assert.deepEqual([builder.count, builder.byteLength], [0, HEADER_BYTES]);
    inputs.forEach((input, i) => {
      builder.add(input);
      const expected = referenceOf(inputs.slice(0, i + 1).map(plainRecord));
      assert.deepEqual([builder.count, builder.byteLength], [i + 1, expected.length]);
    });
  });

  it("takes a single record that is larger than it may be, and no second one", () => {
    const builder = new BatchBuilder({ maxBytes: HEADER_BYTES });
    const input = { value: new Uint8Array(100_000).fill(7), timestamp: TIMESTAMP };
    assert.equal(builder.add(input), true);
    assert.equal(builder.add({ value: null, timestamp: TIMESTAMP }), false);
    assert.deepEqual(builder.finish(), referenceOf([plainRecord(input)]));
  });

  it("is empty again after a batch, which has memory of its own", () => {
    const builder = builderWith([inputs[0]]);
    const first = builder.finish();
    const copy = first.slice();
    assert.deepEqual([builder.count, builder.byteLength], [0, HEADER_BYTES]);
    builder.add({ value: "x".repeat(100), timestamp: 1 });
    const second = builder.finish();
    assert.deepEqual(first, copy);
    assert.notEqual(first.buffer, second.buffer);
    assert.deepEqual(second, referenceOf([plainRecord({ value: "x".repeat(100), timestamp: 1 })]));
  });

  it("copies: what it took does not change with the caller's bytes", () => {
    const value = Uint8Array.of(1, 2, 3);
    const builder = builderWith([{ key: value, value, headers: [["h", value]], timestamp: 0 }]);
    value.fill(9);
    const [record] = decodeBatch(builder.finish());
    const expected = Uint8Array.of(1, 2, 3);
    assert.deepEqual([record.key, record.value, record.headers[0][1]], [expected, expected, expected]);
  });

  it("takes views into larger and shared memory", () => {
    const value = new Uint8Array(new SharedArrayBuffer(16), 4, 3);
    value.set([1, 2, 3]);
    const [record] = decodeBatch(builderWith([{ value, timestamp: 0 }]).finish());
    assert.deepEqual(record.value, Uint8Array.of(1, 2, 3));
  });

  it("cannot finish a batch without records", () => {
    const builder = new BatchBuilder();
    assert.throws(() => builder.finish(), RangeError);
    builder.add({ value: "a" });
    builder.finish();
    assert.throws(() => builder.finish(), RangeError);
  });

  it("refuses a size that is out of range, by name", () => {
    for (const maxBytes of [0, 60, -1, 61.5, NaN, Infinity, 2 ** 30 + 1, "100"]) {
      assert.throws(
        () => new BatchBuilder({ maxBytes: maxBytes as number }),
        (error) => error instanceof RangeError && /maxBytes must be 61 to 1073741824/.test(error.message),
        String(maxBytes),
      );
    }
    for (const maxBytes of [61, 2 ** 30]) assert.equal(new BatchBuilder({ maxBytes }).count, 0);
  });
});

describe("a record that is no record", () => {
  const wrong: [what: string, input: unknown, error: typeof TypeError | typeof RangeError, message: RegExp][] = [
    ["a number as key", { key: 7, value: "v" }, TypeError, /the key must be .* not a number/],
    ["an array as key", { key: [1], value: "v" }, TypeError, /the key must be .* not an array/],
    ["no value", { key: "k" }, TypeError, /the value must be .* not undefined/],
    ["an undefined value", { value: undefined }, TypeError, /the value must be .* not undefined/],
    ["an object as value", { value: { a: 1 } }, TypeError, /the value must be .* not a object/],
    ["other typed memory as value", { value: new Uint16Array(2) }, TypeError, /the value must be/],
    ["a buffer as value", { value: new ArrayBuffer(2) }, TypeError, /the value must be/],
    ["text as headers", { value: "v", headers: "a=b" }, TypeError, /headers must be an object or an array of pairs/],
    ["null as headers", { value: "v", headers: null }, TypeError, /headers must be an object or an array of pairs/],
    ["a number as header", { value: "v", headers: { a: 1 } }, TypeError, /a header's value must be .* not a number/],
    ["a pair without value", { value: "v", headers: [["a"]] }, TypeError, /a header's value must be .* not undefined/],
    ["a number as name", { value: "v", headers: [[1, "a"]] }, TypeError, /a header's name must be a string/],
    ["a negative timestamp", { value: "v", timestamp: -1 }, RangeError, /whole milliseconds since 1970, not -1/],
    ["half a millisecond", { value: "v", timestamp: 0.5 }, RangeError, /not 0.5/],
    ["no number as timestamp", { value: "v", timestamp: NaN }, RangeError, /not NaN/],
    ["an endless timestamp", { value: "v", timestamp: Infinity }, RangeError, /not Infinity/],
    ["a timestamp of 54 bits", { value: "v", timestamp: 2 ** 53 }, RangeError, /not 9007199254740992/],
    ["a date as timestamp", { value: "v", timestamp: new Date(0) }, RangeError, /whole milliseconds/],
    ["a null timestamp", { value: "v", timestamp: null }, RangeError, /not null/],
    ["nothing", undefined, TypeError, /./],
    ["null", null, TypeError, /./],
  ];
  for (const [what, input, kind, message] of wrong) {
    it(`is refused, and nothing of it is taken: ${what}`, () => {
      const good = { key: "k", value: "v", headers: { a: "b" }, timestamp: TIMESTAMP };
      const builder = builderWith([good]);
      const { byteLength } = builder;
      assert.throws(
        () => builder.add(input as RecordInput),
        (error) => error instanceof kind && message.test(error.message),
      );
      assert.deepEqual([builder.count, builder.byteLength], [1, byteLength]);
      assert.equal(builder.add(good), true);
      assert.deepEqual(builder.finish(), referenceOf([plainRecord(good), plainRecord(good)]));
    });
  }

  it("is refused with RECORD_TOO_LARGE above 512 MiB", () => {
    const builder = builderWith([{ value: "v", timestamp: 0 }]);
    const value = new Uint8Array(MAX_RECORD_BYTES + 1);
    assert.throws(
      () => builder.add({ value }),
      (error) => error instanceof LogError && error.code === "RECORD_TOO_LARGE",
    );
    assert.equal(builder.count, 1);
  });
});
