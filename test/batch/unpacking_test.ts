/** Codecs that fail in other ways than a well-behaved one would. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BatchBuilder } from "../../src/batch/batch_builder.ts";
import type { Codecs } from "../../src/batch/codecs.ts";
import { RecordDecoder } from "../../src/batch/record_decoder.ts";

/** A batch that says it is packed with gzip. */
function packed(): Uint8Array {
  const builder = new BatchBuilder();
  builder.add({ value: "a", timestamp: 1 });
  const batch = builder.finish();
  batch[22] |= 1;
  return batch;
}

describe("a codec that fails", () => {
  it("makes a fault of the batch, whatever it throws", () => {
    for (const thrown of [new Error("it broke"), "it broke"]) {
      const codecs: Codecs = {
        decompress: () => {
          throw thrown;
        },
      };
      const decoder = new RecordDecoder(packed(), 0, codecs);
      assert.equal(decoder.next(), false);
      assert.match(decoder.fault ?? "", /its gzip data cannot be unpacked: it broke$/);
    }
  });
});

describe("a builder after a record of several megabytes", () => {
  it("builds small batches as before", () => {
    const builder = new BatchBuilder({ maxBytes: 16 * 1024 * 1024 });
    const small = { key: "k", value: "v", headers: { h: "x" }, timestamp: 1 };
    builder.add(small);
    const expected = builder.finish();
    const large = "ä".repeat(2_000_000);
    builder.add({ key: large, value: large, headers: { h: large }, timestamp: 1 });
    assert.ok(builder.finish().length > 12_000_000);
    builder.add(small);
    assert.deepEqual(builder.finish(), expected);
  });
});
