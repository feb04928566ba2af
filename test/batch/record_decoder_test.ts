/** Batches whose checksum is right and whose records lie: nothing loops, nothing is taken, the fault has a name. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { noCodecs } from "../../src/batch/codecs.ts";
import { batchFault, HEADER_BYTES, LOG_APPEND_TIME, readHeader } from "../../src/batch/format.ts";
import { RecordDecoder } from "../../src/batch/record_decoder.ts";
import { validateBlob } from "../../src/batch/validate.ts";
import { LogError } from "../../src/errors.ts";
import type { DecodedRecord } from "../fixtures/decode.ts";
import { copyRecord } from "../fixtures/decode.ts";
import type { ReferenceHeader, ReferenceRecord } from "../fixtures/reference_batch.ts";
import {
  concat,
  referenceBatch,
  referenceCrc,
  referenceRecord,
  referenceVarint,
  simpleBatch,
} from "../fixtures/reference_batch.ts";
import { plainRecord, recordInput, referenceOf } from "../fixtures/record_inputs.ts";
import { announceSeed } from "../fixtures/seed.ts";

announceSeed("record_decoder_test");

const BASE = 1000;
const KEY = Uint8Array.of(1, 2, 3);
/** Smallest record: length, attributes, two deltas, two lengths, no headers. */
const MIN_RECORD_BYTES = 7;
const good: ReferenceRecord = { key: KEY, value: KEY, headers: [[KEY, KEY], [KEY, null]] };

/** Decodes until the decoder stops, and holds every record against the batch's own limits. */
function decodeAll(batch: Uint8Array): { records: DecodedRecord[]; fault: string | undefined } {
  const header = readHeader(batch, 0);
  const decoder = new RecordDecoder(batch, 0, noCodecs);
  const records: DecodedRecord[] = [];
  let last = header.baseOffset - 1;
  while (decoder.next()) {
    const record = copyRecord(decoder);
    assert.ok(record.offset > last && record.offset <= header.lastOffset, `offset ${record.offset} behind ${last}`);
    assert.ok(Number.isSafeInteger(record.timestamp), `timestamp ${record.timestamp}`);
    last = record.offset;
    records.push(record);
    assert.ok(records.length * MIN_RECORD_BYTES <= batch.length, "no more records than bytes");
  }
  assert.equal(decoder.next(), false, "a decoder that stopped stays where it is");
  return { records, fault: decoder.fault };
}

function checkRefused(batch: Uint8Array, handedOut: number, fault: RegExp): void {
  assert.equal(batchFault(batch, 0, batch.length), undefined, "the checksum is right");
  const found = decodeAll(batch);
  assert.match(found.fault ?? "", fault);
  assert.equal(found.records.length, handedOut);
  assert.throws(() => validateBlob(batch), (error) => error instanceof LogError && error.code === "BATCH_INVALID");
}

/** A good record, a wrong one, a good one. */
function around(wrong: Uint8Array, header: ReferenceHeader = {}): Uint8Array {
  const records = concat(referenceRecord(good), wrong, referenceRecord({ ...good, offsetDelta: 2 }));
  return referenceBatch({ baseOffset: BASE, count: 3, ...header }, records);
}

/** The second record, with these bytes behind its offset delta. */
function withTail(...tail: Uint8Array[]): Uint8Array {
  const body = concat(Uint8Array.of(0), referenceVarint(0), referenceVarint(1), ...tail);
  return concat(referenceVarint(body.length), body);
}

const NONE = referenceVarint(-1);
const ZERO = referenceVarint(0);

