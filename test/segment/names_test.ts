/** File names of segments. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { indexPath, logPath, quarantinePath, segmentBases } from "../../src/segment/names.ts";
import type { DirectoryEntry } from "../../src/vfs.ts";

const DIRECTORY = "data/chat-0";

function entry(name: string, kind: DirectoryEntry["kind"] = "file"): DirectoryEntry {
  return { name, kind };
}

describe("a segment's name", () => {
  it("is its base offset in Kafka's 20 digits", () => {
    assert.equal(logPath(DIRECTORY, 0), "data/chat-0/00000000000000000000.log");
    assert.equal(indexPath(DIRECTORY, 16_384), "data/chat-0/00000000000000016384.idx");
    assert.equal(logPath(DIRECTORY, Number.MAX_SAFE_INTEGER), "data/chat-0/00009007199254740991.log");
  });

  it("is found again, in the order of the offsets", () => {
    const bases = [2 ** 32, 0, 999, 10, Number.MAX_SAFE_INTEGER, 1000];
    const names = bases.map((base) => entry(logPath(DIRECTORY, base).slice(DIRECTORY.length + 1)));
    assert.deepEqual(segmentBases(names), bases.sort((a, b) => a - b));
  });

  it("is nobody else's: such files are left alone [fault 34]", () => {
    const foreign = [
      entry("0.log"),
      entry("0000000000000000000.log"),
      entry("000000000000000000000.log"),
      entry("00000000000000000000.LOG"),
      entry("00000000000000000000.log~"),
      entry("00000000000000000000.log.tmp"),
      entry(".00000000000000000000.log"),
      entry("00000000000000000000.idx"),
      entry("00000000000000000000.index"),
      entry("0000000000000000000a.log"),
      entry("-0000000000000000001.log"),
      entry("00000000000000000000.log\n"),
      entry("٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠.log"),
      entry("anchor"),
      entry("state"),
      // Not a number that an offset can be.
      entry("00009007199254740992.log"),
      entry("99999999999999999999.log"),
      // Not a plain file.
      entry("00000000000000000000.log", "directory"),
      entry("00000000000000000000.log", "other"),
    ];
    assert.deepEqual(segmentBases(foreign), []);
    assert.deepEqual(segmentBases([...foreign, entry("00000000000000000007.log")]), [7]);
  });
});

describe("the name of bytes set aside", () => {
  it("says where they were, and is no segment's to anybody", () => {
    const path = quarantinePath(DIRECTORY, 16_384, 77, 2);
    assert.equal(path, "data/chat-0/quarantine-16384-77-2");
    assert.deepEqual(segmentBases([entry(path.slice(DIRECTORY.length + 1))]), []);
    // Kafka looks at the end of a name, and at what stands in front of the first dot.
    assert.ok(!path.slice(DIRECTORY.length).includes("."));
  });
});
