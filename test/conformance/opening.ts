/** Conformance of `open`. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { OpenMode } from "../../src/vfs.ts";
import { bytesAt, fails, get, type Lacks, type MakeVfs, put, sameBytes, use } from "./subject.ts";

const MODES: readonly OpenMode[] = ["read", "write", "create"];

export function describeOpening(makeVfs: MakeVfs, lacks: Lacks): void {
  describe("open", () => {
    it("creates, writes and reopens a file", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        const path = `${directory}/file`;
        await put(vfs, path, bytesAt(0, 10_000));
        const file = await vfs.open(path, "write");
        await file.write(bytesAt(10_000, 5_000), 10_000);
        await file.close();
        sameBytes(await get(vfs, path), bytesAt(0, 15_000));
      }));

    it("fails with NOT_FOUND where nothing is to be read or written, and creates nothing", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        await fails("NOT_FOUND", () => vfs.open(`${directory}/none`, "read"));
        await fails("NOT_FOUND", () => vfs.open(`${directory}/none`, "write"));
        await fails("NOT_FOUND", () => vfs.open(`${directory}/none/file`, "create"));
        assert.deepEqual(await vfs.list(directory), []);
      }));

    it("fails with EXISTS where a file is to be created, and leaves it as it is", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        await put(vfs, `${directory}/file`, bytesAt(0, 100));
        const failure = await fails("EXISTS", () => vfs.open(`${directory}/file`, "create"));
        assert.equal(failure.path, `${directory}/file`);
        sameBytes(await get(vfs, `${directory}/file`), bytesAt(0, 100));
      }));

    it("fails with NOT_A_DIRECTORY below a file", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        await put(vfs, `${directory}/file`, bytesAt(0, 1));
        for (const mode of MODES) await fails("NOT_A_DIRECTORY", () => vfs.open(`${directory}/file/below`, mode));
      }));

    it("opens no directory", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        await vfs.makeDirectory(`${directory}/sub`);
        await fails("IO", () => vfs.open(`${directory}/sub`, "read"));
        await fails("IO", () => vfs.open(`${directory}/sub`, "write"));
        await fails("EXISTS", () => vfs.open(`${directory}/sub`, "create"));
      }));

    it("follows no symbolic link at the last component", () =>
      use(makeVfs, async ({ vfs, directory, plantLink }) => {
        await put(vfs, `${directory}/secret`, bytesAt(0, 100));
        plantLink(`${directory}/secret`, `${directory}/link`);
        plantLink(`${directory}/nowhere`, `${directory}/dangling`);
        for (const name of ["link", "dangling"]) {
          await fails("IO", () => vfs.open(`${directory}/${name}`, "read"));
          await fails("IO", () => vfs.open(`${directory}/${name}`, "write"));
          await fails("EXISTS", () => vfs.open(`${directory}/${name}`, "create"));
        }
        const names = (await vfs.list(directory)).map((entry) => entry.name);
        assert.deepEqual(names, ["dangling", "link", "secret"]);
      }));

    it(
      "creates files with mode 0600",
      { skip: lacks.modes ?? false },
      () =>
        use(makeVfs, async ({ vfs, directory, modeOf }) => {
          await put(vfs, `${directory}/file`, bytesAt(0, 1));
          assert.equal(modeOf?.(`${directory}/file`), 0o600);
        }),
    );

    it("writes nothing through a handle that was opened for reading", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        await put(vfs, `${directory}/file`, bytesAt(0, 100));
        const file = await vfs.open(`${directory}/file`, "read");
        await fails("PERMISSION", () => file.write(bytesAt(7, 10), 0));
        await fails("PERMISSION", () => file.write(bytesAt(7, 1 << 20), 0));
        await fails("PERMISSION", () => file.truncate(10));
        await file.close();
        sameBytes(await get(vfs, `${directory}/file`), bytesAt(0, 100));
      }));

    it("gives two handles the same file", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        await put(vfs, `${directory}/file`, new Uint8Array(0));
        const writer = await vfs.open(`${directory}/file`, "write");
        const reader = await vfs.open(`${directory}/file`, "read");
        await writer.write(bytesAt(0, 200_000), 0);
        const into = new Uint8Array(200_000);
        assert.equal(await reader.read(into, 0), 200_000);
        sameBytes(into, bytesAt(0, 200_000));
        await writer.close();
        assert.equal(await reader.size(), 200_000);
        await reader.close();
      }));

    it("keeps a handle on its file while the name goes elsewhere", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        await put(vfs, `${directory}/file`, new Uint8Array(0));
        const file = await vfs.open(`${directory}/file`, "write");
        await vfs.rename(`${directory}/file`, `${directory}/moved`);
        await put(vfs, `${directory}/file`, bytesAt(0, 10));
        await file.write(bytesAt(0, 300_000), 0);
        await file.sync();
        await file.close();
        sameBytes(await get(vfs, `${directory}/moved`), bytesAt(0, 300_000));
        sameBytes(await get(vfs, `${directory}/file`), bytesAt(0, 10));
      }));

    it("names itself", () =>
      use(makeVfs, async ({ vfs, directory }) => {
        assert.ok(Number.isSafeInteger(vfs.host.pid) && vfs.host.pid >= 0);
        assert.match(vfs.host.runtime, /^[a-z]+( \d+\.\d+\.\d+\S*)?$/);
        const { bootId, mountId } = await vfs.instance(directory);
        assert.equal(typeof bootId, "string");
        assert.equal(typeof mountId, "string");
        assert.deepEqual(await vfs.instance(directory), { bootId, mountId });
        const nowhere = await vfs.instance(`${directory}/none`);
        assert.equal(typeof nowhere.mountId, "string");
      }));
  });
}