describe("a record that lies", () => {
  const second: ReferenceRecord = { ...good, offsetDelta: 1 };
  const wrong: [what: string, record: Uint8Array, fault: RegExp][] = [
    ["length 0", referenceRecord({ ...second, length: 0 }), /has a field that does not fit/],
    ["a negative length", referenceRecord({ ...second, length: -1 }), /has a wrong length/],
    ["the most negative length", referenceRecord({ ...second, length: -(2 ** 31) }), /has a wrong length/],
    ["the largest length", referenceRecord({ ...second, length: 2 ** 31 - 1 }), /has a wrong length/],
    ["a length of 33 bits", concat(referenceVarint(2 ** 32), new Uint8Array(20)), /has a wrong length/],
    ["one byte less than it has", referenceRecord({ ...second, length: 22 }), /headers that do not fit/],
    ["one byte more than it has", referenceRecord({ ...second, length: 24 }), /headers that do not fit/],
    ["key length -2", withTail(referenceVarint(-2), NONE, ZERO), /has a field that does not fit/],
    ["a key as long as memory", withTail(referenceVarint(2 ** 31 - 1), NONE, ZERO), /has a field that does not fit/],
    ["a key that takes all", withTail(referenceVarint(2), NONE, ZERO), /has a field that does not fit/],
    ["no key at all", withTail(), /has a field that does not fit/],
    ["value length -2", withTail(NONE, referenceVarint(-2), ZERO), /has a field that does not fit/],
    ["a value as long as memory", withTail(NONE, referenceVarint(2 ** 31 - 1), ZERO), /has a field that does not fit/],
    ["no value at all", withTail(NONE), /has a field that does not fit/],
    ["header count -1", withTail(NONE, NONE, referenceVarint(-1)), /has a field that does not fit/],
    ["no header count", withTail(NONE, NONE), /has a field that does not fit/],
    ["2^31 headers", withTail(NONE, NONE, referenceVarint(2 ** 31 - 1)), /has headers that do not fit/],
    ["a header too many", withTail(NONE, NONE, referenceVarint(2), ZERO, ZERO), /has headers that do not fit/],
    ["a header too few", withTail(NONE, NONE, ZERO, ZERO, ZERO), /has headers that do not fit/],
    ["a header without name", withTail(NONE, NONE, referenceVarint(1), NONE, NONE), /has headers that do not fit/],
    [
      "a name as long as memory",
      withTail(NONE, NONE, referenceVarint(1), referenceVarint(2 ** 31 - 1), ZERO),
      /headers/,
    ],
    ["a header value of -2", withTail(NONE, NONE, referenceVarint(1), ZERO, referenceVarint(-2)), /has headers/],
    [
      "a header value as long as memory",
      withTail(NONE, NONE, referenceVarint(1), ZERO, referenceVarint(2 ** 31 - 1)),
      /has/,
    ],
    ["a cut number", withTail(Uint8Array.of(0x80)), /has a field that does not fit/],
    ["a number without end", withTail(new Uint8Array(40).fill(0xff)), /has a field that does not fit/],
    ["bytes behind its headers", withTail(NONE, NONE, ZERO, ZERO), /has headers that do not fit/],
    ["a negative offset", referenceRecord({ ...good, offsetDelta: -1 }), /has offset delta -1/],
    ["the offset before it again", referenceRecord({ ...good, offsetDelta: 0 }), /has offset delta 0/],
    ["an offset behind the batch", referenceRecord({ ...good, offsetDelta: 3 }), /has offset delta 3/],
    ["the largest offset", referenceRecord({ ...good, offsetDelta: 2 ** 31 - 1 }), /has offset delta 2147483647/],
    [
      "a timestamp delta of 55 bits",
      referenceRecord({ ...second, timestampDelta: 2n ** 54n }),
      /field that does not fit/,
    ],
    ["a timestamp delta of 64 bits", referenceRecord({ ...second, timestampDelta: -(2n ** 63n) }), /does not fit/],
  ];
  for (const [what, record, fault] of wrong) {
    it(`ends the batch behind the good one before it: ${what} [fault 49]`, () =>
      checkRefused(around(record), 1, fault));
  }

  it("ends the batch: a timestamp that leaves the safe integers only with its delta", () => {
    const batch = around(referenceRecord({ ...second, timestampDelta: 1 }), { baseTimestamp: Number.MAX_SAFE_INTEGER });
    checkRefused(batch, 1, /has timestamp delta 1/);
  });

  it("may have any timestamp delta where the batch has the append time for all", () => {
    const batch = around(referenceRecord({ ...second, timestampDelta: 2 ** 50 }), {
      baseTimestamp: Number.MAX_SAFE_INTEGER,
      maxTimestamp: 77,
      attributes: LOG_APPEND_TIME,
    });
    const { records, fault } = decodeAll(batch);
    assert.deepEqual([fault, ...records.map((record) => record.timestamp)], [undefined, 77, 77, 77]);
  });
});

