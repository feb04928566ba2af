/** Conformance of what is asked about files and the disk below them: `modified`, `freeBytes`. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bytesAt, fails, type MakeVfs, put, use } from "./subject.ts";

export function describeFacts(makeVfs: MakeVfs): void {
  describe("modified", () => {
    it("answers when a file was written, and never before an earlier write", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        await put(vfs, `${directory}/file`, bytesAt(0, 10));
        const first = await vfs.modified(`${directory}/file`);
        // A day in 2020, so that seconds are not taken for milliseconds, nor the other way round.
        assert.ok(first > 1_580_000_000_000 && first < 10_000_000_000_000, String(first));
        const file = await vfs.open(`${directory}/file`, "write");
        await file.write(bytesAt(0, 5), 3);
        await file.close();
        assert.ok(await vfs.modified(`${directory}/file`) >= first);
      }));

    it("fails with NOT_FOUND without a file", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        await fails("NOT_FOUND", () => vfs.modified(`${directory}/none`));
      }));
  });

  describe("freeBytes", () => {
    it("answers a number of bytes", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        const free = await vfs.freeBytes(directory);
        assert.ok(free > 1024 * 1024, String(free));
      }));
  });
}
