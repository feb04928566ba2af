/** A file system that is full, and one that may only be read. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { run, useMountPoint, whyNoMounts } from "./mounts.ts";
import { bytesAt, fails, get, put, sameBytes } from "./subject.ts";

const skip = whyNoMounts();
const vfs = runtimeVfs();

describe("a full file system", () => {
  it(
    "fails small and large writes with NO_SPACE, and goes on when there is space again",
    { skip },
    () =>
      useMountPoint(async (point) => {
        run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", point);
        const file = await vfs.open(`${point}/file`, "create");
        await fails("NO_SPACE", () => file.write(bytesAt(0, 3 << 20), 0));
        await fails("NO_SPACE", () => file.write(bytesAt(0, 10_000), 2 << 20));
        await file.truncate(100_000);
        sameBytes(await get(vfs, `${point}/file`), bytesAt(0, 100_000));
        await file.write(bytesAt(100_000, 500_000), 100_000);
        sameBytes(await get(vfs, `${point}/file`), bytesAt(0, 600_000));
        await file.close();
      }),
  );
});

describe("a file system that may only be read", () => {
  it("is read, and refuses everything else with PERMISSION", { skip }, () =>
    useMountPoint(async (point) => {
      run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", point);
      await put(vfs, `${point}/file`, bytesAt(0, 1000));
      await (await vfs.lock(`${point}/lock`, "exclusive")).release();
      run("mount", "-o", "remount,ro", point);

      sameBytes(await get(vfs, `${point}/file`), bytesAt(0, 1000));
      await vfs.makeDirectory(point);
      await fails("PERMISSION", () => vfs.open(`${point}/file`, "write"));
      await fails("PERMISSION", () => vfs.open(`${point}/new`, "create"));
      await fails("PERMISSION", () => vfs.makeDirectory(`${point}/a`));
      await fails("PERMISSION", () => vfs.remove(`${point}/file`));
      await fails("PERMISSION", () => vfs.rename(`${point}/file`, `${point}/other`));
      await fails("PERMISSION", () => vfs.lock(`${point}/new`, "exclusive"));
      // SQLite itself would silently make it a shared one, and let two writers in.
      await fails("PERMISSION", () => vfs.lock(`${point}/lock`, "exclusive"));
      assert.deepEqual((await vfs.list(point)).map((entry) => entry.name), ["file", "lock"]);
    }));
});

describe("a file system without direct access", () => {
  it("refuses it with UNSUPPORTED and leaves no file", { skip }, () =>
    useMountPoint(async (point) => {
      run("mount", "-t", "ramfs", "ramfs", point);
      await put(vfs, `${point}/old`, bytesAt(0, 10));
      await fails("EXISTS", () => vfs.open(`${point}/old`, "create", { direct: true }));
      await fails("UNSUPPORTED", () => vfs.open(`${point}/old`, "write", { direct: true }));
      await fails("UNSUPPORTED", () => vfs.open(`${point}/new`, "create", { direct: true }));
      assert.deepEqual(await vfs.list(point), [{ name: "old", kind: "file" }]);
    }));
});
