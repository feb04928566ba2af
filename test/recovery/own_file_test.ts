/** A file with several names gets bytes of its own before it is changed. */
import assert from "node:assert/strict";
import { linkSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { ownFile } from "../../src/recovery/own_file.ts";
import { VfsError } from "../../src/vfs.ts";
import { useDirectory } from "../helpers.ts";

describe("a file that is to be changed in place", () => {
  it("is copied where it has another name, and left alone where it has none or is not there", () =>
    useDirectory(async (directory) => {
      const vfs = runtimeVfs();
      writeFileSync(join(directory, "a"), "content");
      const { ino } = statSync(join(directory, "a"));
      await ownFile(vfs, directory, "a");
      assert.equal(statSync(join(directory, "a")).ino, ino);
      linkSync(join(directory, "a"), join(directory, "b"));
      await ownFile(vfs, directory, "a");
      assert.notEqual(statSync(join(directory, "a")).ino, ino);
      assert.equal(statSync(join(directory, "b")).ino, ino);
      assert.equal(readFileSync(join(directory, "a"), "utf8"), "content");
      await ownFile(vfs, directory, "none");
    }));

  it("is left alone where the file system knows no links, and is not changed where it cannot be looked at", async () => {
    const refuse = (code: "PERMISSION" | "NOT_FOUND") => (): number => {
      throw new VfsError(code, "Cannot look at it: the test says so", "x");
    };
    const vfs = runtimeVfs();
    const seen = (links: (() => number) | undefined) => Object.assign(Object.create(vfs), { links });
    await ownFile(seen(undefined), "/nowhere", "x");
    await ownFile(seen(refuse("NOT_FOUND")), "/nowhere", "x");
    await assert.rejects(ownFile(seen(refuse("PERMISSION")), "/nowhere", "x"), { code: "PERMISSION" });
  });
});
