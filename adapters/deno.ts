/**
 * The file system of Deno. Two things differ from Node.
 *
 * `node:fs` writes on the calling thread even where it answers with a promise (1 MiB: 217 µs blocked, 5 µs through
 * `Deno.FsFile` or `pwrite`). And a permission that was not given is asked for on a terminal, unless it is looked up before.
 *
 * With `--allow-read=DIR --allow-write=DIR` everything works but `instance`, which then knows nothing.
 *
 * @module
 */
import { fstatSync } from "node:fs";
import type { Vfs } from "../src/vfs.ts";
import { type DenoForeign, openPwriteWriter } from "./deno_pwrite.ts";
import { openNodeDatabase } from "./node_sqlite.ts";
import { PosixVfs } from "./posix.ts";
import { type BackgroundWriter, threadPoolWriter } from "./posix_file.ts";

/** The parts of Deno's own interface used here; its types are unknown to the other runtimes. */
interface DenoApi extends Omit<DenoForeign, "permissions"> {
  version: { deno: string };
  openSync(path: string, options: { write: boolean }): DenoFile;
  permissions: {
    querySync(descriptor: { name: "read" | "sys" | "ffi"; path?: string; kind?: string }): { state: string };
  };
}

interface DenoFile {
  seekSync(position: number, whence: number): number;
  write(from: Uint8Array): Promise<number>;
  statSync(): { dev: number; ino: number | null };
  close(): void;
}

/** The file system of the running Deno. */
export function denoVfs(): Vfs {
  const { Deno } = globalThis as unknown as { Deno: DenoApi };
  return new PosixVfs({
    name: `deno ${Deno.version.deno}`,
    openWriter: (path, fd, direct) => openWriter(Deno, path, fd, direct),
    openLockDatabase: openNodeDatabase,
    maySeeSystem: () => maySeeSystem(Deno),
  });
}

/**
 * Where `pwrite` cannot be called, large writes go through a second handle on the same file. `Deno.FsFile` has no O_DIRECT, so
 * direct writes stay on the calling thread; so do those to a file that was renamed or replaced in the meantime.
 */
function openWriter(deno: DenoApi, path: string, fd: number, direct: boolean): BackgroundWriter {
  const writer = openPwriteWriter(deno, fd);
  if (writer !== undefined) return writer;
  if (direct) return threadPoolWriter(path, fd);
  let file: DenoFile;
  try {
    file = deno.openSync(path, { write: true });
  } catch {
    return threadPoolWriter(path, fd);
  }
  const expected = fstatSync(fd);
  const found = file.statSync();
  if (found.dev !== expected.dev || found.ino !== expected.ino) {
    file.close();
    return threadPoolWriter(path, fd);
  }
  return seekingWriter(file);
}

/** A handle has one position: a write starts when the one before it is done. */
function seekingWriter(file: DenoFile): BackgroundWriter {
  let last: Promise<unknown> = Promise.resolve();
  return {
    write: (from, position) => {
      const turn = (): Promise<number> => {
        file.seekSync(position, 0);
        return file.write(from);
      };
      const written = last.then(turn, turn);
      last = written;
      return written;
    },
    close: () => file.close(),
  };
}

/** What was granted is read without a question; Deno may still refuse some of it, without one too. */
function maySeeSystem(deno: DenoApi): boolean {
  const granted = (descriptor: { name: "read" | "sys"; path?: string; kind?: string }): boolean =>
    deno.permissions.querySync(descriptor).state === "granted";
  return granted({ name: "read", path: "/proc" }) && granted({ name: "read", path: "/sys" }) &&
    granted({ name: "sys", kind: "statfs" });
}
