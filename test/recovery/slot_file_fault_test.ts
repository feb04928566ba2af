/** What is wrong with a slot file in which no slot is valid: nothing while it is all zeros, whatever its length. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { slotFileFault } from "../../src/recovery/rebuild_slots.ts";

const IDENTITY = { magic: 0x424d5354, logId: new Uint8Array(16).fill(7), shard: 0 };

describe("a slot file without a valid slot", () => {
  for (const start of [0, 1, 4]) {
    for (const length of [0, 3, 4, 7, 512, 8191]) {
      it(`is sound only as long as all of its ${length} bytes are zeros, ${start} bytes into their memory`, () => {
        const content = new Uint8Array(start + length + 1).fill(1).subarray(start, start + length).fill(0);
        assert.equal(slotFileFault(content, IDENTITY), undefined);
        for (const at of new Set([0, length >> 1, length - 1])) {
          if (length === 0) break;
          content[at] = 1;
          assert.match(String(slotFileFault(content, IDENTITY)), /neither/, `the byte at ${at}`);
          content[at] = 0;
        }
      });
    }
  }
});
