/** `instance` on real mounts: the same while a file system stays mounted, another after it was mounted again. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { runtimeVfs } from "../../adapters/runtime.ts";
import { run, useMountPoint, whyNoMounts } from "./mounts.ts";

const BOOT_ID = "/proc/sys/kernel/random/boot_id";
const skip = whyNoMounts();
const vfs = runtimeVfs();

async function mountIdOf(directory: string): Promise<string> {
  return (await vfs.instance(directory)).mountId;
}

describe("instance", () => {
  it("names this boot", { skip: existsSync(BOOT_ID) ? false : "this system tells no boot id" }, async () => {
    assert.equal((await vfs.instance(tmpdir())).bootId, readFileSync(BOOT_ID, "utf8").trim());
  });

  it("knows nothing of a directory that is not there", async () => {
    assert.equal(await mountIdOf(join(tmpdir(), "bimip-none", "none")), "");
  });

  it(
    "changes when ext4 is mounted again, with the same device and mount point",
    { skip },
    () =>
      useMountPoint(async (point, beside) => {
        const image = join(beside, "image");
        writeFileSync(image, new Uint8Array(8 << 20));
        run("mkfs.ext4", "-q", image);
        const seen = new Set<string>();
        for (let i = 0; i < 3; i++) {
          run("mount", "-o", "loop", image, point);
          mkdirSync(join(point, "log"), { recursive: true });
          const mountId = await mountIdOf(point);
          assert.notEqual(mountId, "");
          assert.equal(await mountIdOf(join(point, "log")), mountId);
          seen.add(mountId);
          run("umount", point);
        }
        assert.equal(seen.size, 3);
      }),
  );

  it(
    "stays when the same file system is only mounted in one more place",
    { skip },
    () =>
      useMountPoint(async (point, beside) => {
        const mountId = await mountIdOf(beside);
        run("mount", "--bind", beside, point);
        assert.equal(await mountIdOf(point), mountId);
      }),
  );

  it("changes when a file system in memory is mounted again", { skip }, () =>
    useMountPoint(async (point) => {
      const seen = new Set<string>();
      for (let i = 0; i < 3; i++) {
        run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", point);
        const mountId = await mountIdOf(point);
        assert.notEqual(mountId, "");
        assert.equal(await mountIdOf(point), mountId);
        seen.add(mountId);
        run("umount", point);
        // Births are told apart by the millisecond; no log is written in one.
        await sleep(20);
      }
      assert.equal(seen.size, 3);
    }));
});
