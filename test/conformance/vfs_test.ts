/** Runs the conformance suite against the file system of the running runtime and against the one in memory. */
import { closeSync, constants, lstatSync, mkdtempSync, openSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { memoryVfs } from "../../adapters/memory.ts";
import { runtimeVfs } from "../../adapters/runtime.ts";
import type { MemoryOptions } from "../../adapters/memory.ts";
import type { Lacks, Subject } from "./subject.ts";
import { describeVfs } from "./suite.ts";

function onDisk(): Subject {
  const directory = mkdtempSync(join(tmpdir(), "bimip-vfs-")).replaceAll("\\", "/");
  return {
    vfs: runtimeVfs(),
    directory,
    plantLink: (target, path) => symlinkSync(target, path),
    modeOf: (path) => lstatSync(path).mode & 0o777,
    dispose: () => rmSync(directory, { recursive: true }),
  };
}

function inMemory(options: MemoryOptions): Subject {
  const vfs = memoryVfs(options);
  vfs.writeWhole("/directory/x", new Uint8Array());
  vfs.removeWhole("/directory/x");
  return { vfs, directory: "/directory", plantLink: (_target, path) => vfs.plantOther(path), dispose: () => {} };
}

/** Why the temporary directory cannot be accessed directly, if so: asked of the system, not of the adapter. */
function whyNotDirect(): string | undefined {
  if (!constants.O_DIRECT) return "this platform has no O_DIRECT";
  const { directory, dispose } = onDisk();
  try {
    closeSync(openSync(join(directory, "probe"), constants.O_RDWR | constants.O_CREAT | constants.O_DIRECT));
    return undefined;
  } catch {
    return "this file system refuses O_DIRECT";
  } finally {
    void dispose();
  }
}

const whyNot = whyNotDirect();
const diskLacks: Lacks = {
  ...(process.platform === "win32" ? { modes: "Windows has no permission bits" } : {}),
  ...(whyNot === undefined ? {} : { direct: whyNot }),
};
const memoryLacks: Lacks = { modes: "memory has one user" };

describeVfs(runtimeVfs().host.runtime, onDisk, diskLacks);
describeVfs("memory, answering at once", () => inMemory({}), memoryLacks);
describeVfs("memory, answering later", () => inMemory({ async: true }), memoryLacks);
const noDirect: Lacks = { ...memoryLacks, direct: "switched off" };
describeVfs("memory, answering either way", () => inMemory({ async: 0.5, directIo: false }), noDirect);
