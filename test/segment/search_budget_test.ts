/** Bytes made to keep the search for a batch busy. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { memoryVfs } from "../../adapters/memory.ts";
import { HEADER_BYTES, sealHeader } from "../../src/batch/format.ts";
import { writeI32 } from "../../src/bytes.ts";
import { findBatch } from "../../src/segment/search.ts";

const MEBIBYTE = 1024 * 1024;

describe("the search for a batch", () => {
  it("gives up after a bounded amount of checking, however many headers claim however many bytes", async () => {
    const bytes = new Uint8Array(4 * MEBIBYTE);
    const header = new Uint8Array(HEADER_BYTES);
    for (let at = 0; at < bytes.length - 64; at += 64) {
      const fields = { epoch: 1, baseOffset: at, lastOffsetDelta: 0, baseTimestamp: 0, maxTimestamp: 0, count: 0 };
      sealHeader(header, 0, { bytes: HEADER_BYTES, ...fields });
      // Each claims everything behind it, so its checksum is wrong, and finding that out costs the most.
      writeI32(header, 8, bytes.length - at - 12);
      bytes.set(header, at);
    }
    const vfs = memoryVfs();
    vfs.writeWhole("/f", bytes);
    let read = 0;
    vfs.onOperation((operation) => void (operation.kind === "read" && (read += operation.bytes)));
    const file = await vfs.open("/f", "read");
    assert.equal(await findBatch(file, 0, bytes.length, 0, Number.MAX_SAFE_INTEGER), undefined);
    assert.ok(read > 400 * MEBIBYTE && read < 600 * MEBIBYTE, `${read} bytes were read`);
  });
});
