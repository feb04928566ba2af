/**
 * The file contract: everything the engine asks of a file system, a clock and a source of randomness.
 *
 * The engine never asks which runtime it is on. An adapter (`adapters/`) implements these few methods for
 * Node, Bun, Deno or memory; the conformance suite in `test/conformance/` holds each of them to this page.
 *
 * A method answers at once or with a promise, and callers wait only for promises: a small write into the
 * page cache takes 1–2 µs answered at once and 40–70 µs through a promise.
 *
 * @module
 */

/** A value, or a promise of one. Callers await only when it is a promise. */
export type MaybePromise<T> = T | Promise<T>;

/**
 * How a file is opened.
 * - `read`: it must exist; nothing is ever written through this handle.
 * - `write`: it must exist; positional reads and writes.
 * - `create`: it must not exist (`EXISTS` otherwise); positional reads and writes; mode 0600.
 *
 * What is not a plain file is refused with `IO`, a write through `read` with `PERMISSION`, any use after close with `IO`.
 * No mode follows a symbolic link at the last path component, and none appends (`O_APPEND` ignores positions).
 */
export type OpenMode = "read" | "write" | "create";

/** Options of {@linkcode Vfs.open}. */
export interface OpenFileOptions {
  /**
   * Bypass the page cache: memory, positions and sizes must then be multiples of 4,096 bytes, and anything else is
   * refused before it reaches the file. Fails with
   * `UNSUPPORTED` where the file system refuses it.
   *
   * @default {false}
   */
  direct?: boolean;
}

/** An entry of a directory. `kind` is `other` for symbolic links and everything else that is not plain. */
export interface DirectoryEntry {
  /** Without the directory. */
  readonly name: string;
  /** What it is. */
  readonly kind: "file" | "directory" | "other";
}

/** One open file. Positions and sizes are safe integers ≥ 0, in bytes; anything else throws a `RangeError`. */
export interface VfsFile {
  /**
   * Fills `into` from `position`. Answers the bytes read: fewer than `into.length` only at the end of the file.
   * May run beside any other call on the file.
   */
  read(into: Uint8Array, position: number): MaybePromise<number>;
  /**
   * Writes all of `from` at `position`, or fails. After a failure any part of the range may have changed.
   * On return the bytes are in the page cache (they survive the process, not a power loss). The caller leaves
   * `from` unchanged until then, and writes in flight on one file never overlap.
   */
  write(from: Uint8Array, position: number): MaybePromise<void>;
  /** The size in bytes, all completed writes included. */
  size(): MaybePromise<number>;
  /** Cuts or extends (with zeros) the file. Not durable before {@linkcode VfsFile.sync}. Runs beside nothing else. */
  truncate(size: number): MaybePromise<void>;
  /**
   * Makes durable every write and truncate that completed before this call began, and the size. After a
   * failure nothing may be assumed durable and a later success proves nothing: the caller must not retry.
   */
  sync(): MaybePromise<void>;
  /** Frees the handle. Nothing becomes durable. Closing twice does nothing. */
  close(): MaybePromise<void>;
}

/** A held lock. It is freed by `release` or by the end of the process that holds it, however it ends. */
export interface VfsLock {
  /** Gives the lock back. Twice does nothing more. */
  release(): MaybePromise<void>;
}

/**
 * Which life of the page cache this is: two equal instances with no empty field mean that everything written
 * is still there, synced or not. An empty string is unknown, and unknown equals nothing.
 */
export interface Instance {
  /** Changes at every boot of the machine. */
  readonly bootId: string;
  /** Changes whenever the file system below the directory is mounted. */
  readonly mountId: string;
  /** Kind of the network file system that the directory lies on, such as `nfs`; absent where it is none, or not known. */
  readonly network?: string;
}

/** What a directory lies on, as far as it is known. */
export interface StorageInfo {
  /** Kind of the file system, such as `ext4`. */
  readonly fileSystem?: string;
  /** What is mounted, such as `/dev/sda1`. */
  readonly device?: string;
  /** Whether a sync empties the disk's own cache, too. */
  readonly fullSync?: boolean;
}

/** Who runs the engine: stands in the file beside the lock, so that a refused writer can name the owner. */
export interface Host {
  /** Process id; 0 where it is not known. */
  readonly pid: number;
  /** Runtime and version, such as `node 26.10.0`. */
  readonly runtime: string;
}

