/** Batches that Kafka wrote are read as Kafka reads them. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { runtimeCodecs } from "../../adapters/codecs.ts";
import { noCodecs } from "../../src/batch/codecs.ts";
import { batchBytesAt, batchFault, CODEC_MASK, CODECS, headerFault, readHeader } from "../../src/batch/format.ts";
import { RecordDecoder } from "../../src/batch/record_decoder.ts";
import { LogError } from "../../src/errors.ts";
import { StoredRecord } from "../../src/read/stored_record.ts";
import type { GoldenRecord } from "../fixtures/kafka_batches.ts";
import { GOLDEN_BATCHES, goldenBytes } from "../fixtures/kafka_batches.ts";
import { concat } from "../fixtures/reference_batch.ts";

const SHARD = 3;

/** What the batch at `at` holds, in the form of the golden list. */
function decode(bytes: Uint8Array, at: number): GoldenRecord[] {
  const decoder = new RecordDecoder(bytes, at, runtimeCodecs);
  const records: GoldenRecord[] = [];
  while (decoder.next()) {
    const record = new StoredRecord(SHARD, decoder);
    assert.equal(record.shard, SHARD);
    records.push({
      offset: record.offset,
      timestamp: record.timestamp,
      key: record.keyText(),
      value: record.text(),
      headers: record.headers.map(([name, value]) => [name, value === null ? null : new TextDecoder().decode(value)]),
    });
  }
  assert.equal(decoder.fault, undefined);
  assert.equal(decoder.next(), false, "the end stays the end");
  return records;
}

function isUnsupported(codec: string): (error: unknown) => boolean {
  return (error) => error instanceof LogError && error.code === "UNSUPPORTED" && error.message.includes(codec);
}

describe("golden batches", () => {
  it("are a whole segment one behind the other", () => {
    const segment = concat(...GOLDEN_BATCHES.map(goldenBytes));
    let at = 0;
    let nextOffset = 0;
    for (const golden of GOLDEN_BATCHES) {
      assert.equal(batchFault(segment, at, segment.length - at), undefined, golden.name);
      const header = readHeader(segment, at);
      assert.deepEqual(header, golden.header, golden.name);
      assert.equal(header.baseOffset, nextOffset, golden.name);
      assert.deepEqual(decode(segment, at), golden.records, golden.name);
      nextOffset = header.lastOffset + 1;
      at += batchBytesAt(segment, at);
    }
    assert.equal(at, segment.length);
  });

  for (const golden of GOLDEN_BATCHES) {
    it(`have the documented header: ${golden.name}`, () => {
      const bytes = goldenBytes(golden);
      assert.equal(headerFault(bytes, 0, bytes.length), undefined);
      assert.equal(batchFault(bytes, 0, bytes.length), undefined);
      assert.deepEqual(readHeader(bytes, 0), golden.header);
      assert.equal(CODECS[golden.header.attributes & CODEC_MASK], golden.codec);
    });
    it(`hold the documented records: ${golden.name}`, () => {
      assert.deepEqual(decode(goldenBytes(golden), 0), golden.records);
    });
    if (golden.codec !== "none") {
      it(`answer UNSUPPORTED without codecs: ${golden.name}`, () => {
        assert.throws(() => new RecordDecoder(goldenBytes(golden), 0, noCodecs), isUnsupported(golden.codec));
      });
    }
  }
});
