/**
 * What a directory lies on. Linux tells; elsewhere little is known.
 *
 * @module
 */
import { readFileSync, realpathSync } from "node:fs";
import process from "node:process";
import type { StorageInfo } from "../src/vfs.ts";

/** Mount options that let a sync end before the disk has emptied its own cache. */
const WITHOUT_BARRIERS = ["nobarrier", "barrier=0"];

/** See {@linkcode "../src/vfs.ts".Vfs.storage}. */
export function storageOf(directory: string): StorageInfo {
  try {
    if (process.platform === "linux") {
      return storageIn(readFileSync("/proc/self/mountinfo", "utf8"), realpathSync(directory));
    }
  } catch {
    return {};
  }
  // There `fsync` leaves data in the disk's cache. Node and Deno ask for F_FULLFSYNC instead; of Bun it is not known.
  if (process.platform === "darwin") return process.versions.bun === undefined ? { fullSync: true } : {};
  return {};
}

/** The mount in which `path` lies, in the words of `/proc/self/mountinfo`: the last one of those with the longest mount point. */
export function storageIn(mountinfo: string, path: string): StorageInfo {
  let found: StorageInfo = {};
  let longest = -1;
  for (const line of mountinfo.split("\n")) {
    const separator = line.indexOf(" - ");
    if (separator < 0) continue;
    const point = unescaped(line.split(" ")[4] ?? "");
    const isAbove = point === "/" || path === point || path.startsWith(`${point}/`);
    if (!isAbove || point.length < longest) continue;
    longest = point.length;
    const [fileSystem, device, options = ""] = line.slice(separator + 3).split(" ");
    const hasBarriers = !options.split(",").some((option) => WITHOUT_BARRIERS.includes(option));
    found = { fileSystem, device: unescaped(device), fullSync: hasBarriers };
  }
  return found;
}

/** Blanks and the like are there as octal numbers. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)));
}
