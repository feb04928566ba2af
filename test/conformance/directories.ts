/** Conformance of the names: `list`, `makeDirectory`, `remove`, `rename`, `syncDirectory`. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bytesAt, fails, get, type Lacks, type MakeVfs, put, sameBytes, use } from "./subject.ts";

export function describeDirectories(makeVfs: MakeVfs, lacks: Lacks): void {
  describe("list", () => {
    it("answers names in order, with their kinds", () =>
      use(makeVfs, async ({ vfs, directory, plantLink }) => {
        assert.deepEqual(await vfs.list(directory), []);
        for (const name of ["b", "a", "B", "a-10", "a-2", "00000000000000000000.log"]) {
          await put(vfs, `${directory}/${name}`, bytesAt(0, 1));
        }
        await vfs.makeDirectory(`${directory}/c/below`);
        plantLink(`${directory}/a`, `${directory}/d`);
        plantLink(`${directory}/c`, `${directory}/e`);
        const entries = (await vfs.list(directory)).map(({ name, kind }) => `${name} ${kind}`);
        assert.deepEqual(entries, [
          "00000000000000000000.log file",
          "B file",
          "a file",
          "a-10 file",
          "a-2 file",
          "b file",
          "c directory",
          "d other",
          "e other",
        ]);
      }));

    it("fails with NOT_FOUND without a directory, and with NOT_A_DIRECTORY on a file", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        await put(vfs, `${directory}/file`, bytesAt(0, 1));
        await fails("NOT_FOUND", () => vfs.list(`${directory}/none`));
        await fails("NOT_A_DIRECTORY", () => vfs.list(`${directory}/file`));
      }));
  });

  describe("makeDirectory", () => {
    it("creates missing parents, and takes what exists", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        await vfs.makeDirectory(`${directory}/a/b/c`);
        await vfs.makeDirectory(`${directory}/a/b/c`);
        await vfs.makeDirectory(`${directory}/a`);
        assert.deepEqual(await vfs.list(`${directory}/a/b`), [{ name: "c", kind: "directory" }]);
      }));

    it(
      "creates all of them with mode 0700",
      { skip: lacks.modes ?? false },
      () =>
        use(makeVfs, async ({ vfs, directory, modeOf }) => {
          await vfs.makeDirectory(`${directory}/a/b/c`);
          for (const name of ["a", "a/b", "a/b/c"]) assert.equal(modeOf?.(`${directory}/${name}`), 0o700);
        }),
    );

    it("fails where a file has the name, or a parent's", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        await put(vfs, `${directory}/file`, bytesAt(0, 1));
        await fails("EXISTS", () => vfs.makeDirectory(`${directory}/file`));
        await fails("NOT_A_DIRECTORY", () => vfs.makeDirectory(`${directory}/file/a/b`));
        sameBytes(await get(vfs, `${directory}/file`), bytesAt(0, 1));
      }));
  });

  describe("remove", () => {
    it("removes a file, also a large one that is still open", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        await put(vfs, `${directory}/file`, bytesAt(0, 1 << 20));
        const file = await vfs.open(`${directory}/file`, "read");
        await vfs.remove(`${directory}/file`);
        assert.deepEqual(await vfs.list(directory), []);
        const into = new Uint8Array(1000);
        assert.equal(await file.read(into, 5000), 1000);
        sameBytes(into, bytesAt(5000, 1000));
        await file.close();
      }));

    it("removes a link, not what it points at", () =>
      use(makeVfs, async ({ vfs, directory, plantLink }) => {
        await put(vfs, `${directory}/file`, bytesAt(0, 10));
        plantLink(`${directory}/file`, `${directory}/link`);
        await vfs.remove(`${directory}/link`);
        assert.deepEqual(await vfs.list(directory), [{ name: "file", kind: "file" }]);
      }));

    it("removes no directory, empty or not", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        await vfs.makeDirectory(`${directory}/a/b`);
        await fails("IO", () => vfs.remove(`${directory}/a`));
        await fails("IO", () => vfs.remove(`${directory}/a/b`));
        assert.deepEqual(await vfs.list(`${directory}/a`), [{ name: "b", kind: "directory" }]);
      }));

    it("fails with NOT_FOUND where there is nothing", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        await fails("NOT_FOUND", () => vfs.remove(`${directory}/none`));
        await fails("NOT_FOUND", () => vfs.remove(`${directory}/none/file`));
      }));
  });

  describe("rename", () => {
    it("moves a file and replaces the target", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        await vfs.makeDirectory(`${directory}/sub`);
        await put(vfs, `${directory}/a`, bytesAt(0, 100));
        await put(vfs, `${directory}/sub/b`, bytesAt(0, 7));
        await vfs.rename(`${directory}/a`, `${directory}/sub/b`);
        sameBytes(await get(vfs, `${directory}/sub/b`), bytesAt(0, 100));
        await vfs.rename(`${directory}/sub/b`, `${directory}/c`);
        assert.deepEqual((await vfs.list(directory)).map((entry) => entry.name), ["c", "sub"]);
        assert.deepEqual(await vfs.list(`${directory}/sub`), []);
      }));

    it("fails with NOT_FOUND where there is nothing to rename, and keeps the target", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        await put(vfs, `${directory}/b`, bytesAt(0, 7));
        await fails("NOT_FOUND", () => vfs.rename(`${directory}/a`, `${directory}/b`));
        await fails("NOT_FOUND", () => vfs.rename(`${directory}/b`, `${directory}/none/b`));
        sameBytes(await get(vfs, `${directory}/b`), bytesAt(0, 7));
      }));
  });

  describe("syncDirectory", () => {
    it("takes new, renamed and removed entries", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        await put(vfs, `${directory}/a`, bytesAt(0, 7));
        await vfs.syncDirectory(directory);
        await vfs.rename(`${directory}/a`, `${directory}/b`);
        await vfs.syncDirectory(directory);
        await vfs.remove(`${directory}/b`);
        await vfs.syncDirectory(directory);
        assert.deepEqual(await vfs.list(directory), []);
      }));

    it("fails with NOT_FOUND without a directory, and with NOT_A_DIRECTORY on a file", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        await put(vfs, `${directory}/file`, bytesAt(0, 1));
        await fails("NOT_FOUND", () => vfs.syncDirectory(`${directory}/none`));
        await fails("NOT_A_DIRECTORY", () => vfs.syncDirectory(`${directory}/file`));
      }));
  });
}
