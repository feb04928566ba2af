/**
 * Turns what `node:fs`, `Deno.FsFile` and SQLite throw into {@linkcode VfsError}.
 *
 * @module
 */
import { constants } from "node:os";
import { VfsError, type VfsErrorCode } from "../src/vfs.ts";

/** Meaning and plain words of each error name. What is not listed is `IO`, in the runtime's own words. */
const MEANINGS: Readonly<Record<string, readonly [code: VfsErrorCode, words: string]>> = {
  ENOENT: ["NOT_FOUND", "no such file or directory"],
  EEXIST: ["EXISTS", "it exists already"],
  EBUSY: ["BUSY", "somebody else is using it"],
  ENOSPC: ["NO_SPACE", "no space left on the disk"],
  EDQUOT: ["NO_SPACE", "the disk quota is used up"],
  EFBIG: ["NO_SPACE", "the file would exceed the allowed size"],
  EACCES: ["PERMISSION", "permission denied"],
  EPERM: ["PERMISSION", "the operation is not permitted"],
  EROFS: ["PERMISSION", "the file system is read-only"],
  ELOOP: ["IO", "a symbolic link is in its place, and links are not followed"],
  ENOTDIR: ["NOT_A_DIRECTORY", "a part of the path is not a directory"],
  ENOTSUP: ["UNSUPPORTED", "the file system does not support it"],
  EOPNOTSUPP: ["UNSUPPORTED", "the file system does not support it"],
  ENOSYS: ["UNSUPPORTED", "the system does not support it"],
  EMFILE: ["TOO_MANY_FILES", "this process has too many open files"],
  ENFILE: ["TOO_MANY_FILES", "the system has too many open files"],
  EISDIR: ["IO", "it is a directory"],
  ENAMETOOLONG: ["IO", "the name is too long"],
  EIO: ["IO", "the device failed"],
};

/** Deno's own classes, where neither code nor number comes with them. */
const DENO_CLASSES: Readonly<Record<string, string>> = {
  NotCapable: "EACCES",
  PermissionDenied: "EACCES",
  NotFound: "ENOENT",
  AlreadyExists: "EEXIST",
  Interrupted: "EINTR",
  WouldBlock: "EAGAIN",
};

// Two names can share a number (EAGAIN, EWOULDBLOCK): the first one is the usual one.
const NAME_OF_NUMBER = new Map<number, string>();
for (const [name, number] of Object.entries(constants.errno)) {
  if (!NAME_OF_NUMBER.has(number)) NAME_OF_NUMBER.set(number, name);
}

/**
 * The POSIX name of a failure, such as `ENOSPC`, or an empty string.
 *
 * A name is not always there: Node has none for a used-up quota (`UNKNOWN`, errno -122), Deno none for that, for
 * a file too large and for an interruption (`… (os error 4)`).
 */
export function errorName(error: unknown): string {
  if (!(error instanceof Error)) return "";
  const { code, errno } = error as NodeJS.ErrnoException;
  if (typeof code === "string" && /^E[A-Z0-9]+$/.test(code)) return code;
  // A system error's number is negative; a positive one is SQLite's.
  const byNumber = typeof errno === "number" && errno < 0 ? NAME_OF_NUMBER.get(-errno) : undefined;
  const osError = /\(os error (\d+)\)/.exec(error.message);
  return byNumber ?? DENO_CLASSES[error.name] ?? (osError ? NAME_OF_NUMBER.get(Number(osError[1])) : undefined) ?? "";
}

/** Whether the same call may be tried again: nothing failed, it was only cut short. Never true for a sync. */
export function isTransient(error: unknown): boolean {
  const name = errorName(error);
  return name === "EINTR" || name === "EAGAIN" || name === "EWOULDBLOCK";
}

/**
 * The contract's error for a failed `action` ("open", "write", …) on `path`; passes a VfsError through.
 * The message names `object`.
 */
export function vfsError(action: string, path: string, error: unknown, object: string = path): VfsError {
  if (error instanceof VfsError) return error;
  const own = error instanceof Error ? error.message : String(error);
  const [code, words] = MEANINGS[errorName(error)] ?? (["IO", own] as const);
  const advice = error instanceof Error && error.name === "NotCapable"
    ? "; Deno needs --allow-read and --allow-write for it"
    : "";
  return new VfsError(code, `Cannot ${action} ${object}: ${words}${advice}`, path, { cause: error });
}
