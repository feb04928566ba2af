/** Which ready-to-write blobs a shard takes. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BatchBuilder } from "../../src/batch/batch_builder.ts";
import { CONTROL, DELETE_HORIZON, LOG_APPEND_TIME, MAX_BATCH_BYTES, TRANSACTIONAL } from "../../src/batch/format.ts";
import { validateBlob } from "../../src/batch/validate.ts";
import type { LogErrorCode } from "../../src/errors.ts";
import { LogError } from "../../src/errors.ts";
import { GOLDEN_BATCHES, goldenBytes } from "../fixtures/kafka_batches.ts";
import { concat, referenceBatch, referenceRecord, simpleBatch } from "../fixtures/reference_batch.ts";

function checkRefused(blob: Uint8Array, code: LogErrorCode, why: RegExp): void {
  const before = blob.slice();
  assert.throws(
    () => validateBlob(blob),
    (error) => error instanceof LogError && error.code === code && why.test(error.message),
  );
  assert.deepEqual(blob, before, "a refused blob stays as it was");
}

describe("a blob", () => {
  it("of a builder is taken and counted, and left as it is", () => {
    const builder = new BatchBuilder();
    for (let i = 0; i < 100; i++) {
      builder.add({ key: `user-${i}`, value: null, headers: { a: "b" }, timestamp: 100 - i });
    }
    const blob = builder.finish();
    const before = blob.slice();
    assert.equal(validateBlob(blob), 100);
    assert.deepEqual(blob, before);
  });

  it("of another producer is taken with its sequence, append time, transaction, and any place", () => {
    const header = { producerId: 4711, producerEpoch: 3, baseSequence: 9, epoch: 17 };
    for (const attributes of [0, LOG_APPEND_TIME, TRANSACTIONAL, LOG_APPEND_TIME | TRANSACTIONAL]) {
      assert.equal(validateBlob(simpleBatch(2 ** 40, 3, "v", { ...header, attributes })), 3);
    }
  });

  it("that is compressed is taken without a look inside", () => {
    for (const attributes of [1, 2, 3, 4]) {
      assert.equal(validateBlob(referenceBatch({ attributes, count: 5 }, Uint8Array.of(1, 2, 3))), 5);
    }
  });

  it("is refused where it is no whole batch", () => {
    const blob = simpleBatch(0, 2);
    checkRefused(new Uint8Array(0), "BATCH_INVALID", /only 0 bytes are left/);
    checkRefused(blob.subarray(0, -1), "BATCH_INVALID", /the length field says/);
    checkRefused(new Uint8Array(blob.length), "BATCH_INVALID", /magic is 0/);
    for (let length = 0; length < blob.length; length++) checkRefused(blob.subarray(0, length), "BATCH_INVALID", /./);
  });

  it("is refused where it is more than one batch", () => {
    const blob = simpleBatch(0, 2);
    checkRefused(concat(blob, blob), "BATCH_INVALID", new RegExp(`${blob.length} bytes follow it`));
    checkRefused(concat(blob, Uint8Array.of(0)), "BATCH_INVALID", /1 bytes follow it/);
  });

  it("is refused with any bit flipped, base offset and epoch apart: those are patched", () => {
    const blob = simpleBatch(0, 2);
    let taken = 0;
    for (let bit = 0; bit < blob.length * 8; bit++) {
      const flipped = blob.slice();
      flipped[bit >> 3] ^= 1 << (bit & 7);
      const patched = bit < 64 || (bit >= 96 && bit < 128);
      if (!patched) checkRefused(flipped, "BATCH_INVALID", /./);
      else if (flipped[0] === 0 && flipped[1] < 0x20) taken += validateBlob(flipped) / 2;
      else checkRefused(flipped, "BATCH_INVALID", /out of range/);
    }
    // 53 bits of the base offset and 32 of the epoch.
    assert.equal(taken, 53 + 32);
  });

  it("is refused where it holds nothing, or leaves offsets out", () => {
    checkRefused(referenceBatch({}), "BATCH_INVALID", /it has no record/);
    checkRefused(referenceBatch({ lastOffsetDelta: 4 }), "BATCH_INVALID", /it has no record/);
    const records = concat(referenceRecord({}), referenceRecord({ offsetDelta: 1 }));
    checkRefused(
      referenceBatch({ count: 2, lastOffsetDelta: 2 }, records),
      "BATCH_INVALID",
      /it has 2 records for 3 offsets/,
    );
    // The count agrees with the offsets, the records do not.
    const late = concat(referenceRecord({ offsetDelta: 1 }), referenceRecord({ offsetDelta: 2 }));
    checkRefused(referenceBatch({ count: 2 }, late), "BATCH_INVALID", /has offset delta 2/);
  });

  it("is refused where only a broker may write it", () => {
    for (const attributes of [CONTROL, DELETE_HORIZON, CONTROL | TRANSACTIONAL]) {
      checkRefused(simpleBatch(0, 1, "v", { attributes }), "BATCH_INVALID", /only a broker writes/);
    }
  });

  it("is UNSUPPORTED with a codec or an attribute that nobody knows yet [fault 51]", () => {
    for (const codec of [5, 6, 7]) {
      checkRefused(simpleBatch(0, 1, "v", { attributes: codec }), "UNSUPPORTED", /attributes 0x[567] are unknown/);
    }
    for (let bit = 7; bit < 16; bit++) {
      checkRefused(simpleBatch(0, 1, "v", { attributes: 1 << bit }), "UNSUPPORTED", /are unknown/);
    }
  });

  it("is refused for what it claims, before anything is taken for it", () => {
    const claims = [
      { batchLength: 2 ** 31 - 1 },
      { batchLength: MAX_BATCH_BYTES - 12 },
      { batchLength: -(2 ** 31) },
      { count: 2 ** 31 - 1, lastOffsetDelta: 2 ** 31 - 1 },
      { count: 2 ** 31 - 1, lastOffsetDelta: 2 ** 31 - 2 },
    ];
    const started = performance.now();
    for (const claim of claims) checkRefused(referenceBatch(claim, new Uint8Array(20)), "BATCH_INVALID", /./);
    assert.ok(performance.now() - started < 1000, "no claim is followed");
  });

  it("of Kafka is taken where a producer may have sent it", () => {
    for (const golden of GOLDEN_BATCHES) {
      const { count, baseOffset, lastOffset, attributes } = golden.header;
      const fit = count > 0 && count === lastOffset - baseOffset + 1 && (attributes & (CONTROL | DELETE_HORIZON)) === 0;
      if (fit) assert.equal(validateBlob(goldenBytes(golden)), count, golden.name);
      else checkRefused(goldenBytes(golden), "BATCH_INVALID", /./);
    }
  });
});
