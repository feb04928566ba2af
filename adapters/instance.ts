/**
 * Which life of the page cache a directory is in. Linux only; elsewhere unknown.
 *
 * @module
 */
import { readdirSync, readFileSync, readlinkSync, statfsSync, statSync } from "node:fs";
import { basename } from "node:path";
import process from "node:process";
import type { Instance } from "../src/vfs.ts";

/** Directories of `/sys/fs` with one entry per mounted file system, named after its block device. */
const BY_DEVICE = ["ext4", "xfs", "f2fs"];
const BTRFS_MAGIC = 0x9123683e;
const TMPFS_MAGIC = 0x01021994;

/**
 * Magic numbers of `statfs(2)`. Not among them: FUSE, which may be anything, and 9p, which containers use for local disks.
 */
const NETWORKS: Readonly<Record<number, string>> = {
  0x6969: "nfs",
  0x517b: "smb",
  0xff534d42: "cifs",
  0xfe534d42: "smb2",
  0x5346414f: "afs",
  0x6b414653: "afs",
  0x73757245: "coda",
  0x564c: "ncp",
  0x00c36400: "ceph",
  0x0bd00bd0: "lustre",
};

/** Name of the network file system with this magic number; `undefined` for all others. Runtimes differ in its sign. */
export function networkOf(type: number): string | undefined {
  return NETWORKS[type >>> 0];
}

/** See {@linkcode "../src/vfs.ts".Vfs.instance}. */
export function instanceOf(directory: string): Instance {
  const network = process.platform === "linux" ? known(() => networkOf(statfsSync(directory).type) ?? "") : "";
  return {
    bootId: known(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()),
    mountId: known(() => mountOf(directory)),
    ...(network === "" ? {} : { network }),
  };
}

/**
 * Mount ids and device numbers do not tell a remount: both are given out again at once. What does is the inode
 * number of the directory that the kernel makes in sysfs for a mounted file system and removes with it: those
 * numbers are given out in turn, and 64 bits never come round. It is also the right thing to ask about: a bind
 * mount or a container that comes and goes leaves the page cache as it is.
 */
function mountOf(directory: string): string {
  const { dev, ino, birthtimeMs } = statSync(directory, { bigint: true });
  const device = known(() => basename(readlinkSync(`/sys/dev/block/${major(dev)}:${minor(dev)}`)));
  if (device !== "") {
    for (const type of BY_DEVICE) {
      const entry = known(() => sysfsInode(`/sys/fs/${type}/${device}`));
      if (entry !== "") return `${type} ${device} ${entry}`;
    }
  }
  const type = statfsSync(directory).type;
  // Its device numbers lead to no entry, so all of them are named: one more mount changes the id, which is safe.
  if (type === BTRFS_MAGIC) {
    const ids = readdirSync("/sys/fs/btrfs").filter((name) => name.includes("-"));
    return `btrfs ${dev} ${ids.map((id) => sysfsInode(`/sys/fs/btrfs/${id}`)).join(" ")}`;
  }
  // A directory in memory does not outlive its mount. Deno knows the time of birth in milliseconds only.
  if (type === TMPFS_MAGIC && birthtimeMs > 0n) return `tmpfs ${dev} ${ino} ${birthtimeMs}`;
  // Overlays, networks, FUSE: nothing tells their lives apart.
  return "";
}

function sysfsInode(path: string): string {
  return String(statSync(path, { bigint: true }).ino);
}

/** The two parts of a device number, as glibc packs them. */
function major(dev: bigint): bigint {
  return ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
}

function minor(dev: bigint): bigint {
  return (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
}

/** What cannot be found out is an empty string. */
function known(find: () => string): string {
  try {
    return find();
  } catch {
    return "";
  }
}
