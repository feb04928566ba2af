/** The file of `trimUser`: whatever lies in it, one knows what is wrong. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { memoryVfs } from "../../adapters/memory.ts";
import {
  decodeTrims,
  encodeTrims,
  MAX_TRIMS_BYTES,
  readTrims,
  TRIMS_NAME,
  trimsIdentity,
} from "../../src/anchor/trims_file.ts";
import { crc32c } from "../../src/batch/crc32c.ts";
import { writeI32, writeI64 } from "../../src/bytes.ts";

const IDENTITY = { logId: new Uint8Array(16).fill(7), shard: 3 };
const CRC_FROM = 8;
const COUNT_AT = 36;

/** An intact file with two marks, changed, with a checksum that fits. */
function changed(change: (bytes: Uint8Array) => Uint8Array | void): Uint8Array {
  const bytes = encodeTrims(IDENTITY, 5, new Map([["alice", 10], ["bob", 20]]));
  const other = change(bytes) ?? bytes;
  writeI32(other, 4, crc32c(other, CRC_FROM, other.length));
  return other;
}

describe("a file of marks", () => {
  it("gives back what was put in", () => {
    const found = decodeTrims(changed(() => {}), IDENTITY);
    assert.deepEqual(found, { generation: 5, marks: new Map([["alice", 10], ["bob", 20]]) });
    assert.deepEqual(trimsIdentity(changed(() => {})), IDENTITY);
  });

  it("is refused by its size, before memory is taken for it [fault 48]", async () => {
    const vfs = memoryVfs();
    await vfs.makeDirectory("/d");
    assert.equal(await readTrims(vfs, "/d", IDENTITY), undefined);
    const file = await vfs.open(`/d/${TRIMS_NAME}`, "create");
    await file.write(changed(() => {}), 0);
    assert.equal(typeof await readTrims(vfs, "/d", IDENTITY), "object");
    await file.write(new Uint8Array(1), MAX_TRIMS_BYTES);
    await file.close();
    const size = MAX_TRIMS_BYTES + 1;
    assert.equal(await readTrims(vfs, "/d", IDENTITY), `it has ${size} bytes, more than ${MAX_TRIMS_BYTES}`);
  });

  it("is refused where its content makes no sense although the checksum fits [fault 49]", () => {
    const whole = encodeTrims(IDENTITY, 5, new Map([["alice", 10], ["bob", 20]]));
    const first = whole.length - 2 * 12 - "alicebob".length;
    const cases: [(bytes: Uint8Array) => Uint8Array | void, string][] = [
      [(bytes) => writeI32(bytes, COUNT_AT, 3), "it ends early"],
      [(bytes) => writeI32(bytes, COUNT_AT, 1), "there are bytes behind its marks"],
      [(bytes) => writeI32(bytes, COUNT_AT, 0xffff_ffff), "it ends early"],
      [(bytes) => writeI64(bytes, first, -1), "a mark makes no sense"],
      [(bytes) => writeI32(bytes, first + 8, 1000), "a mark makes no sense"],
      [(bytes) => writeI32(bytes, 32, 4), "it is of another log or shard"],
      [(bytes) => writeI32(bytes, 0, 0), "it does not begin as such a file does"],
    ];
    for (const [change, message] of cases) assert.equal(decodeTrims(changed(change), IDENTITY), message);
    const rotten = changed(() => {});
    rotten[rotten.length - 1] ^= 1;
    assert.equal(decodeTrims(rotten, IDENTITY), "its checksum does not fit");
    assert.equal(decodeTrims(rotten.subarray(0, 10), IDENTITY), "it does not begin as such a file does");
  });
});
