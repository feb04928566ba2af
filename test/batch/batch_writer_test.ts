import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BatchWriter } from "../../src/batch/batch_writer.ts";
import { HEADER_BYTES } from "../../src/batch/format.ts";
import { PreparedRecord } from "../../src/batch/record_input.ts";
import { announceSeed, makeRandom } from "../fixtures/seed.ts";

const SEED = announceSeed("batch_writer_test");
const BASE_TIME = 1_700_000_000_000;
const BYTES = 4 * 1024 * 1024;

interface Plain {
  readonly key?: string | null;
  readonly value: Uint8Array;
  readonly timestamp: number;
}

/** The batch as records of any shape are written. */
function writeAll(records: readonly Plain[]): Uint8Array {
  const writer = new BatchWriter();
  const bytes = new Uint8Array(BYTES);
  writer.begin(bytes, 0);
  const prepared = new PreparedRecord();
  for (const record of records) {
    prepared.prepare(record, { now: () => record.timestamp });
    writer.measure(prepared);
    writer.put(prepared);
  }
  writer.seal(0, 1);
  return bytes.slice(0, writer.position);
}

/** The same, in one step a record wherever that is possible; answers how many it was possible for. */
function writePlain(records: readonly Plain[]): [Uint8Array, number] {
  const writer = new BatchWriter();
  const bytes = new Uint8Array(BYTES);
  writer.begin(bytes, 0);
  const prepared = new PreparedRecord();
  let plain = 0;
  for (const record of records) {
    const before = writer.position;
    const size = writer.putPlain(record.key ?? null, record.value, record.timestamp, BYTES);
    assert.equal(writer.position, before + size, "it answers what it took");
    if (size > 0) {
      plain++;
      continue;
    }
    prepared.prepare(record, { now: () => record.timestamp });
    writer.measure(prepared);
    writer.put(prepared);
  }
  writer.seal(0, 1);
  return [bytes.slice(0, writer.position), plain];
}

describe("a record without key and headers", () => {
  for (const length of [0, 1, 51, 52, 57, 58, 63, 64, 100, 8170, 8191, 8192]) {
    it(`of ${length} bytes is written in one step as any other is`, () => {
      const records = Array.from({ length: 200 }, (_, i) => ({
        value: new Uint8Array(length).fill(i),
        timestamp: BASE_TIME + i * (i % 3 === 0 ? 100 : 1),
      }));
      const [bytes, plain] = writePlain(records);
      assert.deepEqual(bytes, writeAll(records));
      if (length <= 8170) assert.ok(plain > 100, `${plain} in one step`);
      else assert.equal(plain, 0);
    });
  }

  it("is written alike whatever its size, its time and its number are", () => {
    const random = makeRandom(SEED);
    for (let round = 0; round < 20; round++) {
      const spread = [1, 100, 20_000, 1_000_000][random(4)];
      const records = Array.from({ length: 1 + random(9000) }, () => ({
        value: new Uint8Array(random(random(50) === 0 ? 9000 : 150)).fill(random(256)),
        timestamp: BASE_TIME + random(spread) - random(spread >> 1 || 1),
      }));
      assert.deepEqual(writePlain(records)[0], writeAll(records));
    }
  });

  it("is written alike with a key, whatever the key is", () => {
    const keys = [
      "",
      "k",
      "user-12345",
      "x".repeat(63),
      "x".repeat(64),
      "x".repeat(200),
      "ä",
      "user-ü",
      "漢字",
      "\0",
      "\x7f",
      "\x80",
    ];
    for (const key of keys) {
      for (const length of [0, 50, 100, 8100, 8180]) {
        const records = Array.from({ length: 150 }, (_, i) => ({
          key: i % 7 === 6 ? null : key,
          value: new Uint8Array(length).fill(i),
          timestamp: BASE_TIME + i,
        }));
        const [bytes, plain] = writePlain(records);
        assert.deepEqual(bytes, writeAll(records));
        if (/^[\0-\x7f]{0,63}$/.test(key) && length <= 8100) assert.equal(plain, 149, `${key}: ${plain} in one step`);
      }
    }
  });

  it("is left alone where it would not end in time, and as the first of a batch", () => {
    const writer = new BatchWriter();
    const bytes = new Uint8Array(1000);
    writer.begin(bytes, 0);
    const value = new Uint8Array(100);
    assert.equal(writer.putPlain(null, value, BASE_TIME, 1000), 0);
    const prepared = new PreparedRecord();
    prepared.prepare({ value, timestamp: BASE_TIME }, { now: () => 0 });
    writer.measure(prepared);
    writer.put(prepared);
    assert.ok(writer.position > HEADER_BYTES + 100);
    const before = bytes.slice();
    assert.equal(writer.putPlain(null, value, BASE_TIME, writer.position + 108), 0);
    assert.deepEqual(bytes, before, "nothing was written");
    assert.equal(writer.putPlain(null, value, BASE_TIME, writer.position + 109), 109);
  });
});
