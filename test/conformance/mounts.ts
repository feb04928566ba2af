/** Small file systems that tests mount, as root on Linux only. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { useDirectory } from "./subject.ts";

/** Why nothing can be mounted here, or `false`. */
export function whyNoMounts(): string | false {
  const canMount = process.platform === "linux" && process.getuid?.() === 0 && existsSync("/dev/loop-control") &&
    spawnSync("mkfs.ext4", ["-V"]).status === 0;
  return canMount ? false : "mounting takes root, loop devices and mkfs.ext4";
}

/** Runs a command to its end, which must be a good one. */
export function run(command: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: "utf8" });
  assert.equal(status, 0, `${command} ${args.join(" ")}: ${stderr}`);
}

/** Runs `body` with a directory to mount on and one beside it. Nothing is removed that is still mounted. */
export function useMountPoint(body: (point: string, beside: string) => Promise<void>): Promise<void> {
  return useDirectory(async (directory) => {
    const point = join(directory, "mount");
    const beside = join(directory, "beside");
    mkdirSync(point);
    mkdirSync(beside);
    try {
      await body(point, beside);
    } finally {
      // Lazily: after a failure a file may still be open.
      while (spawnSync("umount", ["--lazy", point]).status === 0);
      rmdirSync(point);
    }
  });
}