describe("a batch that lies", () => {
  const three = concat(...[0, 1, 2].map((offsetDelta) => referenceRecord({ ...good, offsetDelta })));

  it("about its count: more than there are", () => {
    checkRefused(referenceBatch({ count: 4 }, three), 3, /record 3 of 4 has a wrong length/);
    checkRefused(referenceBatch({ count: 2 ** 31 - 1 }, three), 3, /record 3 of 2147483647 has a wrong length/);
    checkRefused(referenceBatch({ count: 1 }), 0, /record 0 of 1 has a wrong length/);
  });

  it("about its count: fewer than there are", () => {
    checkRefused(
      referenceBatch({ count: 2 }, three),
      2,
      new RegExp(`${three.length / 3} bytes follow its last record`),
    );
    const decoder = new RecordDecoder(referenceBatch({ count: 0 }, three), 0, noCodecs);
    assert.equal(decoder.next(), false);
    assert.match(decoder.fault ?? "", /bytes follow its last record/);
  });

  it("is refused wherever its records are cut, although the checksum is right", () => {
    for (let length = 0; length < three.length; length++) {
      const batch = referenceBatch({ count: 3 }, three.subarray(0, length));
      checkRefused(batch, Math.floor(length / (three.length / 3)), /has a/);
    }
  });

  it("is never read beyond its end, whatever follows it", () => {
    const batch = referenceBatch({ count: 4 }, three);
    const among = concat(batch, simpleBatch(4, 1).subarray(HEADER_BYTES));
    const decoder = new RecordDecoder(among, 0, noCodecs);
    let count = 0;
    while (decoder.next()) count++;
    assert.deepEqual([count, decoder.fault], [3, "record 3 of 4 has a wrong length"]);
  });
});

describe("random damage under a right checksum", () => {
  it("in a good batch: it is refused, or records come out that respect the header", () => {
    fc.assert(fc.property(
      fc.array(recordInput, { minLength: 1, maxLength: 5 }),
      fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 }),
      (inputs, changes) => {
        const batch = referenceOf(inputs.map(plainRecord));
        const records = batch.slice(HEADER_BYTES, HEADER_BYTES + 4000);
        for (const [at, byte] of changes) records[at % records.length] = byte;
        decodeAll(referenceBatch({ baseOffset: BASE, count: inputs.length }, records));
      },
    ));
  });

  it("as whole batches of random bytes with any count [fault 49]", () => {
    fc.assert(fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.integer({ min: 0, max: 2 ** 31 - 1 }),
      fc.nat({ max: 0x78 }),
      (records, count, attributes) => {
        // Bits 0–2 stay 0: the codec's own data is not the decoder's.
        const batch = referenceBatch({ count, attributes: attributes & ~7 }, records);
        assert.equal(batchFault(batch, 0, batch.length), undefined);
        decodeAll(batch);
      },
    ));
  });

  it("one bit at a time: validateBlob refuses, or takes what the reader reads", () => {
    const batch = simpleBatch(0, 3);
    for (let bit = HEADER_BYTES * 8; bit < batch.length * 8; bit++) {
      const flipped = batch.slice();
      flipped[bit >> 3] ^= 1 << (bit & 7);
      new DataView(flipped.buffer).setUint32(17, referenceCrc(flipped.subarray(21)));
      const { records, fault } = decodeAll(flipped);
      if (fault === undefined) assert.equal(validateBlob(flipped), records.length);
      else assert.throws(() => validateBlob(flipped), { code: "BATCH_INVALID" });
    }
  });
});
