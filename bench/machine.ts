/**
 * What the figures were measured on.
 *
 * @module
 */
import { readFileSync, statfsSync, statSync } from "node:fs";
import os from "node:os";

/** The machine and the disk, as far as they can be told. */
export interface Machine {
  readonly system: string;
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly fileSystem: string;
  readonly device: string;
}

const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  0xef53: "ext2/3/4",
  0x58465342: "xfs",
  0x9123683e: "btrfs",
  0x01021994: "tmpfs",
  0x794c7630: "overlay",
};

export function describeMachine(directory: string): Machine {
  const cpus = os.cpus();
  const type = Number(statfsSync(directory).type);
  return {
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    processor: cpus[0]?.model ?? "unknown",
    cores: cpus.length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    fileSystem: FILE_SYSTEMS[type] ?? `0x${type.toString(16)}`,
    device: deviceOf(directory),
  };
}

function deviceOf(directory: string): string {
  try {
    const { dev } = statSync(directory);
    const number = `${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`;
    const line = readFileSync("/proc/self/mountinfo", "utf8").split("\n").find((line) => line.split(" ")[2] === number);
    return line?.split(" - ")[1]?.split(" ")[1] ?? "unknown";
  } catch {
    return "unknown";
  }
}
