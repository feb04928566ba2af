/** Conformance of what a backup needs: second names, renamed directories, free space. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bytesAt, fails, get, type MakeVfs, put, sameBytes, use } from "./subject.ts";

export function describeLinks(makeVfs: MakeVfs): void {
  describe("link", () => {
    it("gives a file a second name for the same content, which outlives the first one", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        await vfs.makeDirectory(`${directory}/sub`);
        await put(vfs, `${directory}/a`, bytesAt(0, 100));
        assert.equal(await vfs.links!(`${directory}/a`), 1);
        await vfs.link!(`${directory}/a`, `${directory}/sub/b`);
        assert.deepEqual([await vfs.links!(`${directory}/a`), await vfs.links!(`${directory}/sub/b`)], [2, 2]);
        const file = await vfs.open(`${directory}/a`, "write");
        await file.write(bytesAt(50, 10), 10);
        await file.close();
        await vfs.remove(`${directory}/a`);
        assert.equal(await vfs.links!(`${directory}/sub/b`), 1);
        sameBytes((await get(vfs, `${directory}/sub/b`)).subarray(10, 20), bytesAt(50, 10));
        await vfs.syncDirectory(`${directory}/sub`);
      }));

    it("takes no name that is used, and needs something to link", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        await put(vfs, `${directory}/a`, bytesAt(0, 10));
        await put(vfs, `${directory}/b`, bytesAt(0, 20));
        await fails("EXISTS", () => vfs.link!(`${directory}/a`, `${directory}/b`));
        await fails("NOT_FOUND", () => vfs.link!(`${directory}/none`, `${directory}/c`));
        await fails("NOT_FOUND", () => vfs.links!(`${directory}/none`));
        assert.equal((await get(vfs, `${directory}/b`)).length, 20);
      }));
  });

  describe("rename of a directory", () => {
    it("takes its content along, to a free name or to an empty directory", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        await vfs.makeDirectory(`${directory}/from/inner`);
        await put(vfs, `${directory}/from/inner/file`, bytesAt(0, 7));
        await vfs.rename(`${directory}/from`, `${directory}/to`);
        sameBytes(await get(vfs, `${directory}/to/inner/file`), bytesAt(0, 7));
        await vfs.makeDirectory(`${directory}/empty`);
        await vfs.rename(`${directory}/to`, `${directory}/empty`);
        await vfs.syncDirectory(directory);
        assert.deepEqual((await vfs.list(directory)).map((entry) => entry.name), ["empty"]);
        sameBytes(await get(vfs, `${directory}/empty/inner/file`), bytesAt(0, 7));
      }));

    it("replaces neither a directory that holds something nor a file", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        await vfs.makeDirectory(`${directory}/from`);
        await vfs.makeDirectory(`${directory}/to`);
        await put(vfs, `${directory}/to/file`, bytesAt(0, 7));
        await assert.rejects(async () => await vfs.rename(`${directory}/from`, `${directory}/to`));
        await assert.rejects(async () => await vfs.rename(`${directory}/from`, `${directory}/to/file`));
        await assert.rejects(async () => await vfs.rename(`${directory}/to/file`, `${directory}/from`));
        sameBytes(await get(vfs, `${directory}/to/file`), bytesAt(0, 7));
      }));
  });
}
