/**
 * Memory of a process that writes, above that of an idle one.
 *
 * @module
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { Child } from "../child.ts";
import type { Readings, Setting, ValueFigure } from "../figure.ts";

const LOADED = "the library imported, no log open";
const WRITTEN = "after the messages were written";
const PEAK = "at its peak while they were written";
const SHARDS = "64 idle shards, written to once";
const SHARDS_FILE = "of it pages of files, that is of the runtime's own program";
const SHARDS_ABOVE = "64 idle shards, above the library imported";

export const memory: ValueFigure = {
  name: "memory",
  isOfPackage: true,
  title: "Memory above an idle process: messages of 100 bytes to one shard; and 64 idle shards",
  how:
    "Resident memory of a fresh process each (from /proc where there is one), minus that of a process of the same runtime that does nothing " +
    "and imports nothing; the peak minus the idle one's peak. The goal is meant for 100 M messages: --scale 20",
  messages: 5_000_000,
  values: [
    { name: LOADED, unit: "MiB" },
    { name: WRITTEN, unit: "MiB", atMost: 150 },
    { name: PEAK, unit: "MiB", atMost: 150 },
    { name: SHARDS, unit: "MiB", atMost: 24 },
    { name: SHARDS_FILE, unit: "MiB" },
    { name: SHARDS_ABOVE, unit: "MiB" },
  ],
  measure: (setting) => Promise.resolve({ run: () => run(setting), close: () => Promise.resolve() }),
};

/** In MiB. */
interface Resident {
  readonly now: number;
  readonly peak: number;
  /** Of what it has now, pages of mapped files; 0 where that is not known. */
  readonly files: number;
}

async function residentOf(mode: string, { directory }: Setting, count = 0): Promise<Resident> {
  const path = `${directory}/${mode}`;
  const child = new Child("./memory_child.ts", [mode, path, String(count)]);
  try {
    const [now, peak] = (await child.line()).split(" ").map(Number);
    if (!existsSync("/proc/self/status")) return { now, peak, files: 0 };
    const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
    const field = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)![1]) / 1024;
    return { now: field("VmRSS"), peak: field("VmHWM"), files: field("RssFile") };
  } finally {
    await child.kill();
    rmSync(path, { recursive: true, force: true });
  }
}

async function run(setting: Setting): Promise<Readings> {
  const idle = await residentOf("idle", setting);
  const loaded = await residentOf("loaded", setting);
  const written = await residentOf("write", setting, setting.messages);
  const shards = await residentOf("shards", setting, 64);
  return {
    [LOADED]: loaded.now - idle.now,
    [WRITTEN]: written.now - idle.now,
    [PEAK]: written.peak - idle.peak,
    [SHARDS]: shards.now - idle.now,
    [SHARDS_FILE]: shards.files - idle.files,
    [SHARDS_ABOVE]: shards.now - loaded.now,
  };
}
