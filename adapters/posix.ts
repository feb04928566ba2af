/**
 * The file contract on `node:fs`: everything that is equal on Node, Bun and Deno. What differs is passed in.
 *
 * @module
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  statfs,
  statSync,
  unlink,
  unlinkSync,
} from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import {
  type DirectoryEntry,
  type Host,
  type Instance,
  type OpenFileOptions,
  type OpenMode,
  type StorageInfo,
  type Vfs,
  VfsError,
  type VfsFile,
  type VfsLock,
} from "../src/vfs.ts";
import { instanceOf } from "./instance.ts";
import { errorName, vfsError } from "./posix_errors.ts";
import { type BackgroundWriter, PosixFile, promised } from "./posix_file.ts";
import { type OpenLockDatabase, takeLock } from "./sqlite_lock.ts";
import { storageOf } from "./storage.ts";

/** What differs between the runtimes. */
export interface RuntimeParts {
  /** Name and version, such as `node 26.10.0`. */
  readonly name: string;
  /** How large writes leave the calling thread. */
  readonly openWriter: (path: string, fd: number, direct: boolean) => BackgroundWriter;
  readonly openLockDatabase: OpenLockDatabase;
  /** Whether system information may be read without asking the user. */
  readonly maySeeSystem: () => boolean;
}

/** Links are not followed; a planted pipe cannot hang the opening (on a plain file `O_NONBLOCK` changes nothing). */
const GUARDS = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

const OPEN_FLAGS: Readonly<Record<OpenMode, number>> = {
  read: constants.O_RDONLY | GUARDS,
  write: constants.O_RDWR | GUARDS,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | GUARDS,
};

/** See {@linkcode Vfs}. */
export class PosixVfs implements Vfs {
  readonly host: Host;
  readonly #runtime: RuntimeParts;

  constructor(runtime: RuntimeParts) {
    this.#runtime = runtime;
    this.host = { pid: process.pid, runtime: runtime.name };
  }

  open(path: string, mode: OpenMode, options: OpenFileOptions = {}): VfsFile {
    const direct = options.direct === true;
    const fd = direct ? openDirect(path, mode) : openPlain(path, mode, 0);
    const openWriter = (): BackgroundWriter => this.#runtime.openWriter(path, fd, direct);
    return new PosixFile({ path, fd, mode, direct, openWriter });
  }

  list(path: string): DirectoryEntry[] {
    return attempt("list", path, () => {
      const entries = readdirSync(path, { withFileTypes: true }).map((entry): DirectoryEntry => ({
        name: entry.name,
        kind: entry.isFile() ? "file" : entry.isDirectory() ? "directory" : "other",
      }));
      return entries.sort((a, b) => a.name < b.name ? -1 : 1);
    });
  }

  makeDirectory(path: string): void {
    attempt("create directory", path, () => makeDirectories(path));
  }

  /** Freeing the blocks of a large file takes milliseconds, so it happens beside the calling thread. */
  async remove(path: string): Promise<void> {
    try {
      // Deno's unlink removes an empty directory too.
      if (lstatSync(path).isDirectory()) throw new VfsError("IO", `Cannot remove ${path}: it is a directory`, path);
      await promised((done) => unlink(path, done));
    } catch (error) {
      throw vfsError("remove", path, error);
    }
  }

  rename(from: string, to: string): void {
    try {
      renameSync(from, to);
    } catch (error) {
      throw vfsError("rename", from, error, `${from} to ${to}`);
    }
  }

  async syncDirectory(path: string): Promise<void> {
    // Windows has no such call; its file systems journal names by themselves.
    if (process.platform === "win32") return;
    const fd = attempt("sync directory", path, () => openSync(path, constants.O_RDONLY | constants.O_DIRECTORY));
    try {
      await promised((done) => fsync(fd, done));
    } catch (error) {
      throw vfsError("sync directory", path, error);
    } finally {
      closeSync(fd);
    }
  }

  lock(path: string, mode: "exclusive" | "shared"): VfsLock {
    return takeLock(this.#runtime.openLockDatabase, path, mode);
  }

  modified(path: string): number {
    return attempt("look at", path, () => lstatSync(path).mtimeMs);
  }

  async freeBytes(directory: string): Promise<number> {
    // Deno would ask a question on the terminal.
    if (!this.#runtime.maySeeSystem()) {
      const message = `Cannot find out how much space ${directory} has: it is not permitted (deno: --allow-sys=statfs)`;
      throw new VfsError("UNSUPPORTED", message, directory);
    }
    try {
      const { bavail, bsize } = await promised<{ bavail: number; bsize: number }>((done) => statfs(directory, done));
      return bavail * bsize;
    } catch (error) {
      throw vfsError("find the free space of", directory, error);
    }
  }

  instance(directory: string): Instance {
    return this.#runtime.maySeeSystem() ? instanceOf(directory) : { bootId: "", mountId: "" };
  }

  storage(directory: string): StorageInfo {
    return this.#runtime.maySeeSystem() ? storageOf(directory) : {};
  }

  link(from: string, to: string): void {
    try {
      linkSync(from, to);
    } catch (error) {
      throw vfsError("link", from, error, `${from} to ${to}`);
    }
  }

  links(path: string): number {
    return attempt("look at", path, () => lstatSync(path).nlink);
  }
}

/** The recursive mode of Node answers `ENOENT` on a read-only file system. */
function makeDirectories(path: string): void {
  try {
    mkdirSync(path, 0o700);
  } catch (error) {
    const parent = dirname(path);
    if (errorName(error) === "ENOENT" && parent !== path) {
      makeDirectories(parent);
      mkdirSync(path, 0o700);
    } else if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
      throw error;
    }
  }
}

function openPlain(path: string, mode: OpenMode, extraFlags: number): number {
  const fd = attempt("open", path, () => openSync(path, OPEN_FLAGS[mode] | extraFlags, 0o600));
  try {
    if (fstatSync(fd).isFile()) return fd;
    throw new VfsError("IO", `Cannot open ${path}: it is not a plain file`, path);
  } catch (error) {
    closeSync(fd);
    throw vfsError("open", path, error);
  }
}

/** Refused where the platform has no such flag or the file system says `EINVAL` to it. */
function openDirect(path: string, mode: OpenMode): number {
  const message = `Cannot open ${path}: direct access is not supported here`;
  if (!constants.O_DIRECT) throw new VfsError("UNSUPPORTED", message, path);
  try {
    return openPlain(path, mode, constants.O_DIRECT);
  } catch (error) {
    if (errorName((error as Error).cause) !== "EINVAL") throw error;
    // Linux creates the file before it refuses the flag; an older file would have been `EXISTS`.
    if (mode === "create") attempt("remove", path, () => unlinkSync(path));
    throw new VfsError("UNSUPPORTED", message, path, { cause: error });
  }
}

function attempt<T>(action: string, path: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw vfsError(action, path, error);
  }
}
