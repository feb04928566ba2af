/** Every shape in which the runtimes report a failure becomes the contract's error. */
import assert from "node:assert/strict";
import { constants } from "node:os";
import { describe, it } from "node:test";
import { errorName, isTransient, vfsError } from "../../adapters/posix_errors.ts";
import { VfsError } from "../../src/vfs.ts";

/** An error as a runtime makes it. */
function shaped(name: string, message: string, code?: string, errno?: number): Error {
  const error = Object.assign(new Error(message), { name });
  if (code !== undefined) Object.assign(error, { code });
  if (errno !== undefined) Object.assign(error, { errno });
  return error;
}

const { EDQUOT, EFBIG, EINTR, ENOSPC } = constants.errno;

/** What was seen on Node 26, Bun 1.4 and Deno 2.9. */
const SEEN: readonly (readonly [error: Error, name: string, code: string, words: RegExp])[] = [
  [shaped("Error", "ENOSPC: no space left on device, write", "ENOSPC", -ENOSPC), "ENOSPC", "NO_SPACE", /no space left/],
  [shaped("Error", `No space left on device (os error ${ENOSPC})`, "ENOSPC"), "ENOSPC", "NO_SPACE", /no space left/],
  [shaped("Error", "UNKNOWN: unknown error, write", "UNKNOWN", -EDQUOT), "EDQUOT", "NO_SPACE", /quota/],
  [
    shaped("Error", "Unknown system error", `Unknown system error -${EDQUOT}`, -EDQUOT),
    "EDQUOT",
    "NO_SPACE",
    /quota/,
  ],
  [shaped("Error", "EDQUOT: unknown error, write", "EDQUOT", -EDQUOT), "EDQUOT", "NO_SPACE", /quota/],
  [shaped("Error", `Disk quota exceeded (os error ${EDQUOT})`), "EDQUOT", "NO_SPACE", /quota/],
  [shaped("Error", `File too large (os error ${EFBIG})`), "EFBIG", "NO_SPACE", /exceed/],
  [shaped("Interrupted", `Interrupted system call (os error ${EINTR})`), "EINTR", "IO", /Interrupted/],
  [shaped("WouldBlock", "Resource temporarily unavailable (os error 11)", "EAGAIN"), "EAGAIN", "IO", /unavailable/],
  [shaped("Error", "EMFILE: too many open files, open 'x'", "EMFILE", -24), "EMFILE", "TOO_MANY_FILES", /too many/],
  [shaped("Error", "ENFILE: file table overflow", "ENFILE", -23), "ENFILE", "TOO_MANY_FILES", /the system/],
  [shaped("Error", "EROFS: read-only file system, open 'x'", "EROFS", -30), "EROFS", "PERMISSION", /read-only/],
  [shaped("Error", "EACCES: permission denied", "EACCES", -13), "EACCES", "PERMISSION", /permission denied/],
  [shaped("Error", "EPERM: operation not permitted", "EPERM", -1), "EPERM", "PERMISSION", /not permitted/],
  [shaped("NotCapable", 'Requires write access to "x"'), "EACCES", "PERMISSION", /--allow-write/],
  [shaped("NotFound", "No such file (os error 2): open 'x'", "ENOENT"), "ENOENT", "NOT_FOUND", /no such file/],
  [shaped("Error", "ENOTDIR: not a directory", "ENOTDIR", -20), "ENOTDIR", "NOT_A_DIRECTORY", /not a directory/],
  [shaped("Error", "ELOOP: too many symbolic links", "ELOOP", -40), "ELOOP", "IO", /symbolic link/],
  [shaped("Error", "EIO: i/o error, fdatasync", "EIO", -5), "EIO", "IO", /device/],
  [shaped("SQLiteError", "unable to open database file", "SQLITE_CANTOPEN", 14), "", "IO", /unable to open/],
  [shaped("Error", "something new"), "", "IO", /something new/],
];

describe("errors of the runtimes", () => {
  it("are known by name and become the contract's, with plain words and the cause", () => {
    for (const [error, name, code, words] of SEEN) {
      assert.equal(errorName(error), name, error.message);
      const failure = vfsError("write", "/dir/file", error);
      assert.equal(failure.code, code, error.message);
      assert.ok(failure.message.startsWith("Cannot write /dir/file: "), failure.message);
      assert.match(failure.message, words);
      assert.equal(failure.cause, error);
      assert.equal(failure.path, "/dir/file");
    }
  });

  it("may be tried again only when they say so [fault 5]", () => {
    const transient = SEEN.filter(([error]) => isTransient(error)).map(([, name]) => name);
    assert.deepEqual(transient, ["EINTR", "EAGAIN"]);
    assert.ok(!isTransient("EINTR") && !isTransient(undefined));
  });

  it("pass through when they are the contract's already, and take what is no error", () => {
    const own = new VfsError("BUSY", "Cannot lock x: somebody else holds it", "x");
    assert.equal(vfsError("open", "y", own), own);
    assert.equal(vfsError("open", "y", "text").message, "Cannot open y: text");
  });
});