/** A file system. Paths use `/` and are passed on as they are; the engine builds them from checked names only. */
export interface Vfs {
  /** Who runs the engine. */
  readonly host: Host;
  /** Opens a file. `NOT_FOUND`, `EXISTS`, `PERMISSION`, `TOO_MANY_FILES`, `NO_SPACE`, `UNSUPPORTED`. */
  open(path: string, mode: OpenMode, options?: OpenFileOptions): MaybePromise<VfsFile>;
  /** Entries of a directory, sorted by name. `NOT_FOUND` where there is none. */
  list(path: string): MaybePromise<DirectoryEntry[]>;
  /** Creates a directory (mode 0700) and its missing parents. An existing one is not an error, a file is: `EXISTS`. */
  makeDirectory(path: string): MaybePromise<void>;
  /** Removes a file. `NOT_FOUND` where there is none. Not durable before {@linkcode Vfs.syncDirectory}. */
  remove(path: string): MaybePromise<void>;
  /**
   * Renames a file and replaces the target, or a directory, where the target must be an empty one or missing; atomically. Not durable before
   * {@linkcode Vfs.syncDirectory} of both parents.
   */
  rename(from: string, to: string): MaybePromise<void>;
  /** Makes created, removed and renamed entries of the directory durable. Same rule on failure as `sync`. */
  syncDirectory(path: string): MaybePromise<void>;
  /**
   * Takes a lock on the file at `path` (created if missing) without waiting: `exclusive` excludes everyone,
   * `shared` only `exclusive`. It excludes other handles of the same process, other threads, processes and
   * runtimes. Fails with `BUSY` when somebody holds it, or tries to take it exclusively at this instant. The file is opened by nothing else.
   */
  lock(path: string, mode: "exclusive" | "shared"): MaybePromise<VfsLock>;
  /** When the content of the file at `path` last changed, in milliseconds since 1970. `NOT_FOUND` where there is none. */
  modified(path: string): MaybePromise<number>;
  /**
   * Bytes that this program may still write to the file system below the directory; `Infinity` where there is no limit.
   * `UNSUPPORTED` where that cannot be found out.
   */
  freeBytes(directory: string): MaybePromise<number>;
  /** See {@linkcode Instance}. Never fails: what cannot be found out is an empty string. */
  instance(directory: string): MaybePromise<Instance>;
  /** See {@linkcode StorageInfo}. Never fails; may be missing. For people: nothing depends on it. */
  storage?(directory: string): MaybePromise<StorageInfo>;
  /**
   * Gives a file a second name, which must be free (`EXISTS`). Not durable before {@linkcode Vfs.syncDirectory}. May be missing; fails
   * with any code where the file system has no such links, or not from here to there.
   */
  link?(from: string, to: string): MaybePromise<void>;
  /** How many names the file at `path` has. There where {@linkcode Vfs.link} is. `NOT_FOUND`. */
  links?(path: string): MaybePromise<number>;
}

/** A timer that was set; its shape is the adapter's. */
export type TimerHandle = unknown;

/** Time, passed in so that a simulation can own it. */
export interface Clock {
  /** Milliseconds since 1970, for timestamps. May jump. */
  now(): number;
  /** Milliseconds on a clock that never goes back, for durations. */
  monotonic(): number;
  /** Calls `callback` once after `delayMs`; keeps the process alive until then, unless it is `idle` work that nobody waits for. */
  setTimer(callback: () => void, delayMs: number, idle?: boolean): TimerHandle;
  /** Takes a timer back that has not fired. */
  clearTimer(timer: TimerHandle): void;
}

/** Fills `into` with random bytes: log ids. */
export type Random = (into: Uint8Array) => void;

/** What an adapter's failure means to the engine. `IO` is everything else, and never retryable. */
export type VfsErrorCode =
  | "NOT_FOUND"
  | "EXISTS"
  | "BUSY"
  | "NO_SPACE"
  | "PERMISSION"
  | "NOT_A_DIRECTORY"
  | "UNSUPPORTED"
  | "TOO_MANY_FILES"
  | "IO";

/** A failed file operation. `cause` is the runtime's own error. */
export class VfsError extends Error {
  override readonly name: string = "VfsError";
  readonly code: VfsErrorCode;
  readonly path: string;

  constructor(code: VfsErrorCode, message: string, path: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.path = path;
  }
}

/** Throws unless `position` is a safe integer ≥ 0: every runtime silently writes elsewhere on a bad one. */
export function assertPosition(position: number, what: string): void {
  if (!Number.isSafeInteger(position) || position < 0) {
    throw new RangeError(`Cannot ${what}: the position must be a safe integer from 0, not ${String(position)}`);
  }
}
